//! The product beside OpenSSH's own client, in one run on one machine against one sshd.
//!
//! `cargo bench --bench openssh` measures every row but the long ones, `-- --long` these too, `-- exec memory` only
//! these two, and `-- --server FILE` another build of the server. The table goes to stdout. A missed target is a result and exits 0; only a
//! command that fails exits with an error.
//!
//! cargo builds a benchmark with the features of the dev-dependencies, such as tokio's test clock. For
//! numbers to publish pass the file that users get: `cargo build --release`, a copy of that, `--server`.
//!
//! Both sides use the same key exchange, cipher and keys, and take turns, so that whatever else the machine
//! does falls on both. Our side is timed at its user's end: from the write of the JSON-RPC request to the
//! last byte of its answer.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use support::lab::Lab;
use support::table::{self, Row};
use support::{Measured, connect, daemon, exec, memory, output, shell, start, transfer};

/// Argument of cargo for a benchmark; without the flag this is `cargo test --all-targets`.
const BENCH_FLAG: &str = "--bench";
/// A bad argument.
const EXIT_USAGE: u8 = 2;

/// A group of rows that are measured together.
struct Group {
    name: &'static str,
    measure: fn(&mut Lab) -> Measured<Vec<Row>>,
    /// Takes minutes or gigabytes: measured with `--long` or by its name.
    long: bool,
}

const GROUPS: &[Group] = &[
    Group {
        name: "exec",
        measure: exec::loopback,
        long: false,
    },
    Group {
        name: "exec-50ms",
        measure: exec::far,
        long: false,
    },
    Group {
        name: "shell",
        measure: shell::loopback,
        long: false,
    },
    Group {
        name: "shell-50ms",
        measure: shell::far,
        long: false,
    },
    Group {
        name: "http",
        measure: daemon::http,
        long: false,
    },
    Group {
        name: "connect",
        measure: connect::loopback,
        long: false,
    },
    Group {
        name: "start",
        measure: start::first_list,
        long: false,
    },
    Group {
        name: "memory",
        measure: memory::idle,
        long: false,
    },
    Group {
        name: "output",
        measure: output::flood,
        long: false,
    },
    Group {
        name: "transfer",
        measure: transfer::loopback,
        long: true,
    },
    Group {
        name: "transfer-defaults",
        measure: transfer::defaults,
        long: true,
    },
    Group {
        name: "transfer-50ms",
        measure: transfer::far,
        long: true,
    },
    Group {
        name: "tree-50ms",
        measure: transfer::tree,
        long: true,
    },
    Group {
        name: "flood",
        measure: output::minute,
        long: false,
    },
];

/// Arguments of a run.
struct Options {
    server: PathBuf,
    groups: Vec<&'static Group>,
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == BENCH_FLAG) {
        eprintln!("nothing is measured in a test build; run `cargo bench --bench openssh`");
        return ExitCode::SUCCESS;
    }
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut server = PathBuf::from(testkit::binary());
    let mut groups = Vec::new();
    let mut long = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            BENCH_FLAG => {}
            "--long" => long = true,
            "--server" => server = arguments.next().ok_or("--server needs a file")?.into(),
            name => groups.push(group(name)?),
        }
    }
    if groups.is_empty() {
        groups = GROUPS.iter().filter(|group| long || !group.long).collect();
    }
    Ok(Options { server, groups })
}

fn group(name: &str) -> Result<&'static Group, String> {
    let found = GROUPS.iter().find(|group| group.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
        format!(
            "{name:?} is no row; there are {} and --server FILE",
            names.join(", ")
        )
    })
}

fn run(options: Options) -> Measured<()> {
    // The workers carry the delayed link; everything that is timed runs on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut lab = runtime.block_on(Lab::start(options.server))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}\n\n{}", lab.machine()?, table::HEAD)?;
    for group in options.groups {
        eprintln!("measuring {}", group.name);
        let rows = (group.measure)(&mut lab).map_err(|error| format!("{}: {error}", group.name))?;
        for row in rows {
            writeln!(stdout, "{row}")?;
        }
        stdout.flush()?;
    }
    Ok(())
}
