//! Input that is wrong, and input that was made to do harm.

use std::fs;
use std::path::PathBuf;

use mcp_ssh_sessions::error::ErrorCode;
use tokio::time::Instant;

use crate::world::{
    Client, TEST, assert_says, connections, host_block, refused, request, succeeded, write_config,
};
use testkit::set_mode;
use testkit::sshd::Sshd;

/// Words that a shell, an option parser or a path could misread. `CANARY` becomes a path.
const HOSTILE: [&str; 26] = [
    "-oProxyCommand=touch CANARY",
    "-F/dev/null",
    "-",
    "--",
    "$(touch CANARY)",
    "`touch CANARY`",
    "x;touch CANARY",
    "x|touch CANARY",
    "x&touch CANARY&",
    "x>CANARY",
    "x\ntouch CANARY",
    "x\ttouch",
    "'; touch CANARY; '",
    "\"; touch CANARY; \"",
    "x\\;touch",
    "${IFS}x",
    "{touch,CANARY}",
    "(touch CANARY)",
    "%h",
    "x%d",
    "x y",
    "*",
    "../../etc/passwd",
    "/etc/passwd",
    "x\u{202e}y",
    "x\u{0}y",
];

/// A configuration that hands the host to a shell, as people's `Match exec` does: a host that is not refused
/// before would run there.
fn config_with_exec(sshd: &Sshd) -> PathBuf {
    let tokens = "exec \"sh -c 'true %h %n %r %p'\"";
    let text = format!(
        "Match {tokens}\n  Compression no\n{}",
        host_block(sshd, TEST, "")
    );
    write_config(sshd, &text)
}

#[tokio::test]
async fn hostile_hosts_users_and_jumps_reach_no_shell() {
    let sshd = Sshd::start_default().await;
    let client = Client::new(config_with_exec(&sshd)).await;
    client.must_connect(TEST).await;
    let canary = client.directory.path().join("canary");
    for pattern in HOSTILE {
        let text = pattern.replace("CANARY", &canary.display().to_string());
        let fields: [&dyn Fn(&mut mcp_ssh_sessions::store::SessionSpec); 4] = [
            &|spec| spec.host.clone_from(&text),
            &|spec| spec.host = format!("root@{text}"),
            &|spec| spec.host = format!("{text}:22"),
            &|spec| spec.proxy_jump = Some(text.clone()),
        ];
        for (number, set) in fields.into_iter().enumerate() {
            let mut request = request("hostile", TEST);
            set(&mut request.spec);
            let error = client.dial(request).await.expect_err(&text);
            assert_eq!(
                error.code(),
                ErrorCode::InvalidParameter,
                "field {number}, {text:?}: {error}"
            );
            let said = error.to_string();
            assert!(
                !said.chars().any(|c| c.is_control() || c == '\u{202e}'),
                "{said:?}"
            );
            assert!(!canary.exists(), "field {number}, {text:?}");
        }
        // User names may hold more, so that some of these only fail to log in; none may reach the shell.
        for by_host in [false, true] {
            let mut request = request("hostile", TEST);
            if by_host {
                request.spec.host = format!("{text}@{TEST}");
            } else {
                request.spec.username = Some(text.clone());
            }
            client.dial(request).await.expect_err(&text);
            assert!(!canary.exists(), "user {text:?}");
        }
    }
    assert!(client.status("hostile").await.is_none());
    assert_eq!(client.handle.list().await.sessions.len(), 1);
}

