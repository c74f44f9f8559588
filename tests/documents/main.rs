//! The documents against the code and against each other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod catalog;
mod commands;
mod limits;
mod links;
mod markdown;
mod paths;
