//! Uploads and downloads, as a client of the binary sees them.
//!
//! Each test has a real sshd and a real server of its own. `files`: one file, whole and right. `trees`: directories.
//! `errors`: reports of failures, and that nothing is left behind. `jobs`: waits, progress, stopping.
//! `lost`: links that are cut, and `resume`. `near`, `far`: short and long links. `policy`: local paths out of reach.
//! `hostile_sftp`: hosts that do not keep to the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod errors;
mod far;
mod files;
mod hostile_sftp;
mod jobs;
mod lost;
mod near;
mod policy;
mod trees;
mod world;