#[tokio::test]
async fn a_hostile_saved_session_is_checked_like_a_new_one() {
    let sshd = Sshd::start_default().await;
    let client = Client::new(config_with_exec(&sshd)).await;
    let canary = client.directory.path().join("canary");
    let host = format!("$(touch {})", canary.display());
    let store = serde_json::json!({
        "version": 1,
        "default": "evil",
        "sessions": {"evil": {"host": host}, "dash": {"host": "-oProxyCommand=x"}, "test": {"host": TEST}},
    });
    let path = client.directory.path().join("store.json");
    fs::write(&path, store.to_string()).unwrap();
    set_mode(&path, 0o600);
    for session in ["evil", "dash"] {
        let result = client.exec(session, crate::world::command("true")).await;
        refused(result, ErrorCode::InvalidParameter);
    }
    assert!(!canary.exists());
    // The one beside them works.
    assert_eq!(succeeded(&client.run("echo fine").await), "fine\n");
    assert_eq!(connections(&sshd), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_host_is_named() {
    let sshd = Sshd::start_default().await;
    let client = Client::new(sshd.ssh_config()).await;
    let long = "x".repeat(70_000);
    let cases = [
        ("", "empty"),
        ("-v", "-"),
        ("test:0", "port"),
        ("test:65536", "port"),
        ("test:ssh", "port"),
        ("[::1", "["),
        ("@test", "user"),
        ("ssh://user:secret-word@test", "password"),
        ("ssh://test/path", "path"),
        (&long, "70000"),
    ];
    for (host, word) in cases {
        let mut request = request(TEST, TEST);
        request.spec.host = host.to_owned();
        let text = refused(client.dial(request).await, ErrorCode::InvalidParameter);
        assert_says(&text, &[word]);
        assert!(text.len() < 1000 && !text.contains("secret-word"), "{text}");
    }
    assert_eq!(connections(&sshd), 0);
}

#[tokio::test]
async fn a_malformed_configuration_is_named_by_file_and_line() {
    let sshd = Sshd::start_default().await;
    let good = host_block(&sshd, TEST, "");
    for bad in [
        "NoSuchOption yes",
        "Port many",
        "StrictHostKeyChecking perhaps",
        "Match",
    ] {
        let path = write_config(&sshd, &format!("# a comment\n\n{bad}\n{good}"));
        let client = Client::new(path.clone()).await;
        let started = Instant::now();
        let text = refused(client.connect(TEST).await, ErrorCode::ConfigError);
        assert_says(&text, &[&path.display().to_string(), "line 3"]);
        assert!(started.elapsed().as_secs() < 5);
    }
    let missing = sshd.home().join("no_such_config");
    let text = refused(
        Client::new(missing.clone()).await.connect(TEST).await,
        ErrorCode::ConfigError,
    );
    assert_says(&text, &[&missing.display().to_string()]);
    // Parameters that cannot be honoured are not ignored.
    for (line, word) in [
        ("ProxyUseFdpass yes", "ProxyUseFdpass"),
        ("VerifyHostKeyDNS yes", "VerifyHostKeyDNS"),
    ] {
        let path = write_config(&sshd, &host_block(&sshd, TEST, line));
        let result = Client::new(path).await.connect(TEST).await;
        // Some may be harmless; none may be dialled under another meaning.
        if let Err(error) = result {
            assert_eq!(error.code(), ErrorCode::ConfigError, "{error}");
            assert_says(&error.to_string(), &[word]);
        }
    }
}

#[tokio::test]
async fn a_match_exec_that_hangs_is_ended() {
    let sshd = Sshd::start_default().await;
    let marker = format!("87{}", sshd.port());
    let text = format!(
        "Match exec \"sleep {marker}\"\nCompression no\n{}",
        host_block(&sshd, TEST, "")
    );
    let client = Client::new(write_config(&sshd, &text)).await;
    let started = Instant::now();
    let text = refused(client.connect(TEST).await, ErrorCode::ConfigError);
    assert_says(&text, &["Match exec"]);
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
    let all =
        testkit::processes::descendants(&[
            testkit::processes::Process::find(std::process::id()).unwrap()
        ]);
    let left = all
        .into_iter()
        .find(|process| process.command_line().ends_with(&marker));
    assert_eq!(left, None);
    assert_eq!(connections(&sshd), 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_costs_nothing_but_the_saving() {
    let sshd = Sshd::start_default().await;
    let directory = testkit::readable_directory();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    fs::create_dir(directory.path().join("a_directory")).unwrap();
    fs::write(directory.path().join("garbage"), "no json").unwrap();
    fs::write(
        directory.path().join("newer"),
        "{\"version\": 99, \"sessions\": {}}",
    )
    .unwrap();
    let stores = [
        // No such directory, as where HOME leads nowhere; a file for a directory; read-only as /proc is.
        directory.path().join("none/store.json"),
        file.join("store.json"),
        PathBuf::from("/proc/store.json"),
        directory.path().join("a_directory"),
        directory.path().join("garbage"),
        directory.path().join("newer"),
    ];
    for store in stores {
        let content = fs::read(&store).ok();
        let own = testkit::readable_directory();
        let client = Client::with_store(sshd.ssh_config(), store.clone(), own).await;
        let report = client.must_connect(TEST).await;
        let note = report.notes.join("; ");
        assert_says(&note, &["not saved"]);
        let shown = store.display().to_string();
        assert!(
            note.contains(&shown) || note.contains(store.parent().unwrap().to_str().unwrap()),
            "{note}"
        );
        assert_eq!(succeeded(&client.run("echo works").await), "works\n");
        let list = client.handle.list().await;
        assert_eq!(list.sessions.len(), 1);
        assert_eq!(
            list.default.map(|name| name.to_string()).as_deref(),
            Some(TEST)
        );
        assert_eq!(fs::read(&store).ok(), content, "{shown} was touched");
    }
}
