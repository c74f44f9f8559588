//! Which local paths a transfer may touch: a model decides what is copied, so some files are out of its reach.
//!
//! Nothing is written that would run code at the next login or give a program other tools: `~/.ssh`, the store,
//! start-up files of shells and desktops, configurations of MCP clients. Private keys are not read. Links are
//! resolved before anything is compared.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::TransferError;

/// Start-up files below the home directory; a directory stands for all that is in it.
const STARTUP: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".logout",
    ".inputrc",
    ".pam_environment",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".xsessionrc",
    ".config/fish",
    ".config/autostart",
    ".config/environment.d",
    ".config/systemd/user",
    "Library/LaunchAgents",
];

/// Configurations of MCP clients below the home directory.
const CLIENTS: &[&str] = &[
    ".claude",
    ".claude.json",
    ".config/Claude",
    ".config/claude",
    "Library/Application Support/Claude",
    ".codex",
    ".cursor",
    ".codeium",
    ".gemini",
    ".continue",
    ".config/Code/User/mcp.json",
    ".config/Code/User/settings.json",
    "Library/Application Support/Code/User/mcp.json",
    "Library/Application Support/Code/User/settings.json",
    ".config/goose",
    ".config/opencode",
    ".config/zed",
];

/// Names that make a client of this directory load tools, wherever they stand: the last parts of a path.
const CLIENTS_ANYWHERE: &[&str] = &[
    ".mcp.json",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
    ".claude/settings.json",
    ".claude/settings.local.json",
    "claude_desktop_config.json",
    "mcp_config.json",
    "cline_mcp_settings.json",
];

/// Where jobs of the machine are kept.
const MACHINE: &[&str] = &[
    "/var/spool/cron",
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/profile",
    "/etc/profile.d",
];

const CLIENT_FILES: &str = "configurations of MCP clients";

/// How private keys begin.
const KEY_HEADS: &[&[u8]] = &[b"PuTTY-User-Key-File-", b"SSH PRIVATE KEY FILE FORMAT"];
/// Bytes in which the head of a key stands.
pub(super) const KEY_HEAD_BYTES: usize = 128;

/// The rules of one process.
#[derive(Debug, Clone, Default)]
pub struct LocalPolicy {
    home: Option<PathBuf>,
    store: Option<PathBuf>,
    roots: Vec<PathBuf>,
    refuses_relative: bool,
}

impl LocalPolicy {
    /// The rules for a home directory and a store.
    pub fn new(home: Option<PathBuf>, store: Option<PathBuf>) -> Self {
        Self {
            home,
            store,
            roots: Vec::new(),
            refuses_relative: false,
        }
    }

    /// Transfers stay below these directories; none means that there is no such bound.
    #[must_use]
    pub fn with_roots(mut self, roots: Vec<PathBuf>) -> Self {
        self.roots = roots;
        self
    }

    /// Relative paths are refused: a daemon's working directory means nothing to its clients.
    #[must_use]
    pub fn without_relative_paths(mut self) -> Self {
        self.refuses_relative = true;
        self
    }

    /// The path that a parameter means: `~` is the home directory.
    pub(super) fn expand(&self, given: &str) -> Result<PathBuf, TransferError> {
        if given.is_empty() {
            return Err(TransferError::local(given, "the path is empty"));
        }
        if given.contains('\0') {
            return Err(TransferError::local(given, "a path cannot hold a NUL byte"));
        }
        let rest = match given {
            "~" => Some(""),
            _ => given.strip_prefix("~/"),
        };
        if let Some(rest) = rest {
            let home = self.home.as_ref().ok_or_else(|| {
                TransferError::local(
                    given,
                    "HOME is not set, so ~ means nothing; give the whole path",
                )
            })?;
            return Ok(home.join(rest));
        }
        let path = PathBuf::from(given);
        if path.is_relative() && self.refuses_relative {
            let reason = "the server has no working directory of yours; give the whole path, or begin with ~/";
            return Err(TransferError::local(given, reason));
        }
        Ok(path)
    }

    /// Whether this path, whose directory is resolved, may be written.
    pub(super) fn check_target(&self, path: &Path) -> Result<(), TransferError> {
        let rules = self.rules();
        rules.check(path)?;
        // What a link in the way leads to counts too.
        rules.check(&resolved(path))
    }

