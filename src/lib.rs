//! Persistent SSH sessions as MCP tools for AI coding agents.
//!
//! A [`SupervisorActor`](actors) owns one actor for each named session; each session owns its SSH connection
//! and its running commands, and reconnects by itself. An MCP tool call becomes a typed message; its result
//! comes back through a reply port.
//!
//! Layers, each importing only from those to its right:
//!
//! `main → server → tools → actors → ssh, store`; [`error`], [`limits`], [`text`], [`metrics`],
//! [`output`], [`policy`] and [`terminal_report`] are leaves.
//!
//! ARCHITECTURE.md has the map and the invariants; `tests/layering` checks the direction.

pub mod actors;
pub mod cli;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod limits;
pub mod metrics;
pub mod output;
pub mod policy;
pub mod server;
pub mod ssh;
pub mod store;
pub mod telemetry;
pub mod terminal_report;
pub mod text;
pub mod tools;
