//! Failures of running `ssh`: a rejected configuration, a hang, too much output, no `ssh`.

use super::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_malformed_config_is_reported_with_file_and_line() {
    let fixture = Fixture::new("Host web\n Prot 2200\n");
    let error = fixture.resolve("web").await.unwrap_err();
    let expected = format!("{}: line 2", fixture.path("config").display());
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(
        (error.code(), error.is_transient()),
        (ErrorCode::ConfigError, false)
    );
    let missing = Fixture::new("");
    fs::remove_file(missing.path("config")).unwrap();
    let error = missing.resolve("web").await.unwrap_err();
    assert!(error.to_string().contains("Can't open"), "{error}");
}

#[tokio::test]
async fn error_messages_of_ssh_are_bounded_and_escaped() {
    let fixture = Fixture::new(
        "Match exec \"printf '\\033[31mred\\n' >&2\"\nMatch exec \"head -c 1000000 /dev/zero | tr '\\000' x >&2\"\n\
         Bad yes\n",
    );
    let error = fixture.resolve("web").await.unwrap_err().to_string();
    assert!(error.contains(r"\x1b[31mred"), "{}", &error[..200]);
    assert!(
        !error.contains('\x1b') && error.len() < 4096,
        "{}",
        error.len()
    );
}

#[tokio::test]
async fn a_large_config_is_read_and_a_large_output_is_not() {
    let mut config = String::new();
    for number in 0.. {
        if config.len() > 1024 * 1024 {
            break;
        }
        config.push_str(&format!(
            "Host host{number}\n HostName {number}.example.com\n"
        ));
    }
    let fixture = Fixture::new(&format!("{config}Host web\n Port 2200\n"));
    assert_eq!(fixture.resolve("web").await.unwrap().port, 2200);
    let long = "X".repeat(600);
    let variables: String = (0..500)
        .map(|number| format!("SendEnv {long}{number}\n"))
        .collect();
    let error = Fixture::new(&variables).resolve("web").await.unwrap_err();
    assert!(
        matches!(error, ResolveError::TooMuchOutput { .. }),
        "{error}"
    );
}

/// A FIFO that the commands of `Match exec` hold open. Reading reaches the end when the last command has ended.
struct Holders {
    fixture: Fixture,
    fifo: pipe::Receiver,
}

impl Holders {
    fn new() -> Self {
        let fixture =
            Fixture::new("Match exec \"exec 3>DIR/fifo; echo held >&3; sleep 60 & sleep 60\"\n");
        let path = fixture.path("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let fifo = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        Self { fixture, fifo }
    }

    async fn started(&mut self) {
        let mut word = [0; 5];
        let read = async {
            // Before the command opens the FIFO, reading returns the end at once.
            while self.fifo.read_exact(&mut word).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), read)
            .await
            .expect("the command of `Match exec` never ran");
        assert_eq!(&word, b"held\n");
    }

    async fn gone(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(10), self.fifo.read_to_end(&mut rest)).await;
        assert_eq!(
            end.expect("a command of `Match exec` is left behind")
                .unwrap(),
            0
        );
    }
}

#[tokio::test]
async fn a_config_that_hangs_is_given_up_with_all_its_children() {
    let mut holders = Holders::new();
    holders.fixture.resolver.timeout = Duration::from_secs(2);
    let start = Instant::now();
    let error = holders.fixture.resolve("web").await.unwrap_err();
    assert!(matches!(error, ResolveError::Timeout { .. }), "{error}");
    assert!(
        error.is_transient() && error.to_string().contains("2.0 s"),
        "{error}"
    );
    assert!(start.elapsed() < RESOLVE_TIMEOUT, "{:?}", start.elapsed());
    holders.started().await;
    holders.gone().await;
}

#[tokio::test]
async fn a_dropped_call_leaves_no_process_behind() {
    let mut holders = Holders::new();
    let resolver = Resolver::new(holders.fixture.resolver.ssh_config.clone());
    let resolving = tokio::spawn(async move { resolver.resolve(&request("web")).await });
    holders.started().await;
    resolving.abort();
    assert!(resolving.await.unwrap_err().is_cancelled());
    holders.gone().await;
}

#[tokio::test]
async fn a_process_that_the_config_leaves_running_does_not_hold_the_answer() {
    let mut fixture = Fixture::new("Match exec \"sleep 8 &\"\n Port 2200\n");
    fixture.resolver.timeout = Duration::from_secs(6);
    assert_eq!(fixture.resolve("web").await.unwrap().port, 2200);
}

#[tokio::test]
async fn without_ssh_a_config_is_an_error_and_none_is_the_default() {
    let mut fixture = Fixture::new("");
    fixture.resolver.ssh_binary = fixture.path("no-ssh");
    let error = fixture.resolve("al@web").await.unwrap_err();
    assert!(
        error.to_string().contains("install the OpenSSH client"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&*fixture.path("config").to_string_lossy()),
        "{error}"
    );

    let mut resolver = fixture.resolver;
    resolver.ssh_config = None;
    resolver.default_configs = vec![fixture.directory.path().join("config")];
    let error = resolver.resolve(&request("al@web")).await.unwrap_err();
    assert!(matches!(error, ResolveError::NoSsh { .. }), "{error}");

    resolver.default_configs = vec![fixture.directory.path().join("absent")];
    let web = resolver.resolve(&request("al@Web:2200")).await.unwrap();
    assert_eq!(
        (web.host_name.as_str(), web.user.as_str(), web.port),
        ("web", "al", 2200)
    );
    let home = std::env::home_dir().unwrap();
    assert!(web.identity_files.contains(&home.join(".ssh/id_ed25519")));
    assert_eq!(web.user_known_hosts_files[0], home.join(".ssh/known_hosts"));
    assert!(web.ciphers.names.is_empty() && !web.identity_files_explicit);
    assert_eq!((web.unsupported(), web.notes.len()), (None, 0));
}

#[tokio::test]
async fn a_program_that_is_not_ssh_is_an_error() {
    let mut fixture = Fixture::new("");
    fixture.resolver.ssh_binary = fixture.directory.path().to_owned();
    let error = fixture.resolve("web").await.unwrap_err();
    assert!(matches!(error, ResolveError::Spawn { .. }), "{error}");
    fixture.resolver.ssh_binary = "false".into();
    let error = fixture.resolve("web").await.unwrap_err();
    assert!(error.to_string().contains("ssh gave no reason"), "{error}");
}