    /// The rules with their links resolved, for many paths.
    pub(super) fn rules(&self) -> Rules {
        let mut protected = Vec::new();
        let mut add = |path: PathBuf, what| {
            protected.push((resolved(&path), what));
            protected.push((path, what));
        };
        if let Some(home) = &self.home {
            add(home.join(".ssh"), "files of ~/.ssh");
            for name in STARTUP {
                add(home.join(name), "start-up files");
            }
            for name in CLIENTS {
                add(home.join(name), CLIENT_FILES);
            }
        }
        for name in MACHINE {
            add(
                PathBuf::from(name),
                "jobs and start-up files of the machine",
            );
        }
        Rules {
            protected,
            ssh: self.home.as_ref().map(|home| resolved(&home.join(".ssh"))),
            store: self.store.as_deref().map(resolved),
            roots: self.roots.iter().map(|root| resolved(root)).collect(),
        }
    }
}

/// The rules of a moment: nothing is looked up on the disk any more.
#[derive(Debug)]
pub(super) struct Rules {
    protected: Vec<(PathBuf, &'static str)>,
    /// `~/.ssh`.
    ssh: Option<PathBuf>,
    store: Option<PathBuf>,
    roots: Vec<PathBuf>,
}

impl Rules {
    /// Whether this path, whose links are resolved, may be read.
    pub(super) fn check_source(&self, path: &Path) -> Result<(), TransferError> {
        self.check_roots(path)?;
        let is_public = |name: &OsStr| {
            name.as_bytes().ends_with(b".pub")
                || matches!(
                    name.as_bytes(),
                    b"config" | b"known_hosts" | b"authorized_keys"
                )
        };
        let secret = self.ssh.as_ref().is_some_and(|ssh| path.starts_with(ssh))
            && path.file_name().is_some_and(|name| !is_public(name))
            && !path.is_dir();
        if secret {
            let reason =
                "files of ~/.ssh are not uploaded, except public keys, config and known_hosts";
            return Err(TransferError::local(&shown(path), reason));
        }
        Ok(())
    }

    /// Whether this path, whose links are resolved, may be written.
    pub(super) fn check(&self, path: &Path) -> Result<(), TransferError> {
        self.check_roots(path)?;
        match self.reason(path) {
            None => Ok(()),
            Some(what) => {
                let reason = format!(
                    "{what} are not written by transfers; choose another path, the user can move the file"
                );
                Err(TransferError::local(&shown(path), reason))
            }
        }
    }

    fn reason(&self, path: &Path) -> Option<&'static str> {
        let covering = |(base, _): &&(PathBuf, &str)| starts_with(path, base);
        if let Some((_, what)) = self.protected.iter().find(covering) {
            return Some(what);
        }
        if self
            .store
            .as_ref()
            .is_some_and(|store| is_beside(store, path))
        {
            return Some("the files of the session store");
        }
        let anywhere = CLIENTS_ANYWHERE.iter().any(|name| path.ends_with(name));
        anywhere.then_some(CLIENT_FILES)
    }

    fn check_roots(&self, path: &Path) -> Result<(), TransferError> {
        let is_below = |root: &PathBuf| path.starts_with(root);
        if self.roots.is_empty() || self.roots.iter().any(is_below) {
            return Ok(());
        }
        let roots: Vec<_> = self.roots.iter().map(|root| shown(root)).collect();
        let reason = format!(
            "transfers stay below {} (--local-root)",
            roots.join(" and ")
        );
        Err(TransferError::local(&shown(path), reason))
    }
}

/// Whether the beginning of a file is that of a private key.
pub(super) fn is_private_key(head: &[u8]) -> bool {
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty() && *line != b"\xef\xbb\xbf");
    let line = line.unwrap_or_default().trim_ascii();
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let is_pem = line.starts_with(b"-----BEGIN ")
        && line
            .windows(PEM_WORDS.len())
            .any(|window| window == PEM_WORDS);
    let is_ssh2 = line.starts_with(b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY");
    is_pem || is_ssh2 || KEY_HEADS.iter().any(|key| line.starts_with(key))
}

const PEM_WORDS: &[u8] = b"PRIVATE KEY-----";

#[cfg(not(target_os = "macos"))]
fn starts_with(path: &Path, base: &Path) -> bool {
    path.starts_with(base)
}

