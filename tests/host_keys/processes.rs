//! Several processes that learn at once, and a file that takes only half a line. The other process is
//! this test binary again, running one of the ignored tests.

use crate::support::{judge, key, key_text, name, policy};
use mcp_ssh_sessions::ssh::host_keys::{RefusalKind, StrictHostKeyChecking};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the other process finds its known_hosts file.
const FILE: &str = "HOST_KEYS_TEST_FILE";
/// The key that the other process learns where both learn.
const KEY: &str = "HOST_KEYS_TEST_KEY";
/// Threads in each of the processes.
const THREADS: usize = 4;
/// Additions by each thread: two processes make 1,000.
const ADDITIONS: usize = 125;
/// Hosts that both processes learn, with different keys.
const CONTESTED: usize = 20;
/// Written by the other process for each contested host that another process got.
const LOST: &str = "lost ";

/// A command that runs one ignored test of this binary.
fn this_binary(test: &str) -> Vec<std::ffi::OsString> {
    let binary = std::env::current_exe().unwrap();
    let mut words = vec![binary.into_os_string()];
    words.extend(["--exact", test, "--ignored", "--nocapture"].map(Into::into));
    words
}

/// Starts a learning process and waits until the process is ready.
fn start(file: &Path, key: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let words = this_binary("processes::learning_process");
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .env(FILE, file)
        .env(KEY, key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    (child, output)
}

#[test]
fn a_thousand_additions_from_two_processes_lose_and_tear_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    // Without its newline, so that the first addition has to mend that, once.
    std::fs::write(&file, "# begin").unwrap();
    let mut processes = [start(&file, "e1"), start(&file, "e2")];
    for (child, _) in &mut processes {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut lost = 0;
    for (mut child, output) in processes {
        lost += output
            .lines()
            .filter(|line| line.as_ref().unwrap().starts_with(LOST))
            .count();
        assert!(child.wait().unwrap().success());
    }
    // Each contested host went to one of them, and the other saw a changed key.
    assert_eq!(lost, CONTESTED);

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("# begin"));
    let keys = [key_text("e1"), key_text("e2")];
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let (host, key) = line.split_once(' ').unwrap();
        assert!(keys.iter().any(|whole| whole == key), "torn: {line}");
        *seen.entry(host).or_default() += 1;
    }
    assert!(seen.values().all(|&count| count == 1), "{seen:?}");
    assert_eq!(seen.len(), 2 * THREADS * ADDITIONS + CONTESTED);
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn learning_process() {
    let file = PathBuf::from(std::env::var_os(FILE).expect("started by another test"));
    let key_name = std::env::var(KEY).unwrap();
    println!("\nready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (file, key_name) = (&file, &key_name);
            scope.spawn(move || learn_share(file, key_name, thread));
        }
    });
}

/// Hosts that one thread learns: its own hosts and, in the first thread, those that the other process wants.
fn learn_share(file: &Path, key_name: &str, thread: usize) {
    let shown = key(key_name);
    let learn = |host: &str| {
        judge(
            &policy(host, file, StrictHostKeyChecking::AcceptNew),
            &shown,
        )
    };
    for addition in 0..ADDITIONS {
        let host = format!("{key_name}-{thread}-{addition}.test");
        learn(&host).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    if thread > 0 {
        return;
    }
    for contested in 0..CONTESTED {
        match learn(&format!("contested-{contested}.test")) {
            Ok(_) => {}
            Err(refusal) if refusal.kind() == RefusalKind::Changed => {
                println!("\n{LOST}{contested}")
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn a_line_that_does_not_fit_leaves_no_half_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    let words = this_binary("processes::process_with_a_full_disk");
    // A limit on file size is the nearest thing to a full disk that needs no privilege: the write that
    // crosses it is cut short. Units are 512 or 1024 bytes, by shell; the process finds out.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .args(&words)
        .env(FILE, &file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("refused"),
        "{output:?}"
    );
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn process_with_a_full_disk() {
    let path = PathBuf::from(std::env::var_os(FILE).expect("started by another test"));
    let mut file = std::fs::File::create(&path).unwrap();
    let limit = file.write(&[b'\n'; 4096]).unwrap();
    assert!(limit < 4096, "there is no limit");
    let before = vec![b'\n'; limit - 40];
    std::fs::write(&path, &before).unwrap();

    let refused = judge(
        &policy("a.test", &path, StrictHostKeyChecking::AcceptNew),
        &key("e1"),
    );
    assert_eq!(name(&refused), "REJECT-IO", "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    println!("refused");
}
