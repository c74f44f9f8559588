//! Entries of a session in the store, and sessions whose store cannot be used.

use std::path::Path;

use mcp_ssh_sessions::error::ErrorCode;
use mcp_ssh_sessions::store::{AuthKind, SessionSpec};
use serde_json::{Value, json};

use crate::world::{World, answer, name, request, request_with_password, settle};
use testkit::ssh_server::MemoryHost;

const PASSWORD: &str = "sentinel of a password";

fn content(world: &World) -> Value {
    serde_json::from_slice(&std::fs::read(world.store_path()).unwrap()).unwrap()
}

/// Everything in a directory, file by file, as one text.
fn everything_below(directory: &Path) -> String {
    let files = std::fs::read_dir(directory).unwrap();
    let text = |file: std::io::Result<std::fs::DirEntry>| {
        String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()
    };
    files.map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_saved_as_it_was_given() {
    let world = World::new().await;
    assert!(!world.store_path().exists());
    world.connect("web").await;
    let saved = content(&world);
    assert_eq!(
        (&saved["version"], &saved["default"]),
        (&json!(1), &json!("web"))
    );
    let web = saved["sessions"]["web"].as_object().unwrap();
    let fields: Vec<_> = web.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["host", "auth", "createdAt", "lastConnectedAt"],
        "nothing resolved"
    );
    assert_eq!(
        (&web["host"], &web["auth"]),
        (&json!("web"), &json!("publicKey"))
    );

    let mut full = request("full", "web");
    full.spec = SessionSpec {
        port: Some(2222),
        username: Some("root".to_owned()),
        private_key_path: Some(key_of(&world)),
        ..full.spec
    };
    world.web().configure(|resolved| {
        // Recorded for port 22 only.
        resolved.host_key_alias = Some("web".to_owned());
    });
    world.ask(full).await.unwrap();
    let full = &content(&world)["sessions"]["full"];
    assert_eq!(full["port"], 2222);
    assert_eq!(full["username"], "root");
    assert_eq!(full["privateKeyPath"], key_of(&world));
}

