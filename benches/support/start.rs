//! From the start of the process to the first answer to `tools/list`.

use tokio::time::Instant;

use super::Measured;
use super::lab::Lab;
use super::mcp::Server;
use super::samples::{Samples, millis};
use super::table::{Row, Target};

const ROUNDS: usize = 60;

/// With `initialize` and its answer in between, as clients do.
pub(crate) fn first_list(lab: &mut Lab) -> Measured<Vec<Row>> {
    let mut times = Samples::default();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut server = Server::spawn(lab)?;
        server.open()?;
        times.push(started.elapsed());
    }
    Ok(vec![Row {
        work: "start until the first `tools/list` answer".to_owned(),
        ours: times.in_millis(),
        theirs: None,
        ratio: None,
        target: Target::at_most(millis(times.median()), 6.0, "ms"),
    }])
}
