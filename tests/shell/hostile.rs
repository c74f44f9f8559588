//! Commands that attack the frame. Each has a shell in a session of its own, and a probe behind it, which must answer
//! exactly: from the same shell, or from a new one that says so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{begin, stream};
use testkit::world::{Answer, World, timed};

/// Expected fate of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The shell continues.
    Lives,
    /// The shell continues, and prints this to stderr before each command: the user asked for the text.
    Traces,
    /// The shell ends with the command, whose result says so.
    Dies,
    /// The shell ends with the next command, whose result says so.
    DiesNext,
    /// The shell ends behind the command; the next result says so.
    DiesAfter,
    /// The shell ends when its command is given up, because the state looks like that of a running command.
    Stuck,
}

use Then::{Dies, DiesAfter, DiesNext, Lives, Stuck, Traces};

/// Command, its status where that is certain, fate of the shell.
type Row = (&'static str, Option<u64>, Then);

const ROWS: &[Row] = &[
    // Quotes and documents.
    ("echo 'open", Some(2), Lives),
    ("echo \"open", Some(2), Lives),
    ("echo `open", None, Lives),
    ("echo $(open", None, Lives),
    ("echo (", Some(2), Lives),
    ("if true; then", Some(2), Lives),
    ("{ echo", Some(2), Lives),
    (")", Some(2), Lives),
    ("cat <<EOF\nabc", Some(0), Lives),
    ("cat <<'EOF'\n$abc\nEOF", Some(0), Lives),
    ("cat <<<here", Some(0), Lives),
    ("echo a \\", Some(0), Lives),
    ("true # comment", Some(0), Lives),
    ("-x", Some(127), Lives),
    ("echo '\n)\n'", Some(0), Lives),
    // Readers of stdin.
    ("cat", Some(0), Lives),
    ("read x", Some(1), Lives),
    ("while read l; do echo $l; done", Some(0), Lives),
    ("head -c 1", Some(0), Lives),
    ("python3 -", Some(0), Lives),
    ("sh", Some(0), Lives),
    ("exec </dev/null; cat", Some(0), Lives),
    ("read -t 1 x <&10; true", Some(0), DiesNext),
    // Ends of the shell.
    ("exit 3", Some(3), Dies),
    ("exit", Some(0), Dies),
    ("(exit 3)", Some(3), Lives),
    ("exec true", Some(0), Dies),
    ("exec sh -c 'exit 9'", Some(9), Dies),
    ("exec /does/not/exist", Some(127), Dies),
    ("kill -9 $$", None, Dies),
    ("kill $$", None, Dies),
    ("kill -HUP $$", None, Dies),
    ("sh -c 'kill -9 $PPID'", None, Dies),
    ("logout", Some(1), Lives),
    ("return 3", Some(2), Lives),
    ("break; continue", Some(0), Lives),
    ("${x:?no}", None, Dies),
    ("echo $((1/0))", Some(1), Lives),
    ("readonly r=1; r=2", Some(1), Lives),
    // Options.
    ("set -e", Some(0), DiesNext),
    ("set -e; false", Some(1), Dies),
    ("set -u", Some(0), Lives),
    ("set -u; echo $none", None, Dies),
    ("set -n", None, Dies),
    ("set -x", Some(0), Traces),
    ("set -v", Some(0), Traces),
    ("set -t", Some(0), DiesAfter),
    ("set -m", Some(0), Lives),
    ("set -k -f -b -h -a", Some(0), Lives),
    ("set -o posix", Some(0), Lives),
    ("set -o posix; echo 'x", Some(2), Lives),
    ("set -o noclobber -o vi", Some(0), Lives),
    ("set -o history; history", Some(0), Lives),
    (
        "shopt -s failglob nullglob lastpipe extglob",
        Some(0),
        Lives,
    ),
    ("shopt -s extdebug; trap false DEBUG", None, Dies),
    // Traps.
    ("trap 'echo bye' EXIT", Some(0), Lives),
    ("trap 'echo bye' EXIT; exit 4", Some(4), Dies),
    ("trap 'true' DEBUG", Some(0), Lives),
    ("trap 'exit 5' DEBUG", Some(5), Dies),
    ("trap 'return 2' DEBUG", Some(0), Traces),
    ("trap 'true' ERR; false", Some(1), Lives),
    ("trap 'exit 6' ERR; false", Some(6), Dies),
    ("trap 'echo r' RETURN; set -T", Some(0), Lives),
    ("trap '' INT TERM URG", Some(0), Lives),
    ("trap - INT URG", Some(0), Lives),
    ("trap 'true' CHLD; sleep 0.05", Some(0), Lives),
    // Names that the frame uses.
    ("eval() { echo no; }", Some(0), Lives),
    ("builtin() { echo no; }", None, Dies),
    ("builtin() { command \"$@\"; }", Some(0), Lives),
    (
        "echo() { :; }; read() { :; }; command() { :; }; pwd() { :; }",
        Some(0),
        Lives,
    ),
    (
        "umask() { exit; }; export() { exit; }; enable() { exit; }",
        Some(0),
        Lives,
    ),
    (
        "shopt -s expand_aliases; alias builtin=false eval=false read=false",
        Some(0),
        Lives,
    ),
    (
        "shopt -s expand_aliases; alias __mcp_sh=false",
        Some(0),
        Lives,
    ),
    ("unset -f __mcp_sh; __mcp_sh() { :; }", Some(1), Lives),
    ("enable -n eval printf read", Some(0), Lives),
    ("enable -n builtin", None, Dies),
    // Variables.
    ("IFS=0123456789abcdef/", Some(0), Lives),
    ("readonly IFS=/", Some(0), Lives),
    ("LC_ALL=C; export LC_ALL", Some(0), Lives),
    ("LC_ALL=ja_JP.SJIS", Some(0), Lives),
    (
        "PS4='$(echo x >&2)'; PROMPT_COMMAND='echo prompt'; PS1=x",
        Some(0),
        Lives,
    ),
    ("unset PATH; PATH=", Some(0), Lives),
    ("unset PWD OLDPWD HOME; set -u", Some(0), Lives),
    ("PWD=relative", Some(0), Lives),
    ("readonly PWD; TMOUT=1", Some(0), Lives),
    (
        "BASH_ENV=/none ENV=/none; export BASH_ENV ENV",
        Some(0),
        Lives,
    ),
    ("GLOBIGNORE='*'; POSIXLY_CORRECT=1", Some(0), Lives),
    // Descriptors.
    ("exec >/dev/null", Some(0), Lives),
    ("exec 2>&1", Some(0), Lives),
    ("exec 1>&- 2>&- 0<&-", Some(0), Lives),
    ("exec 8>&- 9>&- 98>&- 99>&-", Some(0), Lives),
    ("exec 98>/dev/null 99>/dev/null", Some(0), Lives),
    ("exec 10>&- 11>&- 12>&- 13>&-", None, Dies),
    (
        "for f in /proc/$$/fd/*; do f=${f##*/}; [ $f -gt 2 ] && eval \"exec $f>&-\"; done",
        None,
        Dies,
    ),
    ("ulimit -n 5", None, Dies),
    ("ulimit -f 0", Some(0), Lives),
    ("exec 3<&1 4</dev/zero 5>/dev/null", Some(0), Lives),
    ("stty -echo", Some(1), Lives),
    (
        "cd \"$HOME\"; mkdir gone.$$; cd gone.$$; rmdir $PWD",
        Some(0),
        Lives,
    ),
    ("umask 777", Some(0), Lives),
    // States that look like a running command, and the end of each.
    ("kill -STOP $$", None, Stuck),
    ("suspend -f", None, Stuck),
    ("builtin() { sleep 1000; }", None, Stuck),
    ("cat <&10 & sleep 0.2", None, Stuck),
];

/// Rows at once: each dials, and a server takes only so many handshakes.
const SIDE_BY_SIDE: usize = 4;
/// Until a row is over, with all that a busy machine adds.
const ROW_BOUND: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_can_damage_the_next_without_a_word() {
    let world = Arc::new(World::start().await);
    let mut failures = Vec::new();
    let numbered: Vec<_> = ROWS.iter().enumerate().collect();
    for rows in numbered.chunks(SIDE_BY_SIDE) {
        let mut tried = JoinSet::new();
        for (number, row) in rows.iter().copied() {
            let world = Arc::clone(&world);
            tried.spawn(async move { try_row(&world, number, row).await });
        }
        let results = tried.join_all().await;
        failures.extend(results.into_iter().filter_map(Result::err));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(ROWS.len() >= 100, "{}", ROWS.len());
}

/// In a session of its own, which is gone afterwards.
async fn try_row(world: &World, number: usize, row: &Row) -> Result<(), String> {
    let session = format!("row-{number}");
    world.connect(&session).await;
    let result = attack(world, &session, row).await;
    let arguments = json!({"session": session, "forget": true});
    world.call("ssh_disconnect", arguments).await;
    result
}

async fn attack(world: &World, session: &str, (command, status, then): &Row) -> Result<(), String> {
    let call = async |command: &str, timeout: u64| {
        let arguments = json!({"session": session, "timeoutMs": timeout});
        begin(world, command, arguments).await.answer().await
    };
    let (first, took) = timed(call(command, 1500)).await;
    let fail = |why: &str, answer: &Answer| {
        Err(format!(
            "{command:?}: {why}: {}\n{}",
            answer.status(),
            answer.text()
        ))
    };
    if took > ROW_BOUND {
        return fail("too late", &first);
    }
    if let Some(status) = status
        && first.meta("exitCode") != *status
    {
        return fail(&format!("not exit {status}"), &first);
    }
    let ended = first.status().contains("the shell ended");
    match then {
        Dies if !ended => return fail("the shell should have ended", &first),
        Lives | Traces | DiesNext | DiesAfter if ended => {
            return fail("the shell should live", &first);
        }
        _ => {}
    }
    if *then == Stuck && !ended {
        // The command itself was harmless; the next one shows it.
        let next = call("true", 1500).await;
        if !next.status().contains("the shell ended") {
            return fail("the shell should have been given up", &next);
        }
    }
    let mut second = call("printf 'p%s\\n' robe; printf 'q\\n' >&2; (exit 7)", 15000).await;
    // Its end may still be on its way when the next command is sent, which then is the one that says so.
    if *then == DiesNext || (*then == DiesAfter && second.status().contains("the shell ended")) {
        if !second.status().contains("the shell ended") {
            return fail("the shell should have ended with the next command", &second);
        }
        second = call("printf 'p%s\\n' robe; printf 'q\\n' >&2; (exit 7)", 15000).await;
    }
    let generation = if matches!(then, Lives | Traces) { 1 } else { 2 };
    if second.meta("shellGeneration") != generation {
        return fail("of the wrong shell", &second);
    }
    let (stdout, stderr) = (stream(&second, "stdout"), stream(&second, "stderr"));
    let traced = *then == Traces && stderr.contains("q\n");
    if second.meta("exitCode") != 7 || stdout != "probe\n" || !(stderr == "q\n" || traced) {
        return fail("the probe answered something else", &second);
    }
    Ok(())
}
