//! The local paths that a transfer may touch. A model decides about transfers, so some files are out of reach.
//!
//! Transfers do not write files that run code at the next login or give a program other tools: `~/.ssh`, the
//! store, start-up files of shells and desktops, configuration files of MCP clients ([`protected`]). Transfers do
//! not read private keys ([`is_private_key`]). Links are resolved before paths are compared.

mod private_key;
mod protected;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

pub use self::private_key::{KEY_HEAD_BYTES, is_private_key};
use self::protected::{CLIENTS, CLIENTS_ANYWHERE, MACHINE, SSH_PUBLIC, STARTUP};

const CLIENT_FILES: &str = "configurations of MCP clients";

/// A local path that a transfer must not use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("local {path:?}: {reason}")]
pub struct PathRefusal {
    /// The path.
    pub path: String,
    /// The rule that refuses the path, and the next step for the user.
    pub reason: String,
}

impl PathRefusal {
    fn new(path: &str, reason: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The rules of this process.
#[derive(Debug, Clone, Default)]
pub struct LocalPolicy {
    home: Option<PathBuf>,
    store: Option<PathBuf>,
    roots: Vec<PathBuf>,
    refuses_relative: bool,
}

impl LocalPolicy {
    /// Rules for a home directory and a store, without bounds on directories.
    pub fn new(home: Option<PathBuf>, store: Option<PathBuf>) -> Self {
        Self {
            home,
            store,
            roots: Vec::new(),
            refuses_relative: false,
        }
    }

    /// Keeps transfers below these directories; an empty list sets no bound.
    #[must_use]
    pub fn with_roots(mut self, roots: Vec<PathBuf>) -> Self {
        self.roots = roots;
        self
    }

    /// Refuses relative paths: a daemon's working directory means nothing to its clients.
    #[must_use]
    pub fn without_relative_paths(mut self) -> Self {
        self.refuses_relative = true;
        self
    }

    /// The path that a parameter of a tool means. A leading `~` stands for the home directory.
    pub fn expand(&self, given: &str) -> Result<PathBuf, PathRefusal> {
        if given.is_empty() {
            return Err(PathRefusal::new(given, "the path is empty"));
        }
        if given.contains('\0') {
            return Err(PathRefusal::new(given, "a path cannot hold a NUL byte"));
        }
        let rest = match given {
            "~" => Some(""),
            _ => given.strip_prefix("~/"),
        };
        if let Some(rest) = rest {
            let home = self.home.as_ref().ok_or_else(|| {
                PathRefusal::new(
                    given,
                    "HOME is not set, so ~ means nothing; give the whole path",
                )
            })?;
            return Ok(home.join(rest));
        }
        let path = PathBuf::from(given);
        if path.is_relative() && self.refuses_relative {
            let reason = "the server has no working directory of yours; give the whole path, or begin with ~/";
            return Err(PathRefusal::new(given, reason));
        }
        Ok(path)
    }

    /// Checks that a transfer may write this path, whose directory is resolved.
    pub fn check_target(&self, path: &Path) -> Result<(), PathRefusal> {
        let rules = self.rules();
        rules.check(path)?;
        // The path may be a link: its destination is checked too.
        rules.check(&resolved(path))
    }

    /// The rules with their links resolved once, to check many paths.
    pub fn rules(&self) -> Rules {
        let mut protected = Vec::new();
        let mut add = |path: PathBuf, kind| {
            protected.push((resolved(&path), kind));
            protected.push((path, kind));
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

/// The rules with links resolved; a check does not look at the disk again.
#[derive(Debug)]
pub struct Rules {
    protected: Vec<(PathBuf, &'static str)>,
    ssh: Option<PathBuf>,
    store: Option<PathBuf>,
    roots: Vec<PathBuf>,
}

impl Rules {
    /// Checks that a transfer may read this path, whose links are resolved.
    pub fn check_source(&self, path: &Path) -> Result<(), PathRefusal> {
        self.check_roots(path)?;
        let is_public = |name: &OsStr| {
            name.as_bytes().ends_with(b".pub") || SSH_PUBLIC.iter().any(|public| name == *public)
        };
        let secret = self.ssh.as_ref().is_some_and(|ssh| path.starts_with(ssh))
            && path.file_name().is_some_and(|name| !is_public(name))
            && !path.is_dir();
        if secret {
            let reason =
                "files of ~/.ssh are not uploaded, except public keys, config and known_hosts";
            return Err(PathRefusal::new(&shown(path), reason));
        }
        Ok(())
    }

    /// Checks that a transfer may write this path, whose links are resolved.
    pub fn check(&self, path: &Path) -> Result<(), PathRefusal> {
        self.check_roots(path)?;
        match self.protection_of(path) {
            None => Ok(()),
            Some(kind) => {
                let reason = format!(
                    "{kind} are not written by transfers; choose another path, the user can move the file"
                );
                Err(PathRefusal::new(&shown(path), reason))
            }
        }
    }

    /// The kind of protected file that the path belongs to.
    fn protection_of(&self, path: &Path) -> Option<&'static str> {
        let covering = |(base, _): &&(PathBuf, &str)| starts_with(path, base);
        if let Some((_, kind)) = self.protected.iter().find(covering) {
            return Some(kind);
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

    fn check_roots(&self, path: &Path) -> Result<(), PathRefusal> {
        let is_below = |root: &PathBuf| path.starts_with(root);
        if self.roots.is_empty() || self.roots.iter().any(is_below) {
            return Ok(());
        }
        let roots: Vec<_> = self.roots.iter().map(|root| shown(root)).collect();
        let reason = format!(
            "transfers stay below {} (--local-root)",
            roots.join(" and ")
        );
        Err(PathRefusal::new(&shown(path), reason))
    }
}

#[cfg(not(target_os = "macos"))]
fn starts_with(path: &Path, base: &Path) -> bool {
    path.starts_with(base)
}

/// Ignores case, as most file systems of macOS do.
#[cfg(target_os = "macos")]
fn starts_with(path: &Path, base: &Path) -> bool {
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    lower(path).starts_with(lower(base))
}

/// Whether a path is the store, its lock or a temporary file of the store: those begin with the store's name.
fn is_beside(store: &Path, path: &Path) -> bool {
    let (Some(name), Some(other)) = (store.file_name(), path.file_name()) else {
        return false;
    };
    let begins = other.as_bytes().starts_with(name.as_bytes());
    begins && path.parent() == store.parent()
}

/// A path with the links of its existing part resolved.
pub fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => resolved(parent).join(name),
        // A component that does not exist is no link, so `..` leads to the parent as written.
        (Some(parent), Some(Component::ParentDir)) => {
            let mut above = resolved(parent);
            above.pop();
            above
        }
        _ => path.to_owned(),
    }
}

/// A path as text for messages.
pub fn shown(path: &Path) -> String {
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
    fn files_that_run_code_or_add_tools_are_not_written() {
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
