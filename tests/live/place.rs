//! `cwd` and `env` on the host.

use std::collections::BTreeMap;
use std::fs;

use mcp_ssh_sessions::actors::request::ExecRequest;
use mcp_ssh_sessions::error::{ErrorCode, Fate};

use crate::world::{Client, assert_says, command, command_in, refused, succeeded};
use testkit::sshd::Sshd;

/// Names that a shell, `cd` or our own wrapper could take for something else.
const ODD_NAMES: [&str; 10] = [
    "plain",
    "with blank",
    " leading",
    "-P",
    "-",
    "~",
    "it's \"odd\"",
    "$HOME `id` $(id)",
    "back\\slash\\",
    "new\nline",
];

#[tokio::test]
async fn commands_run_in_their_directory() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let root = fs::canonicalize(client.directory.path()).unwrap();
    for odd in ODD_NAMES {
        let path = root.join(odd);
        fs::create_dir(&path).unwrap();
        let path = path.to_str().unwrap();
        let report = client
            .run_in("test", command_in(path, "pwd; echo end"))
            .await;
        assert_eq!(succeeded(&report), format!("{path}\nend\n"), "{odd:?}");
        assert_eq!(report.cwd.as_deref(), Some(path));
    }
    // `~` is HOME; a relative path starts in the directory of a plain command.
    let home = succeeded(&client.run("cd; pwd -P").await);
    let start = succeeded(&client.run("pwd -P").await);
    assert_ne!(home, start, "the fixture tells them apart");
    for (cwd, expected) in [("~", &home), ("~/.", &home), (".", &start), ("./", &start)] {
        let report = client.run_in("test", command_in(cwd, "pwd -P")).await;
        assert_eq!(succeeded(&report), *expected, "{cwd}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_entered_runs_nothing() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let root = client.directory.path();
    let canary = root.join("canary");
    let file = root.join("file");
    fs::write(&file, "").unwrap();
    let missing = root.join("missing").display().to_string();
    let long = format!("{}/{}", root.display(), "x".repeat(300));
    for cwd in [
        &*missing,
        file.to_str().unwrap(),
        "~nobody-here",
        "~/no such",
        "-",
        &long,
    ] {
        let run = command_in(cwd, &format!("touch {}", canary.display()));
        let result = client.exec("test", run).await;
        let fate = result
            .as_ref()
            .err()
            .map(mcp_ssh_sessions::actors::SessionError::fate);
        assert_eq!(fate, Some(Fate::NotSent), "{cwd}: {result:?}");
        let text = refused(result, ErrorCode::RemotePathError);
        assert_says(&text, &[&format!("{cwd:?}"), "not run"]);
        assert!(!canary.exists(), "{cwd}");
    }
    // The same words from a command are its own.
    let status_1 = client
        .run_in("test", command_in("/", "echo \"cd: no\" >&2; exit 1"))
        .await;
    assert_eq!(
        status_1.outcome,
        mcp_ssh_sessions::actors::job::outcome::Outcome::Exited(1)
    );
}

#[tokio::test]
async fn variables_arrive_as_they_are() {
    let sshd = Sshd::start_default().await;
    let client = Client::connected(&sshd).await;
    let values = BTreeMap::from([
        ("PLAIN", "x"),
        ("EMPTY", ""),
        ("QUOTES", "it's \"q\" \\ \\\\ `id` $(id) $HOME ${x} !! %s"),
        ("LINES", "one\ntwo\n\n"),
        ("UNICODE", "grüße 🦀"),
        ("_under", " spaces  "),
    ]);
    let env = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = ExecRequest {
        env: env.collect(),
        ..command("env -0")
    };
    let report = client.run_in("test", request.clone()).await;
    let printed = succeeded(&report);
    for (name, value) in &values {
        let entry = format!("{name}={value}");
        assert!(
            printed.split('\0').any(|line| line == entry),
            "{entry:?} in {printed:?}"
        );
    }
    // With a directory too, and nothing of one call is seen by the next.
    let both = ExecRequest {
        cwd: Some("/".to_owned()),
        command: "printf %s \"$PWD$QUOTES\"".to_owned(),
        ..request
    };
    assert_eq!(
        succeeded(&client.run_in("test", both).await),
        format!("/{}", values["QUOTES"])
    );
    assert_eq!(succeeded(&client.run("echo \"[$PLAIN]\"").await), "[]\n");
    for bad in ["", "1A", "A-B", "A=B", "A B", "A\n"] {
        let request = ExecRequest {
            env: BTreeMap::from([(bad.to_owned(), String::new())]),
            ..command("true")
        };
        refused(
            client.exec("test", request).await,
            ErrorCode::InvalidParameter,
        );
    }
}