fn key_of(world: &World) -> String {
    let path = world.store_path().with_file_name("web.key");
    path.to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_saved() {
    let host = MemoryHost::with(|options| options.password = Some(PASSWORD.to_owned()));
    let world = World::with_host("web", host).await;
    world
        .web()
        .configure(|resolved| resolved.identity_files.clear());
    world
        .ask(request_with_password("web", PASSWORD))
        .await
        .unwrap();
    world.web().host.link.cut();
    world.exec("web", "echo").await.unwrap();
    world.reconnect("web").await.unwrap();
    assert_eq!(content(&world)["sessions"]["web"]["auth"], "password");
    let directory = world.store_path().parent().unwrap().to_owned();
    assert!(!everything_below(&directory).contains("sentinel"));
    let shown = format!("{:?}", world.list().await);
    assert!(!shown.contains("sentinel"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_its_date_of_creation_and_what_others_wrote() {
    let world = World::new().await;
    world.connect("web").await;
    let mut saved = content(&world);
    let created = json!("2020-01-02T03:04:05Z");
    let web = saved["sessions"]["web"].as_object_mut().unwrap();
    web.insert("createdAt".to_owned(), created.clone());
    web.insert("lastConnectedAt".to_owned(), created.clone());
    web.insert("note".to_owned(), json!("mine"));
    std::fs::write(world.store_path(), saved.to_string()).unwrap();
    world.reconnect("web").await.unwrap();
    let web = content(&world)["sessions"]["web"].clone();
    assert_eq!(
        (&web["createdAt"], &web["note"]),
        (&created, &json!("mine"))
    );
    assert_ne!(web["lastConnectedAt"], created);
    world.disconnect("web").await;
    world.connect("web").await;
    let web = content(&world)["sessions"]["web"].clone();
    assert_eq!(
        (&web["createdAt"], &web["note"]),
        (&created, &json!("mine"))
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_that_connect_at_once_are_all_saved() {
    let world = World::new().await;
    let names: Vec<_> = (0..30).map(|n| format!("web{n}")).collect();
    let calls: Vec<_> = names
        .iter()
        .map(|session| world.start_connect(request(session, "web")))
        .collect();
    for call in calls {
        assert_eq!(answer(call).await.unwrap().notes, Vec::<String>::new());
    }
    let saved = world.stored();
    assert_eq!(saved.sessions.len(), 30);
    assert!(
        names
            .iter()
            .all(|session| saved.sessions.contains_key(session.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn two_processes_do_not_lose_each_others_sessions() {
    let world = World::with_hosts(&["web", "db"]).await;
    let other = world.another_process().await;
    world.connect("web").await;
    other.connect("db").await;
    world.reconnect("web").await.unwrap();
    assert_eq!(world.stored().sessions.len(), 2);
    assert_eq!(
        world.state("db").await,
        "saved",
        "known, and up only in the other process"
    );
    assert!(world.exec("db", "echo").await.unwrap().reconnected);
    other.forget("web").await;
    assert_eq!(world.state("web").await, "ready", "what is up stays up");
    world.output_of("web", "echo still").await;
}

/// In each case sessions work, the report says why nothing is saved, and the file stays as it was.
#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_used_stops_no_session() {
    let files = [
        ("{ broken", "cannot be read as a store"),
        ("[1, 2]", "cannot be read as a store"),
        (
            r#"{"version": 2, "sessions": {"web": {}}}"#,
            "has version 2",
        ),
        (r#"{"sessions": {}}"#, "no \"version\""),
    ];
    for (text, words) in files {
        let world = World::new().await;
        std::fs::write(world.store_path(), text).unwrap();
        let report = world.connect("web").await;
        let [note] = report.notes.as_slice() else {
            panic!("{:?}", report.notes);
        };
        assert!(note.contains(words) && note.contains("not saved"), "{note}");
        assert_eq!(world.output_of("web", "echo works").await, "works\n");
        world.web().host.link.cut();
        assert!(world.exec("web", "echo").await.unwrap().reconnected);
        world.disconnect("web").await;
        assert!(world.exec("web", "echo").await.unwrap().reconnected);
        let list = world.list().await;
        assert_eq!(list.sessions.len(), 1);
        assert!(
            list.problems.iter().any(|problem| problem.contains(words)),
            "{:?}",
            list.problems
        );
        let note = world.supervisor.set_default(name("web")).await.unwrap();
        assert!(note.unwrap().contains(words));
        let report = world.forget("web").await;
        assert!(!report.forgotten);
        assert!(report.notes[0].contains(words), "{report:?}");
        assert!(world.list().await.sessions.is_empty());
        assert_eq!(std::fs::read_to_string(world.store_path()).unwrap(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_known_says_that_the_store_cannot_be_read() {
    let world = World::new().await;
    std::fs::write(world.store_path(), "{ broken").unwrap();
    let error = world.exec("web", "echo").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LocalPathError);
    assert!(
        error.to_string().contains("cannot be read as a store"),
        "{error}"
    );
}

/// P-10: entries by another process or an editor are checked again, and run nothing.
#[tokio::test(start_paused = true)]
async fn entries_that_were_tampered_with_are_checked_again() {
    let world = World::new().await;
    world.connect("web").await;
    for host in ["-oProxyCommand=touch /tmp/x", "web$(id)", "a b"] {
        let mut saved = content(&world);
        saved["sessions"]["evil"] = json!({"host": host});
        std::fs::write(world.store_path(), saved.to_string()).unwrap();
        let other = world.another_process().await;
        let error = other.exec("evil", "echo").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter, "{error}");
        settle().await;
        assert_eq!(world.web().dials(), 1);
    }
    let mut saved = content(&world);
    saved["sessions"]["evil"] = json!({"host": "web", "port": 0});
    std::fs::write(world.store_path(), saved.to_string()).unwrap();
    let other = world.another_process().await;
    assert!(other.list().await.problems[0].contains("port is 0"));
    assert_eq!(
        other.exec("evil", "echo").await.unwrap_err().code(),
        ErrorCode::NoSuchSession
    );
}

/// The entry was deleted by another process while the session was up here: connecting anew saves it again,
/// reconnecting does not.
#[tokio::test(start_paused = true)]
async fn a_session_that_others_forgot_is_saved_again_when_it_is_connected_anew() {
    let world = World::new().await;
    world.connect("web").await;
    let other = world.another_process().await;
    other.forget("web").await;
    world.reconnect("web").await.unwrap();
    assert!(world.stored().sessions.is_empty());
    world.disconnect("web").await;
    world.connect("web").await;
    assert_eq!(world.stored().sessions["web"].auth, AuthKind::PublicKey);
}
