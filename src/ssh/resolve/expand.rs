//! Expansion of `~`, `%` tokens and `${VARIABLE}` in paths that `ssh -G` prints unexpanded.

use crate::ssh::resolve::ResolveError;
use crate::ssh::resolve::settings::{Settings, bad_value};
use crate::ssh::target::Target;
use std::path::{Path, PathBuf};

/// A `ControlPath` for `ssh -G`, which prints the path expanded. The expanded path tells the home directory of
/// the password database and the tokens `%C`, `%i`, `%l`, `%L` and `%u`, which only `ssh` can compute.
pub(super) const PROBE: &str = "~/.mcp-ssh-sessions-probe/%C/%i/%l/%L/%u";
/// The constant part of [`PROBE`].
const PROBE_MARK: &str = "/.mcp-ssh-sessions-probe/";
/// Tokens in the order of [`PROBE`].
const PROBE_TOKENS: [char; 5] = ['C', 'i', 'l', 'L', 'u'];

/// The values of `~` and of the tokens for a host.
#[derive(Debug)]
pub(super) struct Expansion {
    /// The value of `~` and `%d`. Empty for the root directory; `None` if neither `ssh` nor the environment
    /// names a home directory.
    home: Option<String>,
    values: Vec<(char, String)>,
}

impl Expansion {
    /// The values for the host `alias`, from the output of `ssh -G`.
    pub(super) fn new(settings: &Settings, alias: &str) -> Self {
        let value = |option| settings.first(option).unwrap_or_default().to_owned();
        let key_alias = settings.first("hostkeyalias").unwrap_or(alias).to_owned();
        let mut values = vec![
            ('h', value("hostname")),
            ('n', alias.to_owned()),
            ('k', key_alias),
            ('p', value("port")),
            ('r', value("user")),
            ('j', jump_host(settings)),
        ];
        let probe = settings
            .first("controlpath")
            .and_then(|path| path.split_once(PROBE_MARK));
        let home = match probe {
            Some((home, tokens)) => {
                values.extend(
                    PROBE_TOKENS
                        .into_iter()
                        .zip(tokens.splitn(5, '/').map(str::to_owned)),
                );
                Some(home.to_owned())
            }
            None => std::env::home_dir().and_then(|home| home.into_os_string().into_string().ok()),
        };
        values.extend(home.clone().map(|home| ('d', home)));
        Self { home, values }
    }

    /// The directory that `~` stands for.
    pub(super) fn home(&self) -> Option<&Path> {
        let home = self.home.as_deref()?;
        Some(Path::new(if home.is_empty() { "/" } else { home }))
    }

    /// Expands a leading `~`. `~user` is kept, because its expansion needs the password database.
    pub(super) fn tilde(&self, path: &str) -> PathBuf {
        tilde_path(Path::new(path), self.home())
    }

    /// Expands `~`, tokens and variables as OpenSSH does for paths of keys and certificates.
    pub(super) fn path(
        &self,
        option: &'static str,
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<PathBuf, ResolveError> {
        let fail = |why: String| bad_value(option, text, why);
        let (mut expanded, mut rest) = match (text.strip_prefix("~/"), &self.home) {
            (Some(below), Some(home)) => (format!("{home}/"), below.trim_start_matches('/')),
            _ => (String::new(), text),
        };
        while let Some(at) = rest.find(['%', '$']) {
            expanded.push_str(&rest[..at]);
            let (value, after) = self.next_value(&rest[at..], variable).map_err(fail)?;
            expanded.push_str(&value);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(PathBuf::from(expanded))
    }

    /// The value of the token or variable at the start of `text`, and the text behind that token.
    fn next_value<'a>(
        &self,
        text: &'a str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(String, &'a str), String> {
        if let Some(inside) = text.strip_prefix("${") {
            let (name, after) = inside.split_once('}').ok_or("'${' is not closed by '}'")?;
            let unset = || format!("the environment variable {name} is not set");
            return Ok((variable(name).ok_or_else(unset)?, after));
        }
        let Some(token) = text.strip_prefix('%') else {
            return Ok(("$".to_owned(), &text[1..]));
        };
        let name = token.chars().next().ok_or("a single '%' at its end")?;
        let after = &token[name.len_utf8()..];
        if name == '%' {
            return Ok(("%".to_owned(), after));
        }
        match self.values.iter().find(|(token, _)| *token == name) {
            Some((_, value)) => Ok((value.clone(), after)),
            None => Err(format!("%{name} is not a token that this program knows")),
        }
    }
}

/// `path` with a leading `~` replaced by `home`.
pub(super) fn tilde_path(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

/// The value of `%j`: the host of the last jump, or an empty text.
fn jump_host(settings: &Settings) -> String {
    let last = settings
        .set("proxyjump")
        .and_then(|jumps| jumps.rsplit(',').next());
    last.and_then(|hop| Target::parse(hop).ok())
        .map(|hop| hop.host)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion() -> Expansion {
        let output = "user al\nhostname web.example\nport 2200\nproxyjump a,u@gate:2222\n\
                      controlpath /home/al/.mcp-ssh-sessions-probe/c0ffee/1000/pc.lan/pc/al\n";
        Expansion::new(&Settings::parse(output), "web")
    }

    fn variable(name: &str) -> Option<String> {
        (name == "KEYS").then(|| "/keys".to_owned())
    }

    #[test]
    fn paths_expand_as_in_ssh_config() {
        let cases = [
            ("~/.ssh/id", "/home/al/.ssh/id"),
            ("~//x", "/home/al/x"),
            ("~bob/x", "~bob/x"),
            ("/a~/b", "/a~/b"),
            (
                "%d/%h_%n_%k_%p_%r_%j",
                "/home/al/web.example_web_web_2200_al_gate",
            ),
            ("/k/%C/%i/%l/%L/%u", "/k/c0ffee/1000/pc.lan/pc/al"),
            ("${KEYS}/a%%h", "/keys/a%h"),
            ("/a$b/c$", "/a$b/c$"),
            ("/with blank/é%%", "/with blank/é%"),
        ];
        for (text, expected) in cases {
            let path = expansion().path("IdentityFile", text, &variable).unwrap();
            assert_eq!(path, PathBuf::from(expected), "{text}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_expanded_is_an_error_with_the_reason() {
        let cases = [
            ("/a/%Z", "%Z is not a token"),
            ("/a/%", "at its end"),
            ("/a/%é", "%é is not a token"),
            ("${NONE}/x", "variable NONE is not set"),
            ("${KEYS", "not closed"),
        ];
        for (text, expected) in cases {
            let error = expansion()
                .path("IdentityFile", text, &variable)
                .unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let output =
            "user %h\nhostname x\nport 22\ncontrolpath /h/.mcp-ssh-sessions-probe/a/b/c/d/e\n";
        let expansion = Expansion::new(&Settings::parse(output), "x");
        let path = expansion.path("IdentityFile", "/k/%r", &variable).unwrap();
        assert_eq!(path, PathBuf::from("/k/%h"));
    }
}
