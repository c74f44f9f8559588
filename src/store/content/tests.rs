//! Reading, writing and changing the content, without files.

use super::*;
use crate::store::AuthKind;
use proptest::prelude::*;

fn parse(text: &str) -> StoreContent {
    StoreContent::parse(text.as_bytes()).unwrap()
}

fn written(content: &StoreContent) -> Value {
    serde_json::from_slice(&content.render().unwrap()).unwrap()
}

fn name(text: &str) -> SessionName {
    SessionName::parse(text).unwrap()
}

#[test]
fn nothing_is_no_sessions() {
    for text in [
        "",
        " \n\t",
        "\u{feff}",
        "\u{feff}\n",
        "{}",
        "{\"version\": 1}",
        "{\"version\":1,\"sessions\":null}",
    ] {
        assert_eq!(parse(text), StoreContent::default(), "{text:?}");
    }
}

#[test]
fn faults_are_told_with_their_line() {
    let cases: [(&[u8], Option<usize>, &str); 16] = [
        (
            b"{\n  \"version\": 1,\n  \"sess",
            Some(3),
            "EOF while parsing",
        ),
        (b"\0\0\0\0", Some(1), "line 1 column 1"),
        (b"garbage", Some(1), "expected value"),
        (b"{\"version\": 1}}", Some(1), "trailing characters"),
        (
            b"{\"version\": 1}\n{\"version\": 1}",
            Some(2),
            "trailing characters",
        ),
        (
            b"{\"version\": 1,\n\"x\": \"\xff\"}",
            Some(2),
            "invalid unicode",
        ),
        (b"\xff\xfe{\0}\0", Some(1), "expected value"),
        (
            b"{\"version\": 1, // comment\n}",
            Some(1),
            "key must be a string",
        ),
        (
            b"{\"version\": 1,\n\"sessions\": {\"a\": {}, \"a\": {}}}",
            Some(2),
            "\"a\" stands there twice",
        ),
        (b"[]", None, "no JSON object"),
        (b"\"web\"", None, "no JSON object"),
        (b"{\"sessions\": {}}", None, "no \"version\""),
        (b"{\"version\": \"1\"}", None, "\"version\" is"),
        (b"{\"version\": 0}", None, "\"version\" is"),
        (b"{\"version\": 1.5}", None, "\"version\" is"),
        (b"{\"version\": 1, \"sessions\": []}", None, "not an object"),
    ];
    for (text, line, words) in cases {
        let shown = String::from_utf8_lossy(text);
        match StoreContent::parse(text) {
            Err(Fault::Broken(at, reason)) => {
                assert_eq!(at, line, "{shown}: {reason}");
                assert!(reason.contains(words), "{shown}: {reason}");
            }
            other => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn a_later_version_is_told_before_anything_else_is_judged() {
    for (text, version) in [
        ("{\"version\":2}", 2),
        (
            "{\"sessions\": 7, \"version\": 18446744073709551615}",
            u64::MAX,
        ),
    ] {
        assert_eq!(
            StoreContent::parse(text.as_bytes()),
            Err(Fault::Newer(version)),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_understood_survives_a_rewrite() {
    let text = r#"{"version": 1, "default": "bad name", "theme": {"dark": [1, 2.5, null]}, "sessions": {
        "web": {"host": "web", "auth": "gssapi", "note": {"a": [true]}},
        "bad name": {"host": "x"}, "no-host": {"port": 22}, "text": "x", "port": {"host": "x", "port": 0}}}"#;
    let content = parse(text);
    assert_eq!(
        content
            .sessions
            .keys()
            .map(SessionName::as_str)
            .collect::<Vec<_>>(),
        ["web"]
    );
    assert_eq!(content.default, None);
    let problems = content.problems.join("\n");
    for word in [
        "\"bad name\"",
        "\"no-host\"",
        "missing field `host`",
        "\"text\"",
        "port is 0",
        "default",
    ] {
        assert!(problems.contains(word), "{word}: {problems}");
    }
    assert_eq!(
        written(&content),
        serde_json::from_str::<Value>(text).unwrap()
    );
    assert_eq!(
        StoreContent::parse(&content.render().unwrap()).unwrap(),
        content
    );
}

#[test]
fn problems_are_bounded_in_number_and_length() {
    let bad = format!("\"{}\": 1", "x".repeat(100_000));
    let entries: Vec<_> = (0..50)
        .map(|i| bad.replacen('x', &format!("{i}\\u202e"), 1))
        .collect();
    let content = parse(&format!(
        "{{\"version\": 1, \"sessions\": {{{}}}}}",
        entries.join(",")
    ));
    assert_eq!(content.problems.len(), STORE_PROBLEMS_MAX + 1);
    assert_eq!(content.problems.last().unwrap(), "and 30 more");
    assert!(
        content
            .problems
            .iter()
            .all(|problem| problem.len() < 1000 && !problem.contains('\u{202e}'))
    );
}

#[test]
fn a_secret_that_others_wrote_is_told_but_not_shown() {
    let content =
        parse(r#"{"version": 1, "sessions": {"web": {"host": "web", "Password": "hunter2"}}}"#);
    assert_eq!(
        content.problems,
        ["session web has a Password in the file, which is never used: remove it"]
    );
    assert!(!format!("{content:?}").contains("hunter2"));
}

#[test]
fn remember_keeps_what_the_entry_was_born_with() {
    let mut content = parse(
        r#"{"version": 1, "sessions": {"web": {"host": "web", "createdAt": "2020-01-01T00:00:00Z",
        "lastConnectedAt": "2021-01-01T00:00:00Z", "note": "mine"}, "odd": 7}}"#,
    );
    content.remember(name("web"), SessionSpec::new("web2", AuthKind::PublicKey));
    content.remember(name("odd"), SessionSpec::new("odd", AuthKind::Agent));
    let sessions = &written(&content)["sessions"];
    assert_eq!(
        sessions["web"],
        json!({"host": "web2", "auth": "publicKey", "createdAt": "2020-01-01T00:00:00Z",
            "lastConnectedAt": "2021-01-01T00:00:00Z", "note": "mine"})
    );
    assert_eq!(sessions["odd"]["host"], "odd");
    assert!(content.sessions["odd"].created_at.is_some());
    let mut later = SessionSpec::new("web", AuthKind::Agent);
    later.last_connected_at = Some("2022-01-01T00:00:00Z".parse().unwrap());
    content.remember(name("web"), later.clone());
    assert_eq!(
        content.sessions["web"].last_connected_at,
        later.last_connected_at
    );
}

#[test]
fn forgetting_the_default_leaves_none() {
    let mut content = parse(
        r#"{"version":1,"default":"a","sessions":{"a":{"host":"a"},"b":{"host":"b"},"odd":7}}"#,
    );
    assert_eq!(content.default, Some(name("a")));
    assert!(!content.set_default(&name("nowhere")) && content.default == Some(name("a")));
    assert!(!content.clear_default_if(&name("b")));
    assert!(content.forget(&name("b")) && content.default == Some(name("a")));
    assert!(content.forget(&name("a")) && content.default.is_none());
    assert!(!content.forget(&name("a")));
    assert!(content.forget(&name("odd")));
    assert_eq!(written(&content), json!({"version": 1, "sessions": {}}));
}

#[test]
fn a_new_default_replaces_one_that_made_no_sense() {
    let mut content = parse(r#"{"version": 1, "default": 7, "sessions": {"a": {"host": "a"}}}"#);
    assert_eq!(written(&content)["default"], 7);
    assert!(content.set_default(&name("a")));
    assert_eq!(written(&content)["default"], "a");
}

/// JSON values without floats outside of what a text carries exactly.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Unknown fields: any key that is none of ours.
fn any_extra(ours: &'static [&'static str]) -> impl Strategy<Value = UnknownFields> {
    prop::collection::btree_map(any::<String>(), any_json(), 0..3).prop_map(move |map| {
        UnknownFields(
            map.into_iter()
                .filter(|(key, _)| !ours.contains(&key.as_str()))
                .collect(),
        )
    })
}

fn any_time() -> impl Strategy<Value = Option<UtcTime>> {
    let parts = (
        0..=9998u32,
        1..=12u32,
        1..=28u32,
        0..=23u32,
        0..=59u32,
        0..=59u32,
    );
    prop::option::of(parts.prop_map(|(y, mo, d, h, mi, s)| {
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
            .parse()
            .unwrap()
    }))
}

fn any_spec() -> impl Strategy<Value = SessionSpec> {
    const OURS: &[&str] = &[
        "host",
        "port",
        "username",
        "privateKeyPath",
        "proxyJump",
        "auth",
        "createdAt",
        "lastConnectedAt",
    ];
    let text = || prop::option::of(any::<String>());
    let auth = any::<String>().prop_map(AuthKind::from);
    let times = (any_time(), any_time());
    let fields = (
        "\\PC+",
        prop::option::of(1..=u16::MAX),
        text(),
        text(),
        text(),
        auth,
        times,
        any_extra(OURS),
    );
    fields.prop_map(
        |(host, port, username, private_key_path, proxy_jump, auth, times, extra)| SessionSpec {
            host,
            port,
            username,
            private_key_path,
            proxy_jump,
            auth,
            created_at: times.0,
            last_connected_at: times.1,
            extra,
        },
    )
}

prop_compose! {
    fn any_content()(
        sessions in prop::collection::btree_map("[A-Za-z0-9._-]{1,64}".prop_map(|text| name(&text)), any_spec(), 0..6),
        pick in any::<Option<prop::sample::Index>>(),
        kept in prop::collection::btree_map("[a-z]{0,4}[ /@:]", any_json(), 0..3),
        extra in any_extra(&["version", "default", "sessions"]),
    ) -> StoreContent {
        let names: Vec<_> = sessions.keys().cloned().collect();
        let default = pick.filter(|_| !names.is_empty()).map(|index| index.get(&names).clone());
        let kept_sessions = UnknownFields(kept.into_iter().collect());
        StoreContent { default, sessions, problems: Vec::new(), kept_default: None, kept_sessions, extra }
    }
}

/// Entries good and bad, under names good and bad.
fn any_sessions() -> impl Strategy<Value = Map<String, Value>> {
    let spec = any_spec().prop_map(|spec| serde_json::to_value(spec).unwrap());
    let key = prop_oneof!["web", "[a-z]{1,3}", "\\PC{0,3}"];
    let entry = prop_oneof![spec, any_json()];
    prop::collection::btree_map(key, entry, 0..6).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn content_survives_the_file(content in any_content()) {
        let mut read = StoreContent::parse(&content.render().unwrap()).unwrap();
        prop_assert_eq!(read.problems.is_empty(), content.kept_sessions.0.is_empty());
        read.problems.clear();
        prop_assert_eq!(read, content);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = StoreContent::parse(&bytes);
    }

    #[test]
    fn whatever_is_read_is_written_back_in_full(
        sessions in any_sessions(),
        default in prop_oneof![any_json(), Just(json!("web"))],
        extra in any_extra(&["version", "default", "sessions"]),
    ) {
        let mut root = extra.0;
        root.insert("sessions".into(), Value::Object(sessions));
        root.insert("version".into(), json!(1));
        root.extend((!default.is_null()).then(|| ("default".into(), default)));
        let root = Value::Object(root);
        let content = StoreContent::parse(root.to_string().as_bytes()).unwrap();
        prop_assert_eq!(written(&content), root);
    }
}
