//! Programs that talk to a person on a terminal: psql, sudo, ssh to another host.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use testkit::temp_user::TempUser;
use testkit::world::World;
use testkit::{readable_directory, run, set_mode};

fn pty() -> Value {
    json!({"pty": true})
}

/// A PostgreSQL server of this test, reached by a socket in its directory; its end comes with the drop.
struct Postgres {
    programs: PathBuf,
    directory: tempfile::TempDir,
    /// PostgreSQL does not run as root.
    user: Option<TempUser>,
}

impl Postgres {
    fn start() -> Self {
        let postgres = Self {
            programs: programs(),
            directory: readable_directory(),
            user: TempUser::create("/bin/sh"),
        };
        if let Some(user) = &postgres.user {
            let owner = format!("{}:", user.name());
            run(Command::new("chown").arg(owner).arg(postgres.path()));
        }
        let options = format!("-F -h '' -k {}", postgres.path().display());
        let data = postgres.path().join("data");
        let data = data.as_os_str();
        let initialise = ["-A", "trust", "-U", "tester", "--no-sync"].map(OsStr::new);
        let mut arguments = vec![OsStr::new("-D"), data];
        arguments.extend(initialise);
        postgres.run("initdb", &arguments);
        let start = ["-w", "-l", "log", "-o", &options, "start"].map(OsStr::new);
        let mut arguments = vec![OsStr::new("-D"), data];
        arguments.extend(start);
        postgres.run("pg_ctl", &arguments);
        postgres
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, program: &str, arguments: &[&OsStr]) {
        let status = self.command(program, arguments).status();
        assert!(status.expect(program).success(), "{program}");
    }

    fn command(&self, program: &str, arguments: &[&OsStr]) -> Command {
        let mut command = match &self.user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user.name(), "--"]);
                command.arg(self.programs.join(program));
                command
            }
            None => Command::new(self.programs.join(program)),
        };
        command.args(arguments).current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own, as a server has that outlives its terminal.
        command.process_group(0);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.path().join("data");
        let arguments = [OsStr::new("-D"), data.as_os_str()];
        let stop = ["-w", "-m", "immediate", "stop"].map(OsStr::new);
        let stopped = self.command("pg_ctl", &[&arguments[..], &stop].concat());
        if !{ stopped }.status().is_ok_and(|status| status.success()) {
            eprintln!("the PostgreSQL server of a test was not stopped");
        }
    }
}

/// Debian keeps the server's programs out of PATH, in a directory of its version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql");
    let mut found = versions.map(|version| version.unwrap().path().join("bin"));
    found
        .find(|directory| directory.join("initdb").exists())
        .expect("initdb")
}

#[tokio::test]
async fn a_dialogue_with_psql() {
    let postgres = Postgres::start();
    let world = World::start().await;
    let command = format!("psql -h {} -U tester postgres", postgres.path().display());
    let job = world.job(&command, pty()).await;
    world.read_until(&job, "postgres=#").await;
    let create = "create table t as select generate_series(1, 100) as number;\n";
    world.input(&job, json!({"text": create})).await;
    world.read_until(&job, "SELECT 100").await;
    world
        .input(&job, json!({"text": "select sum(number) from t;\n"}))
        .await;
    world.read_until(&job, "5050").await;
    // An open statement has a prompt of its own.
    world.input(&job, json!({"text": "select 1 +\n"})).await;
    world.read_until(&job, "postgres-#").await;
    world.input(&job, json!({"text": "\u{3}"})).await;
    world.read_until(&job, "postgres=#").await;
    world.input(&job, json!({"text": "\\q\n"})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
}

/// A line in /etc/sudoers.d, for one temporary user to become another one.
struct Permission(PathBuf);

impl Permission {
    fn grant(user: &TempUser, target: &TempUser) -> Self {
        let path = Path::new("/etc/sudoers.d").join(user.name());
        fs::write(
            &path,
            format!("{} ALL=({}) ALL\n", user.name(), target.name()),
        )
        .unwrap();
        set_mode(&path, 0o440);
        Self(path)
    }
}

impl Drop for Permission {
    fn drop(&mut self) {
        if fs::remove_file(&self.0).is_err() {
            eprintln!("{} was not removed", self.0.display());
        }
    }
}

#[tokio::test]
async fn sudo_takes_a_password_on_a_terminal() {
    // Only root makes users; whoever else runs the tests leaves this one out.
    let (Some(user), Some(other)) = (TempUser::create("/bin/sh"), TempUser::create("/bin/sh"))
    else {
        return;
    };
    let _permission = Permission::grant(&user, &other);
    let world = World::start().await;
    let command = format!(
        "exec su {} --session-command 'exec sudo -u {} id -un'",
        user.name(),
        other.name()
    );
    let job = world.job(&command, pty()).await;
    let prompt = format!("password for {}:", user.name());
    world.read_until(&job, &prompt).await;
    // The hint comes when the prompt has stood for a while.
    let hint = "seems to wait for input";
    testkit::world::poll("the hint", async || {
        let look = world.output(&job, json!({"offsetBytes": 0})).await;
        look.status().contains(hint).then_some(())
    })
    .await;
    world.input(&job, json!({"text": "wrong\n"})).await;
    world.read_until(&job, &prompt).await;
    let text = format!("{}\n", user.password());
    world.input(&job, json!({"text": text})).await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
    let all = world.output(&job, json!({"offsetBytes": 0})).await.text();
    assert!(all.contains(&format!("{}\n", other.name())), "{all:?}");
    assert!(
        !all.contains(user.password()) && !all.contains("wrong"),
        "{all:?}"
    );
}

#[tokio::test]
async fn ssh_to_another_host_asks_and_is_answered() {
    let world = World::start().await;
    let known_hosts = world.sshd.home().join("hosts of the first hop");
    let command = format!(
        "ssh -F none -o UserKnownHostsFile='\"{}\"' -o GlobalKnownHostsFile=none -o IdentityAgent=none \
         -o StrictHostKeyChecking=ask -i '{}' -p {} {}@127.0.0.1",
        known_hosts.display(),
        world.sshd.user_key_path().display(),
        world.sshd.port(),
        world.sshd.user(),
    );
    let job = world.job(&command, pty()).await;
    world.read_until(&job, "(yes/no/[fingerprint])?").await;
    world.input(&job, json!({"text": "yes\n"})).await;
    world.read_until(&job, "Permanently added").await;
    world
        .input(&job, json!({"text": "echo product $((6 * 7)); exit 5\n"}))
        .await;
    world.read_until(&job, "product 42").await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 5, "{}", end.status());
    let recorded = fs::read_to_string(&known_hosts).unwrap();
    assert!(recorded.contains("ssh-ed25519"), "{recorded:?}");
}
