//! Commands of bash's grammar: the session's shell treats them as a bash of their own does.

use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::{shell_with, stream};
use testkit::world::World;

/// Scripts of one run, the same ones each time.
const SCRIPTS: usize = 300;
/// Names a number of random ones to run instead.
const RANDOM_SCRIPTS: &str = "SHELL_SCRIPTS";
/// Every script begins with these, so that none depends on another one.
const BEGINNING: &str = "v=start v2= r= x= i= a=()\nunset -f f\n";

/// One argument, as it is typed.
fn word() -> impl Strategy<Value = String> {
    let fixed = [
        "'a b'",
        "\"q $v\"",
        "\"\\\"\"",
        "$'t\\tn\\n'",
        "\\ x",
        "\"$(echo in)\"",
        "'it'\\''s'",
        "ü",
        "\"${v:-none}\"",
        "{a,b}",
        "\"${v#s}\"",
        "'$v'",
        "''",
        "\"`echo old`\"",
        "*.none",
    ];
    prop_oneof![
        "[a-z]{1,5}",
        prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
    ]
}

/// Statements end with a newline, which ends any here-document too.
fn simple() -> impl Strategy<Value = String> {
    let fixed = [
        "true",
        "false",
        "(exit 3)",
        "cat",
        "read r",
        "echo $((1 + 2 * 3))",
        "# a 'comment\ntrue",
        "cat <<EOF\nhere $v\nEOF",
        "cat <<'EOF'\nhere $v '\nEOF",
        "cat <<-EOF\n\tindented\n\tEOF",
        "echo \"$?\"",
        "echo \"${#a[@]}\" \"${a[*]}\"",
        "echo one; echo two >&2",
        "eval 'echo \"$v\"'",
        "printf no-newline",
        "echo back \\\nslash",
        "((v2 = 5)) && echo $v2",
        "test -t 0",
    ];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(|text| format!("{text}\n")),
        word().prop_map(|word| format!("echo {word}\n")),
        word().prop_map(|word| format!("echo {word} >&2\n")),
        word().prop_map(|word| format!("v={word}\n")),
        word().prop_map(|word| format!("read r <<< {word}\necho \"$r\"\n")),
        word().prop_map(|word| format!("[[ {word} == a* ]]\n")),
        (word(), word()).prop_map(|(a, b)| format!("printf '[%s]' {a} {b}\n")),
        (word(), word()).prop_map(|(a, b)| format!("a=({a} {b})\n")),
    ]
}

/// One to three statements, some of them made of others.
fn script() -> impl Strategy<Value = String> {
    simple().prop_recursive(4, 24, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat());
        let two = (some.clone(), some.clone());
        prop_oneof![
            some.clone(),
            (inner.clone(), some.clone(), some.clone())
                .prop_map(|(a, b, c)| format!("if {a}then {b}else {c}fi\n")),
            (word(), some.clone())
                .prop_map(|(a, b)| format!("for i in {a} z\ndo echo \"$i\"\n{b}done\n")),
            (word(), two.clone())
                .prop_map(|(a, (b, c))| format!("case {a} in\na*) {b};;\n*) {c};;\nesac\n")),
            some.clone()
                .prop_map(|a| format!("until false\ndo {a}break\ndone\n")),
            some.clone().prop_map(|a| format!("{{ {a}}}\n")),
            some.clone().prop_map(|a| format!("( {a})\n")),
            some.clone().prop_map(|a| format!("! {{ {a}}}\n")),
            some.clone().prop_map(|a| format!("{{ {a}}} | cat\n")),
            some.clone().prop_map(|a| format!("f() {{ {a}}}\nf\n")),
            some.clone()
                .prop_map(|a| format!("x=$( {a})\necho \"$? $x\"\n")),
            two.clone()
                .prop_map(|(a, b)| format!("{{ {a}}} && {{ {b}}}\n")),
            two.prop_map(|(a, b)| format!("{{ {a}}} || {{ {b}}}\n")),
        ]
    })
}

/// The result of a script in a bash of its own, in an empty directory: status and both streams.
async fn alone(script: &str, directory: &Path) -> (i32, String, String) {
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", script])
        .current_dir(directory)
        .stdin(std::process::Stdio::null());
    let output = testkit::bounded("bash", bash.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let status = output.status.code().expect("a status");
    (status, text(output.stdout), text(output.stderr))
}

/// Whether bash says that it could not read the script.
fn is_broken(stderr: &str) -> bool {
    ["syntax error", "unexpected EOF"]
        .iter()
        .any(|words| stderr.contains(words))
}

/// Complaints of bash without the source that bash names (`-c` or `eval`), and without line numbers if the script
/// could not be read: an unfinished script ends one line later here.
fn without_sources(stderr: &str) -> String {
    let is_broken = is_broken(stderr);
    let complaint = |line: &'_ str| -> Option<String> {
        let (_, place) = line.strip_prefix("bash: ")?.split_once("line ")?;
        let (number, text) = place.split_once(": ")?;
        Some(match is_broken {
            true => format!("bash: {text}"),
            false => format!("bash: line {number}: {text}"),
        })
    };
    let lines = stderr.lines();
    lines
        .map(|line| complaint(line).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

#[tokio::test]
async fn any_command_does_what_it_does_in_a_bash_of_its_own() {
    let world = World::start().await;
    let random = std::env::var(RANDOM_SCRIPTS).ok();
    let (scripts, mut runner) = match random.and_then(|number| number.parse().ok()) {
        Some(number) => (number, TestRunner::default()),
        None => (SCRIPTS, TestRunner::deterministic()),
    };
    // A script with faults may look at the files around.
    let directory = tempfile::tempdir().unwrap();
    let enter = format!("cd '{}'", directory.path().display());
    shell_with(&world, &enter, json!({})).await;
    let mut before = String::new();
    for number in 0..scripts {
        let script = script().new_tree(&mut runner).unwrap().current();
        let script = format!("{BEGINNING}{script}");
        let (status, stdout, stderr) = alone(&script, directory.path()).await;
        let all = json!({"maxOutputBytes": 262_144});
        let answer = shell_with(&world, &script, all).await;
        let mut ours = (
            answer.meta("exitCode").clone(),
            stream(&answer, "stdout"),
            without_sources(&stream(&answer, "stderr")),
        );
        let mut alone = (json!(status), stdout, without_sources(&stderr));
        // Here-documents in substitutions do not always reach bash's parser alike. How such an error ends a `bash -c`
        // differs; here the error ends one command.
        if is_broken(&alone.2) && ours.0 != 0 && alone.0 != 0 {
            (ours.0, alone.0) = (json!(1), json!(1));
        }
        // Leftovers of one command show in the next.
        assert_eq!(ours, alone, "script {number}:\n{script}\nafter:\n{before}");
        before = script;
    }
}
