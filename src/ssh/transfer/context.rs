//! The parts of a transfer.

use super::extra_channels::ExtraChannels;
use super::host::Host;
use super::leftovers::TempFiles;
use super::report::Report;
use super::spec::{Summary, TransferSpec};

/// A running transfer. The steps of a file or a tree take the whole; helpers take only the parts that they use.
pub(super) struct Context {
    pub(super) spec: TransferSpec,
    pub(super) host: Host,
    pub(super) report: Report,
    pub(super) temp_files: TempFiles,
    pub(super) extra: ExtraChannels,
}

impl Context {
    pub(super) fn summary(&self, local_path: String, remote_path: String) -> Summary {
        self.report
            .summary(local_path, remote_path, self.spec.verify)
    }
}
