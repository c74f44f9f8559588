//! Retention of ended jobs: the bound on the memory and disk space of all ended jobs together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::record::JobRecord;
use crate::limits;

/// Ended jobs of all sessions of this process. The oldest ended job loses its output first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retention(Arc<Mutex<VecDeque<Entry>>>);

#[derive(Debug)]
struct Entry {
    record: Arc<JobRecord>,
    memory_bytes: usize,
    kept_bytes: u64,
}

impl Retention {
    /// Keeps an ended job; the oldest jobs lose their output where all together take too much.
    pub(crate) fn keep(&self, record: Arc<JobRecord>) {
        self.keep_within(
            record,
            limits::ENDED_JOBS_MEMORY_BYTES,
            limits::ENDED_JOBS_KEPT_BYTES,
        );
    }

    fn keep_within(&self, record: Arc<JobRecord>, memory_max: usize, kept_max: u64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A record that only this list holds was dropped by its session, and goes.
        entries.retain(|entry| Arc::strong_count(&entry.record) > 1);
        let (memory_bytes, kept_bytes) = record.size();
        entries.push_back(Entry {
            record,
            memory_bytes,
            kept_bytes,
        });
        let over = |entries: &VecDeque<Entry>| {
            entries
                .iter()
                .map(|entry| entry.memory_bytes)
                .sum::<usize>()
                > memory_max
                || entries.iter().map(|entry| entry.kept_bytes).sum::<u64>() > kept_max
        };
        while entries.len() > 1 && over(&entries) {
            if let Some(oldest) = entries.pop_front() {
                oldest.record.discard_output();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::job::kind::JobKind;
    use crate::actors::job::record::JobDescription;
    use crate::output::Stream;
    use crate::store::SessionName;

    fn record(bytes: usize) -> Arc<JobRecord> {
        let session = SessionName::parse("web").unwrap();
        let description = JobDescription {
            kind: JobKind::Command {
                cwd: None,
                pty: false,
            },
            command: "x".into(),
            stdin: None,
            interactive: false,
        };
        let (record, _) = JobRecord::new(&session, 1, description, false);
        record.append(Stream::Stdout, &vec![b'x'; bytes]);
        record
    }

    #[tokio::test]
    async fn the_oldest_goes_when_all_take_too_much() {
        let retention = Retention::default();
        let records = [record(1000), record(1000), record(1000)];
        for record in &records {
            retention.keep_within(Arc::clone(record), usize::MAX, 2500);
        }
        assert_eq!(
            records.each_ref().map(|record| record.is_discarded()),
            [true, false, false]
        );
        assert!(records[0].output.lock().is_empty());
        let huge = record(9000);
        retention.keep_within(Arc::clone(&huge), usize::MAX, 2500);
        assert!(!huge.is_discarded(), "the newest always stays");
        assert!(records.iter().all(|record| record.is_discarded()));
    }

    #[tokio::test]
    async fn records_that_a_session_dropped_do_not_count() {
        let retention = Retention::default();
        retention.keep_within(record(2000), usize::MAX, 2500);
        let kept = record(2000);
        retention.keep_within(Arc::clone(&kept), usize::MAX, 2500);
        let newest = record(100);
        retention.keep_within(Arc::clone(&newest), usize::MAX, 2500);
        assert!(!kept.is_discarded());
    }
}