/// File systems there usually ignore case.
#[cfg(target_os = "macos")]
fn starts_with(path: &Path, base: &Path) -> bool {
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    lower(path).starts_with(lower(base))
}

/// The store's lock and temporary files stand beside it and begin with its name.
fn is_beside(store: &Path, path: &Path) -> bool {
    let (Some(name), Some(other)) = (store.file_name(), path.file_name()) else {
        return false;
    };
    let begins = other.as_bytes().starts_with(name.as_bytes());
    begins && path.parent() == store.parent()
}

/// A path with its links resolved as far as it exists.
pub(super) fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => resolved(parent).join(name),
        // What does not exist is no link, so that its parent is the one that is written.
        (Some(parent), Some(Component::ParentDir)) => {
            let mut above = resolved(parent);
            above.pop();
            above
        }
        _ => path.to_owned(),
    }
}

/// A path for a message.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(home: &Path) -> LocalPolicy {
        LocalPolicy::new(
            Some(home.to_owned()),
            Some(home.join(".ssh-mcp-sessions.json")),
        )
    }

    #[test]
    fn what_would_run_code_or_add_tools_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir(home.join(".ssh")).unwrap();
        std::fs::write(home.join("dot-bashrc"), "").unwrap();
        std::os::unix::fs::symlink(home.join("dot-bashrc"), home.join(".bashrc")).unwrap();
        std::os::unix::fs::symlink(home.join(".ssh"), home.join("innocent")).unwrap();
        let policy = policy(&home);
        let refused = [
            ".ssh/authorized_keys",
            ".ssh/new/x",
            ".bashrc",
            "dot-bashrc",
            "innocent",
            ".zshenv",
            ".config/fish/config.fish",
            ".claude.json",
            ".cursor/mcp.json",
            "project/.mcp.json",
            "project/.vscode/mcp.json",
            ".ssh-mcp-sessions.json",
            ".ssh-mcp-sessions.json.lock",
        ];
        for name in refused {
            let path = home.join(name);
            assert!(policy.check_target(&path).is_err(), "{name}");
        }
        let detour = home.join("none/../.ssh/x");
        assert_eq!(resolved(&detour), home.join(".ssh/x"));
        assert_eq!(
            resolved(&home.join("a/../../b/./c")),
            home.parent().unwrap().join("b/c")
        );
        for name in ["notes.txt", "project/mcp.json", "ssh", ".sshd/x", "bashrc"] {
            assert_eq!(policy.check_target(&home.join(name)), Ok(()), "{name}");
        }
        assert!(policy.check_target(Path::new("/etc/cron.d/x")).is_err());
    }

    #[test]
    fn roots_bound_both_directions() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().canonicalize().unwrap();
        let policy = LocalPolicy::new(None, None).with_roots(vec![inside.clone()]);
        assert_eq!(policy.check_target(&inside.join("x")), Ok(()));
        assert!(policy.check_target(Path::new("/somewhere/x")).is_err());
        assert!(
            policy
                .rules()
                .check_source(Path::new("/etc/hostname"))
                .is_err()
        );
    }

    #[test]
    fn private_keys_are_known_by_their_beginning() {
        let keys: [&[u8]; 7] = [
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
            b"\n  -----BEGIN PRIVATE KEY-----\r\n",
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
            b"PuTTY-User-Key-File-3: ssh-ed25519",
            b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            b"\xef\xbb\xbf-----BEGIN EC PRIVATE KEY-----\n",
        ];
        for key in keys {
            assert!(is_private_key(key), "{}", String::from_utf8_lossy(key));
        }
        let others: [&[u8]; 4] = [
            b"",
            b"ssh-ed25519 AAAA me@here",
            b"-----BEGIN CERTIFICATE-----\n",
            b"how to make a -----BEGIN PRIVATE KEY----- line\n",
        ];
        for other in others {
            assert!(!is_private_key(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_home_and_nothing_else_is_expanded() {
        let policy = policy(Path::new("/home/me"));
        assert_eq!(policy.expand("~/a b").unwrap(), Path::new("/home/me/a b"));
        assert_eq!(policy.expand("~x/y").unwrap(), Path::new("~x/y"));
        assert_eq!(policy.expand("-x").unwrap(), Path::new("-x"));
        assert!(policy.expand("").is_err());
        assert!(policy.expand("a\0b").is_err());
        assert!(policy.without_relative_paths().expand("x").is_err());
    }
}
