//! Processes of this machine, as `/proc` shows them: who descends from whom, who is still there.

use std::collections::HashMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, POLL};

/// A process, told from a later one with the same id by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its start, in clock ticks since boot.
    started: u64,
}

/// The fields of `/proc/PID/stat` that matter here.
struct Stat {
    process: Process,
    parent: i32,
    name: String,
    /// A process that has ended and is not reaped counts as gone.
    zombie: bool,
}

impl Process {
    /// The process of this id, if there is a live one.
    pub fn find(pid: u32) -> Option<Self> {
        let stat = read_stat(pid.try_into().ok()?)?;
        (!stat.zombie).then_some(stat.process)
    }

    /// Whether the process still runs.
    pub fn is_alive(self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.process == self && !stat.zombie)
    }

    /// The name of its program, cut to 15 characters by the kernel.
    pub fn name(self) -> String {
        read_stat(self.pid)
            .map(|stat| stat.name)
            .unwrap_or_default()
    }

    /// Its arguments, joined by blanks.
    pub fn command_line(self) -> String {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
        text.trim_end().to_owned()
    }

    /// Sends a signal; a process that has ended gets none.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            let pid = Pid::from_raw(self.pid).expect("a process id");
            // The process may end before the signal arrives.
            let _ = kill_process(pid, signal);
        }
    }
}

fn read_stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character.
    let (head, tail) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let process = Process {
        pid,
        started: fields.get(19)?.parse().ok()?,
    };
    Some(Stat {
        process,
        parent: fields.get(1)?.parse().ok()?,
        name: head.split_once('(')?.1.to_owned(),
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The processes that descend from `roots`, without these.
pub fn descendants(roots: &[Process]) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Stat>> = HashMap::new();
    for stat in all_pids().into_iter().filter_map(read_stat) {
        children.entry(stat.parent).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut parents: Vec<i32> = roots
        .iter()
        .filter(|root| root.is_alive())
        .map(|root| root.pid)
        .collect();
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            parents.push(child.process.pid);
            if !child.zombie {
                found.push(child.process);
            }
        }
    }
    found
}

/// The processes whose environment holds `entry` (`NAME=value`).
pub fn with_environment(entry: &str) -> Vec<Process> {
    with_any_entry(|found| found == entry.as_bytes())
}

/// The processes with `text` anywhere in their environment.
pub fn with_environment_containing(text: &str) -> Vec<Process> {
    with_any_entry(|found| String::from_utf8_lossy(found).contains(text))
}

fn with_any_entry(wanted: impl Fn(&[u8]) -> bool) -> Vec<Process> {
    let holds = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(&wanted)
    };
    let pids = all_pids().into_iter().filter(holds);
    pids.filter_map(read_stat)
        .filter(|stat| !stat.zombie)
        .map(|stat| stat.process)
        .collect()
}

/// Kills processes and waits until they are gone. For `Drop`, which cannot await.
#[allow(
    clippy::disallowed_methods,
    reason = "drop cannot await, and nobody tells when a grandchild ends"
)]
pub fn kill_and_wait(processes: &[Process]) {
    for process in processes {
        process.signal(Signal::KILL);
    }
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if !processes.iter().any(|process| process.is_alive()) {
            return;
        }
        std::thread::sleep(POLL);
    }
    // Not a panic: this may run while another panic unwinds.
    eprintln!("still there after SIGKILL: {processes:?}");
}
