//! The same against dropbear: another server, other habits.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{assert_ran, assert_says, shell, shell_with};
use testkit::processes::{self, Process};
use testkit::sshd::Sshd;
use testkit::temp_user::TempUser;
use testkit::world::World;
use testkit::{eventually, readable_directory, run, set_mode};

/// A running dropbear; dropping it ends its sessions too.
struct Dropbear {
    child: Child,
    port: u16,
    /// Holds its host key and the client's known_hosts.
    directory: tempfile::TempDir,
}

impl Dropbear {
    /// Lets a user in with a key.
    async fn start(user: &TempUser, public_key: &Path) -> Self {
        let ssh = user.home().join(".ssh");
        std::fs::create_dir(&ssh).unwrap();
        std::fs::copy(public_key, ssh.join("authorized_keys")).unwrap();
        let id = |flag| run(Command::new("id").arg(flag).arg(user.name()));
        let (uid, gid) = (id("-u").trim().parse().ok(), id("-g").trim().parse().ok());
        for path in [ssh.clone(), ssh.join("authorized_keys")] {
            chown(&path, uid, gid).unwrap();
            set_mode(&path, 0o700);
        }
        let directory = readable_directory();
        let key = directory.path().join("host_key");
        let made = run(Command::new("dropbearkey")
            .args(["-t", "ed25519", "-f"])
            .arg(&key));
        let public = made.lines().find(|line| line.starts_with("ssh-ed25519"));
        let public = public
            .expect("dropbearkey prints the public key")
            .to_owned();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let known = format!("[127.0.0.1]:{port} {public}\n");
        std::fs::write(directory.path().join("known_hosts"), known).unwrap();
        let child = Command::new("/usr/sbin/dropbear")
            .args(["-F", "-E", "-s", "-p", &format!("127.0.0.1:{port}"), "-P"])
            .arg(directory.path().join("pid"))
            .arg("-r")
            .arg(&key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dropbear");
        eventually("dropbear to listen", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        })
        .await;
        Self {
            child,
            port,
            directory,
        }
    }

    fn config(&self, user: &TempUser) -> String {
        let known = self.directory.path().join("known_hosts");
        format!(
            "User {}\nPort {}\nUserKnownHostsFile {}",
            user.name(),
            self.port,
            known.display()
        )
    }

    fn runs(&self, line: &str) -> bool {
        let listener = Process::find(self.child.id()).expect("it runs");
        let commands = processes::descendants(&[listener]);
        commands
            .iter()
            .any(|process| process.command_line() == line)
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        let listener = Process::find(self.child.id());
        let sessions = processes::descendants(listener.as_slice());
        let _ = self.child.kill();
        let _ = self.child.wait();
        processes::kill_and_wait(&sessions);
    }
}

#[tokio::test]
async fn a_shell_over_dropbear() {
    let user = TempUser::create("/bin/bash").expect("run this test as root: it makes an account");
    // For its client's side: keys and configuration.
    let sshd = Sshd::start_default().await;
    let dropbear = Dropbear::start(&user, &sshd.user_key_path().with_extension("pub")).await;
    let world = World::at(sshd, &dropbear.config(&user)).await;
    let first = shell(
        &world,
        "cd /usr; V=1; export A='x y'; echo out; echo err >&2; (exit 3)",
    )
    .await;
    assert_ran(&first, 3, "out\n", "err\n");
    let many = shell_with(
        &world,
        "seq 200000 | tail -n 3; printf '\\000\\377'",
        json!({}),
    )
    .await;
    assert_ran(&many, 0, "199998\n199999\n200000\n\\x00\\xff", "");
    let stopped = shell_with(&world, "sleep 1000; echo no", json!({"timeoutMs": 300})).await;
    assert_says(&stopped, &["timed out", "sent INT, gone"]);
    assert!(!dropbear.runs("sleep 1000"));
    assert_ran(&shell(&world, "pwd; echo $V").await, 0, "/usr\n1\n", "");
    let ended = shell(&world, "exit 4").await;
    assert_says(&ended, &["exit 4", "the shell ended"]);
    let next = shell(&world, "pwd; echo $A; cat; echo 'open").await;
    assert_eq!(next.meta("exitCode"), 2, "{}", next.status());
    assert_ran(&shell(&world, "pwd; echo $A").await, 0, "/usr\nx y\n", "");
}
