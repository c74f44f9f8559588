//! A command in the session's shell: `ssh_shell :` against `ssh` over a ControlMaster socket.

use super::Measured;
use super::exec;
use super::lab::Lab;
use super::table::Row;

/// Tool and command.
const CALL: (&str, &str) = ("ssh_shell", ":");

/// On loopback.
pub(crate) fn loopback(lab: &mut Lab) -> Measured<Vec<Row>> {
    exec::near(lab, "`ssh_shell :`", 0.05, CALL)
}

/// Behind a link of 50 ms.
pub(crate) fn far(lab: &mut Lab) -> Measured<Vec<Row>> {
    exec::behind_a_link(lab, 1.1, CALL)
}
