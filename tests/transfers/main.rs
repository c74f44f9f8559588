//! Uploads and downloads, as a client of the binary sees them.
//!
//! Each test has a real sshd and a real server of its own. `files`: one file, whole and right. `trees`: directories.
//! `errors`: what is told when it does not work, and that nothing is left behind. `jobs`: waits, progress, stopping.
//! `lost`: links that are cut, and `resume`. `near`, `far`: what is done for short and for long links. `policy`: local paths that are out of reach. `liar`: a host that does
//! not keep to the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a setup that fails is a test that fails"
)]

mod errors;
mod far;
mod files;
mod jobs;
mod liar;
mod lost;
mod near;
mod policy;
mod trees;
mod world;
