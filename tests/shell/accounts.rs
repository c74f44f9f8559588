//! Login shells, and accounts that allow none.

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, shell_with};
use testkit::sshd::Sshd;
use testkit::temp_user::TempUser;
use testkit::world::{World, timed};

/// Checks that a shell passes under any login shell.
async fn works_under(name: &str) {
    let user = user(name);
    let world = World::at(
        Sshd::start_default().await,
        &format!("User {}", user.name()),
    )
    .await;
    let first = shell(
        &world,
        "cd /usr; V='it'\\''s'; f() { echo \"$V\"; }; echo out; echo err >&2; (exit 3)",
    )
    .await;
    assert_ran(&first, 3, "out\n", "err\n");
    let second = shell(
        &world,
        "pwd; f; echo ${BASH_VERSION:+bash}; umask 027; export A='x y'",
    )
    .await;
    assert_ran(&second, 0, "/usr\nit's\nbash\n", "");
    let stopped = shell_with(&world, "sleep 1000; echo no", json!({"timeoutMs": 300})).await;
    assert_says(&stopped, &["timed out", "gone"]);
    let ended = shell(&world, "exit 4").await;
    assert_says(&ended, &["exit 4", "the shell ended"]);
    let next = shell(&world, "pwd; umask; echo $A").await;
    assert_ran(&next, 0, "/usr\n0027\nx y\n", "");
}

fn user(name: &str) -> TempUser {
    let path = ["/bin", "/usr/bin", "/usr/sbin"].map(|path| format!("{path}/{name}"));
    let path = path.iter().find(|path| std::path::Path::new(path).exists());
    let path = path.unwrap_or_else(|| panic!("{name} is not installed"));
    TempUser::create(path).expect("run this test as root: it makes an account")
}

#[tokio::test]
async fn bash() {
    works_under("bash").await;
}

#[tokio::test]
async fn dash() {
    works_under("dash").await;
}

#[tokio::test]
async fn zsh() {
    works_under("zsh").await;
}

#[tokio::test]
async fn fish() {
    works_under("fish").await;
}

#[tokio::test]
async fn csh() {
    works_under("tcsh").await;
}

#[tokio::test]
async fn start_up_files_are_not_read() {
    let user = user("bash");
    let noise = "echo noise; echo noise >&2; cd /; alias echo=false; exit 1\n";
    for file in [".bash_profile", ".profile", ".bash_login"] {
        std::fs::write(user.home().join(file), noise).unwrap();
    }
    // Debian's bash reads this one for the login shell itself, before there is anything of ours.
    std::fs::write(
        user.home().join(".bashrc"),
        "echo noise; echo noise >&2; export BASH_ENV=~/env\n",
    )
    .unwrap();
    std::fs::write(user.home().join("env"), "echo noise; exit 1\n").unwrap();
    let world = World::at(
        Sshd::start_default().await,
        &format!("User {}", user.name()),
    )
    .await;
    let answer = shell(&world, "echo out; echo err >&2").await;
    assert_ran(&answer, 0, "out\n", "err\n");
}

/// Accounts that run something else: the error comes at once or after the time limit of a shell, with the output.
async fn gives_no_shell(config: &str, words: &[&str]) {
    let sshd = Sshd::builder().config(config).start().await;
    let world = World::at(sshd, "").await;
    let (answer, took) = timed(shell(&world, "echo no")).await;
    answer.assert_error("unsupported", words);
    assert!(took.as_secs() < 20, "{took:?}");
    let meta = &answer.result["_meta"]["mcp-ssh-sessions/error"];
    assert_eq!(meta["fate"], "notSent");
}

#[tokio::test]
async fn a_forced_command_is_told() {
    gives_no_shell(
        "ForceCommand echo menu; exit 5",
        &["no shell", "exited with 5", "menu"],
    )
    .await;
}

#[tokio::test]
async fn a_forced_command_that_stays_is_told_in_time() {
    gives_no_shell(
        "ForceCommand echo menu; cat >/dev/null",
        &["no shell", "within 10 s", "menu"],
    )
    .await;
}

#[tokio::test]
async fn an_account_for_sftp_only_is_told() {
    gives_no_shell("ForceCommand internal-sftp", &["no shell"]).await;
}

#[tokio::test]
async fn an_account_without_a_shell_is_told() {
    let user = user("nologin");
    let world = World::at(
        Sshd::start_default().await,
        &format!("User {}", user.name()),
    )
    .await;
    let answer = shell(&world, "echo no").await;
    answer.assert_error(
        "unsupported",
        &["no shell", "exited with 1", "not available"],
    );
}

/// Without bash in its PATH.
async fn in_sh(shell_path: &str) {
    let tools = testkit::readable_directory();
    for tool in ["sleep", "cat", "ls", "sed", "readlink"] {
        let path = ["/usr/bin", "/bin"].map(|path| format!("{path}/{tool}"));
        let path = path.iter().find(|path| std::path::Path::new(path).exists());
        std::os::unix::fs::symlink(path.expect("a usual tool"), tools.path().join(tool)).unwrap();
    }
    // busybox takes its applet from its name.
    std::os::unix::fs::symlink(shell_path, tools.path().join("sh")).unwrap();
    let path = tools.path().display().to_string();
    let force =
        format!("ForceCommand PATH={path} && export PATH && eval \"$SSH_ORIGINAL_COMMAND\"");
    let world = World::at(Sshd::builder().config(&force).start().await, "").await;
    let first = shell(
        &world,
        "cd /usr; V=1; f() { echo f; }; export A='it'\\''s'; umask 027; echo ${BASH_VERSION:-none}",
    )
    .await;
    assert_ran(&first, 0, "none\n", "");
    assert_says(&first, &["the host has no bash, so this is its sh"]);
    let second = shell(&world, "pwd; f; echo $V; echo err >&2; (exit 7)").await;
    assert_ran(&second, 7, "/usr\nf\n1\n", "err\n");
    assert!(
        !second.status().contains("bash"),
        "said once: {}",
        second.status()
    );
    for (command, status) in [
        ("echo 'open", 2),
        ("cat", 0),
        ("read x", 1),
        ("cat <<E\nx", 0),
    ] {
        let answer = shell(&world, command).await;
        assert_eq!(
            answer.meta("exitCode"),
            status,
            "{command}: {}",
            answer.status()
        );
        assert_ran(&shell(&world, "echo on").await, 0, "on\n", "");
    }
    let stopped = shell_with(&world, "sleep 1000", json!({"timeoutMs": 300})).await;
    assert_says(&stopped, &["timed out"]);
    assert!(world.processes("sleep 1000").is_empty());
    shell(&world, "cd /usr").await;
    let ended = shell(&world, "exit 3").await;
    assert_says(&ended, &["exit 3", "the shell ended"]);
    let next = shell(&world, "pwd; umask; echo $A").await;
    assert_ran(&next, 0, "/usr\n0027\nit's\n", "");
    // Effects that only show from outside.
    let stuck = shell_with(&world, "set -n", json!({"waitMs": 40000})).await;
    assert_says(&stuck, &["the shell ended"]);
    assert_ran(&shell(&world, "echo on").await, 0, "on\n", "");
}

#[tokio::test]
async fn dash_where_there_is_no_bash() {
    in_sh("/bin/dash").await;
}

#[tokio::test]
async fn busybox_where_there_is_no_bash() {
    in_sh("/bin/busybox").await;
}
