//! Passes texts with a meaning to shells, option parsers or token expansion in every field of a request.

use super::*;

/// Texts that have an effect if a shell, an option parser, a path lookup or a token expansion interprets them.
const PAYLOADS: &[&str] = &[
    "-oProxyCommand=touch CANARY",
    "-F/dev/null",
    "-E CANARY",
    "--",
    "-",
    "-W",
    "x -oProxyCommand=touch${IFS}CANARY",
    "$(touch CANARY)",
    "x$(touch CANARY)",
    "`touch CANARY`",
    "x`touch CANARY`",
    "${IFS}",
    "$IFS",
    "$HOME",
    ";touch CANARY",
    "x;touch CANARY",
    "x|touch CANARY",
    "x||touch CANARY",
    "x&touch CANARY",
    "x&&touch CANARY",
    ">CANARY",
    "x>CANARY",
    "x>>CANARY",
    "<CANARY",
    "x\ntouch CANARY",
    "x\rtouch CANARY",
    "x\ttouch",
    "x touch",
    "'",
    "\"",
    "x'",
    "x\"",
    "';touch CANARY;'",
    "\";touch CANARY;\"",
    "\\",
    "x\\",
    "\\x",
    "\\\\",
    "x\0y",
    "\x1b[31mx",
    "x\x07",
    "x\u{9b}31m",
    "x\u{202e}y",
    "x\u{200b}y",
    "\u{ff1b}touch",
    "x\u{a0}-l",
    "%h",
    "%r",
    "%n",
    "%%",
    "%",
    "%C%d",
    "%(touch)",
    "{touch,CANARY}",
    "(touch CANARY)",
    "x)",
    "*",
    "?",
    "!",
    "!x",
    "#x",
    "x#y",
    "|1|x|y",
    "[x",
    "x]",
    "@",
    "x,y",
    "~",
    "~root",
    "..",
    "../../x",
    "/etc/passwd",
    "ssh://u@h:22",
    "u@h",
    "[::1]",
    "h:22",
    "none",
    "ssh://-oProxyCommand=touch CANARY@h",
    "ssh://%2DoProxyCommand=touch@h",
    "ssh://u%0aProxyCommand%20x@h",
    "h:22;touch CANARY",
    "u@-oProxyCommand=x",
];

/// A configuration that passes every token unquoted to a shell, which logs its arguments.
const TRAP: &str = "Match exec \"echo ran %h %n %r %p >>DIR/log\"\n ProxyCommand sh -c 'echo %h %n %r >>DIR/log'\n\
                    UserKnownHostsFile DIR/kh_%h_%k_%r\n LocalCommand touch %h\n PermitLocalCommand yes\n";

#[tokio::test]
async fn no_text_reaches_a_shell_as_anything_but_text() {
    let fixture = Fixture::new(TRAP);
    let canary = fixture.path("canary");
    let mut answered = 0;
    let long = ["x".repeat(65_536)];
    for payload in PAYLOADS.iter().map(ToString::to_string).chain(long) {
        let payload = payload.replace("CANARY", &canary.to_string_lossy());
        for request in requests(&payload) {
            let outcome = fixture.resolver.resolve(&request).await;
            assert!(!canary.exists(), "{request:?}");
            answered += usize::from(outcome.is_ok());
        }
    }
    // The configuration works as a trap: accepted texts did reach the shell.
    let log = fs::read_to_string(fixture.path("log")).unwrap();
    assert!(
        answered > 20 && log.lines().count() >= answered,
        "{answered}\n{log}"
    );
    let mut left: Vec<_> = fs::read_dir(fixture.directory.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["config", "log"]);
}

/// A request for each field that can carry `payload`, and a target parsed from `payload` if possible.
fn requests(payload: &str) -> Vec<ResolveRequest> {
    let raw = |host: &str, username: Option<&str>| {
        ResolveRequest::new(Target {
            host: host.to_owned(),
            port: None,
            username: username.map(str::to_owned),
        })
    };
    let mut requests: Vec<_> = Target::parse(payload)
        .map(ResolveRequest::new)
        .into_iter()
        .collect();
    requests.extend([
        raw(payload, None),
        raw("web", Some(payload)),
        raw("web", None),
        raw("web", None),
        raw("web", None),
    ]);
    let [.., username, key, jump] = requests.as_mut_slice() else {
        unreachable!("five were added");
    };
    username.username = Some(payload.to_owned());
    key.private_key_path = Some(payload.into());
    jump.proxy_jump = Some(payload.to_owned());
    requests
}

#[tokio::test]
async fn a_refused_target_starts_no_process() {
    let mut fixture = Fixture::new("");
    fixture.resolver.ssh_binary = fixture.path("no-ssh");
    for host in ["-oProxyCommand=x", "a;b", "a b", "*", "[x]", "a@b", ""] {
        let target = Target {
            host: host.to_owned(),
            port: None,
            username: None,
        };
        let error = fixture
            .resolver
            .resolve(&ResolveRequest::new(target))
            .await
            .unwrap_err();
        assert!(matches!(error, ResolveError::Target(_)), "{host}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidParameter);
    }
    let mut jump = request("web");
    jump.proxy_jump = Some("gate,-oProxyCommand=x".to_owned());
    let error = fixture.resolver.resolve(&jump).await.unwrap_err();
    assert!(error.to_string().starts_with("proxyJump: "), "{error}");
    let mut key = request("web");
    key.private_key_path = Some(PathBuf::new());
    assert!(matches!(
        fixture.resolver.resolve(&key).await,
        Err(ResolveError::EmptyKeyPath)
    ));
}
