//! Tests with the `ssh` of this machine and a temporary configuration file for each test.

mod injection;
mod process;

use super::*;
use crate::error::ErrorCode;
use crate::ssh::host_keys::StrictHostKeyChecking;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// A resolver for a configuration file, and the temporary directory of that file.
struct Fixture {
    directory: TempDir,
    resolver: Resolver,
}

impl Fixture {
    fn new(config: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("config");
        fs::write(
            &file,
            config.replace("DIR", &directory.path().to_string_lossy()),
        )
        .unwrap();
        let resolver = Resolver::new(Some(file));
        Self {
            directory,
            resolver,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn resolve(&self, target: &str) -> Result<ResolvedHost, ResolveError> {
        self.resolver.resolve(&request(target)).await
    }
}

fn request(target: &str) -> ResolveRequest {
    ResolveRequest::new(Target::parse(target).unwrap())
}

async fn host(config: &str, target: &str) -> ResolvedHost {
    Fixture::new(config).resolve(target).await.unwrap()
}

#[tokio::test]
async fn an_alias_gets_its_settings_from_the_config() {
    let config = "Host web\n HostName web.example.com\n Port 2200\n User al\n IdentitiesOnly yes\n\
                  IdentityFile /keys/a\n IdentityFile \"/keys/my key\"\n IdentityAgent none\n\
                  StrictHostKeyChecking accept-new\n ConnectTimeout 7\n RekeyLimit 1K 1m\n\
                  SetEnv A=\"b c\" D=e\n SendEnv X Y*\n CertificateFile /keys/a-cert.pub\n\
                  HostKeyAlias Gate\n BindAddress 127.0.0.1\n AddressFamily inet\n Compression yes\n";
    let web = host(config, "web").await;
    assert_eq!(
        (web.alias.as_str(), web.host_name.as_str()),
        ("web", "web.example.com")
    );
    assert_eq!(
        (web.port, web.user.as_str(), web.identities_only),
        (2200, "al", true)
    );
    assert_eq!(
        web.identity_files,
        [PathBuf::from("/keys/a"), PathBuf::from("/keys/my key")]
    );
    assert!(web.identity_files_explicit);
    assert_eq!(web.identity_agent, IdentityAgent::None);
    assert_eq!(web.certificate_files, [PathBuf::from("/keys/a-cert.pub")]);
    assert_eq!(
        web.strict_host_key_checking,
        StrictHostKeyChecking::AcceptNew
    );
    assert_eq!(web.connect_timeout, Some(Duration::from_secs(7)));
    let time = Some(Duration::from_secs(60));
    assert_eq!(
        web.rekey_limit,
        RekeyLimit {
            bytes: Some(1024),
            time
        }
    );
    assert_eq!(
        web.set_env,
        [("A".into(), "b c".into()), ("D".into(), "e".into())]
    );
    assert_eq!(web.send_env, ["X", "Y*"]);
    assert_eq!(web.host_key_alias.as_deref(), Some("gate"));
    assert_eq!(web.bind_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(
        (web.address_family, web.compression),
        (AddressFamily::Inet, true)
    );
    let refused = web.require_supported().unwrap_err().to_string();
    assert!(refused.contains("CertificateFile"), "{refused}");
}

#[tokio::test]
async fn an_unknown_alias_passes_through_with_the_defaults_of_open_ssh() {
    let other = host("Host web\n Port 2200\n", "Other.Example:2022").await;
    assert_eq!(
        (other.alias.as_str(), other.host_name.as_str()),
        ("Other.Example", "other.example")
    );
    assert_eq!(other.port, 2022);
    assert_eq!(other.strict_host_key_checking, StrictHostKeyChecking::Ask);
    assert!(!other.identity_files.is_empty() && !other.identity_files_explicit);
    assert!(other.identity_files.iter().all(|path| path.is_absolute()));
    let lists = [
        &other.host_key_algorithms,
        &other.kex_algorithms,
        &other.ciphers,
        &other.macs,
    ];
    for list in lists {
        assert!(!list.names.is_empty() && !list.explicit, "{list:?}");
    }
    assert_eq!(
        (other.proxy_jump.as_ref(), other.unsupported()),
        (None, None)
    );
    let address = host("", "[::1]:22").await;
    assert_eq!((address.host_name.as_str(), address.port), ("::1", 22));
}

#[tokio::test]
async fn parameters_win_over_the_target_and_both_over_the_config() {
    let fixture =
        Fixture::new("Host web\n User config\n Port 1\n IdentityFile /keys/a\n ProxyJump gate\n");
    let config = fixture.resolve("web").await.unwrap();
    assert_eq!((config.user.as_str(), config.port), ("config", 1));
    assert_eq!(config.unsupported().unwrap().option, "ProxyJump");
    let target = fixture.resolve("al:ias\\x@web:2").await.unwrap();
    assert_eq!((target.user.as_str(), target.port), ("al:ias\\x", 2));
    let mut both = request("target@web:2");
    both.username = Some("parameter".to_owned());
    both.port = Some(3);
    both.private_key_path = Some("/keys/b".into());
    both.proxy_jump = Some("none".to_owned());
    let both = fixture.resolver.resolve(&both).await.unwrap();
    assert_eq!((both.user.as_str(), both.port), ("parameter", 3));
    assert_eq!(both.identity_files, [PathBuf::from("/keys/b")]);
    assert_eq!((both.proxy_jump.as_ref(), both.unsupported()), (None, None));
}

#[tokio::test]
async fn a_match_block_sees_the_parameters() {
    let config = "Match user al\n HostKeyAlias for-al\nMatch originalhost web\n SetEnv P=web\n";
    let web = host(config, "al@web").await;
    assert_eq!(web.host_key_alias.as_deref(), Some("for-al"));
    assert_eq!(web.set_env, [("P".to_owned(), "web".to_owned())]);
}

#[tokio::test]
async fn included_files_are_read() {
    let fixture = Fixture::new("Include DIR/more/*.conf\nHost *\n Port 2\n");
    fs::create_dir(fixture.path("more")).unwrap();
    fs::write(fixture.path("more/a.conf"), "Host web\n Port 1\n").unwrap();
    assert_eq!(fixture.resolve("web").await.unwrap().port, 1);
    assert_eq!(fixture.resolve("other").await.unwrap().port, 2);
}

#[tokio::test]
async fn known_hosts_files_are_expanded_by_ssh_and_may_be_none() {
    let config =
        "UserKnownHostsFile /kh/one ~/kh/%h_%p_%C\nGlobalKnownHostsFile none\nHashKnownHosts yes\n";
    let web = host(config, "web:2200").await;
    assert_eq!(web.user_known_hosts_files.len(), 2);
    assert_eq!(web.user_known_hosts_files[0], PathBuf::from("/kh/one"));
    assert!(web.user_known_hosts_files[1].is_absolute());
    assert!(
        web.user_known_hosts_files[1]
            .to_string_lossy()
            .contains("/kh/web_2200_")
    );
    assert!(web.global_known_hosts_files.is_empty() && web.hash_known_hosts);
    let none = host("UserKnownHostsFile none\n", "web").await;
    assert!(none.user_known_hosts_files.is_empty());
    assert!(!none.global_known_hosts_files.is_empty());
    let blank = Fixture::new("UserKnownHostsFile \"/kh/with blank\"\n")
        .resolve("web")
        .await;
    assert_eq!(blank.unwrap_err().code(), ErrorCode::ConfigError);
}

/// `ssh -G` prints IdentityFile unexpanded and UserKnownHostsFile expanded. With the same text in both, this
/// program's expansion must equal the expansion by `ssh`.
#[tokio::test]
async fn paths_of_keys_expand_as_ssh_would() {
    for text in [
        "~/k",
        "%d/k",
        "/k/%h_%n_%p_%r_%k",
        "/k/%C",
        "/k/%i_%l_%L_%u",
        "/k/%%h",
        "${PATH}/k",
        "~//k",
    ] {
        let options =
            format!("UserKnownHostsFile {text}\nIdentityFile {text}\nCertificateFile {text}\n");
        let config = format!("ControlPath /c/%r\nHostName h.example\nHostKeyAlias K\n{options}");
        let web = host(&config, "al@web:2200").await;
        let expected: PathBuf = web.user_known_hosts_files[0].components().collect();
        for paths in [&web.identity_files, &web.certificate_files] {
            let path: PathBuf = paths[0].components().collect();
            assert_eq!(path, expected, "{text}");
        }
    }
    let none = host("IdentityFile none\n", "web").await;
    assert!(none.identity_files.is_empty() && none.identity_files_explicit);
}

#[tokio::test]
async fn host_key_algorithms_that_were_only_edited_are_not_explicit() {
    let first = |list: &AlgorithmList| list.names[0].clone();
    let cases = [
        ("+ssh-rsa", false),
        ("-ssh-ed25519,rsa-*", false),
        ("^rsa-sha2-256", true),
        ("rsa-sha2-256,ssh-ed25519", true),
    ];
    for (value, explicit) in cases {
        let algorithms = host(&format!("HostKeyAlgorithms {value}\n"), "web")
            .await
            .host_key_algorithms;
        assert_eq!(algorithms.explicit, explicit, "{value}");
        assert_eq!(explicit, first(&algorithms) == "rsa-sha2-256", "{value}");
    }
    let ciphers = host("Ciphers aes256-ctr\n", "web").await.ciphers;
    assert!(ciphers.explicit);
    assert_eq!(ciphers.names, ["aes256-ctr"]);
}

#[tokio::test]
async fn unsupported_options_are_reported_beside_all_other_settings() {
    let config = "Port 2200\nProxyCommand nc %h %p\nKnownHostsCommand /bin/x\nRemoteCommand sudo -i\n\
                  ForwardAgent yes\nLocalForward 8080 localhost:80\n";
    let web = host(config, "web").await;
    let options: Vec<_> = web
        .unsupported_options
        .iter()
        .map(|option| option.option)
        .collect();
    assert_eq!(options.len(), 3);
    for option in ["ProxyCommand", "KnownHostsCommand", "RemoteCommand"] {
        assert!(options.contains(&option), "{options:?}");
    }
    assert_eq!(
        (web.port, web.proxy_command.as_deref()),
        (2200, Some("nc %h %p"))
    );
    assert!(
        web.notes.iter().any(|note| note.contains("ForwardAgent")),
        "{:?}",
        web.notes
    );
    assert!(
        web.notes.iter().any(|note| note.contains("LocalForward")),
        "{:?}",
        web.notes
    );
    let error = web.require_supported().unwrap_err();
    assert_eq!(
        (error.code(), error.is_transient()),
        (ErrorCode::ConfigError, false)
    );
}

#[tokio::test]
async fn every_option_that_this_ssh_prints_is_known() {
    let defaults = Fixture::new("").resolver.read_defaults().await.unwrap();
    let unknown: Vec<_> = defaults
        .iter()
        .filter(|(keyword, _)| !options::is_known(keyword))
        .collect();
    assert!(defaults.iter().count() > 50);
    assert!(unknown.is_empty(), "{unknown:?}");
}
