//! Parsing and checking the `host` of a call: an alias, a name or an address, with or without user and port.
//!
//! Host and user names follow the rules of OpenSSH's command line, because `Match exec` passes both to a
//! shell. Host names have further rules: no characters with a meaning in known_hosts, no `%`, and no path
//! that leads out of a directory, because `UserKnownHostsFile` may contain the host name.

use crate::limits::TARGET_MAX_BYTES;
use crate::ssh::peer_text::in_quotes;
use crate::text::is_unseen;
use std::fmt;
use std::net::Ipv6Addr;

/// Characters that OpenSSH refuses in a host name, followed by characters with a meaning in known_hosts and
/// the start of a token.
const HOST_REFUSED: &str = "'`\"$\\;&<>|(){},*?!#@[]%";
/// Characters that OpenSSH refuses in a user name. A backslash separates domain and user, and is refused only
/// at the end.
const USER_REFUSED: &str = "'`\";&<>|(){}";

/// The parts of a requested host. The configuration determines absent parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Alias, host name or address. An IPv6 address has no brackets.
    pub host: String,
    /// Port, if one was given with the host.
    pub port: Option<u16>,
    /// User name, if one was given with the host.
    pub username: Option<String>,
}

/// The part of a target that an error refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetPart {
    /// The host: alias, name or address.
    Host,
    /// The user name.
    Username,
}

impl fmt::Display for TargetPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Username => "user name",
        })
    }
}

/// The reason why a target was refused. Nothing has been read, run or written.
///
/// Quoted values are truncated and have their control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A part is empty, for example before `@`.
    #[error(
        "the {0} is empty; write an alias of ssh_config, host, user@host, host:port or [v6]:port"
    )]
    Empty(TargetPart),
    /// The text is longer than [`TARGET_MAX_BYTES`].
    #[error("the {part} has {bytes} bytes, at most {TARGET_MAX_BYTES} are allowed")]
    TooLong {
        /// The part that is too long.
        part: TargetPart,
        /// The length of the part.
        bytes: usize,
    },
    /// A part that `ssh` would read as an option.
    #[error("the {part} {value} starts with '-', so ssh would read the {part} as an option")]
    LeadingDash {
        /// The part with the dash.
        part: TargetPart,
        /// The part, quoted.
        value: String,
    },
    /// A character that OpenSSH or this program refuses in that part.
    #[error("the {part} {value} contains {character}, which is not allowed in a {part}")]
    Character {
        /// The part with the character.
        part: TargetPart,
        /// The part, quoted.
        value: String,
        /// The character, quoted.
        character: String,
    },
    /// A host that would lead out of a directory if used in a path.
    #[error(
        "the host {0} looks like a path; a host must not start with '/' or have '..' as a path segment"
    )]
    Path(String),
    /// An invalid port.
    #[error("{0} is not a port; a port is a number from 1 to 65535")]
    Port(String),
    /// Colons or brackets that form neither an address nor a port.
    #[error("{0} is not an IPv6 address; write ::1, or [::1]:22 with a port")]
    Address(String),
    /// A URL with another scheme than `ssh`, or with more parts than user, host and port.
    #[error("{value}: {why}; write ssh://user@host:port")]
    Url {
        /// The URL, quoted, without parts that may be secret.
        value: String,
        /// The reason.
        why: &'static str,
    },
}

impl Target {
    /// Splits `text` into its parts and checks each part by the rules of this module.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        check_length(TargetPart::Host, text)?;
        let target = match text.split_once("://") {
            Some(("ssh", authority)) => parse_url(authority)?,
            Some((scheme, _)) => return Err(url_error(scheme, "only ssh:// is a URL of a host")),
            None => parse_plain(text)?,
        };
        target.check()?;
        Ok(target)
    }

    /// Checks a target that was not created by [`Target::parse`], for example the target of a saved session.
    pub fn check(&self) -> Result<(), TargetError> {
        check_host(&self.host)?;
        check_port(self.port)?;
        self.username.as_deref().map_or(Ok(()), check_username)
    }
}

/// Refuses host names that OpenSSH refuses, and host names that are unsafe in known_hosts or in a path.
pub fn check_host(host: &str) -> Result<(), TargetError> {
    check_edges(TargetPart::Host, host)?;
    if host.contains(':') {
        return check_v6(host);
    }
    refuse_characters(TargetPart::Host, host, |character| {
        HOST_REFUSED.contains(character) || character.is_whitespace()
    })?;
    if host.starts_with('/') || host.split('/').any(|segment| segment == "..") {
        return Err(TargetError::Path(in_quotes(host)));
    }
    Ok(())
}

/// Refuses user names that OpenSSH refuses on its command line.
///
/// Domain users (`DOMAIN\user`, `user@domain`) are allowed. Blanks are allowed inside a name, but not before
/// `-`, because a shell would split the name there and pass the rest on as an option.
pub fn check_username(username: &str) -> Result<(), TargetError> {
    let part = TargetPart::Username;
    check_edges(part, username)?;
    refuse_characters(part, username, |character| USER_REFUSED.contains(character))?;
    let dash_after_blank = username
        .split(char::is_whitespace)
        .skip(1)
        .any(|word| word.starts_with('-'));
    if dash_after_blank {
        return Err(character_error(part, username, '-'));
    }
    let blank_or_backslash = |character: char| character.is_whitespace() || character == '\\';
    match username.chars().next_back() {
        Some(last) if blank_or_backslash(last) => Err(character_error(part, username, last)),
        _ if username.starts_with(char::is_whitespace) => Err(character_error(part, username, ' ')),
        _ => Ok(()),
    }
}

/// Refuses port 0, which no server listens on.
pub fn check_port(port: Option<u16>) -> Result<(), TargetError> {
    match port {
        Some(0) => Err(TargetError::Port(in_quotes("0"))),
        _ => Ok(()),
    }
}

fn check_length(part: TargetPart, text: &str) -> Result<(), TargetError> {
    let bytes = text.len();
    if bytes > TARGET_MAX_BYTES {
        return Err(TargetError::TooLong { part, bytes });
    }
    Ok(())
}

fn check_edges(part: TargetPart, text: &str) -> Result<(), TargetError> {
    check_length(part, text)?;
    let value = || in_quotes(text);
    match text.as_bytes().first() {
        None => Err(TargetError::Empty(part)),
        Some(b'-') => Err(TargetError::LeadingDash {
            part,
            value: value(),
        }),
        Some(_) => Ok(()),
    }
}

fn refuse_characters(
    part: TargetPart,
    text: &str,
    refused: impl Fn(char) -> bool,
) -> Result<(), TargetError> {
    let never = |character: char| character.is_control() || is_unseen(character);
    match text.chars().find(|&c| never(c) || refused(c)) {
        Some(character) => Err(character_error(part, text, character)),
        None => Ok(()),
    }
}

fn character_error(part: TargetPart, text: &str, character: char) -> TargetError {
    TargetError::Character {
        part,
        value: in_quotes(text),
        character: in_quotes(&character.to_string()),
    }
}

/// Checks an IPv6 address. An interface may follow after `%`, which link-local addresses need.
fn check_v6(host: &str) -> Result<(), TargetError> {
    let (address, scope) = host.split_once('%').unwrap_or((host, "0"));
    let scope_fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if address.parse::<Ipv6Addr>().is_err() || scope.is_empty() || !scope.chars().all(scope_fits) {
        return Err(TargetError::Address(in_quotes(host)));
    }
    Ok(())
}

/// Parses `[user@]host[:port]`. The text is split at the last `@`, because user names of directory services
/// may contain `@`.
fn parse_plain(text: &str) -> Result<Target, TargetError> {
    let (username, rest) = match text.rsplit_once('@') {
        Some(("", _)) => return Err(TargetError::Empty(TargetPart::Username)),
        Some((username, rest)) => (Some(username.to_owned()), rest),
        None => (None, text),
    };
    let (host, port) = split_port(rest)?;
    Ok(Target {
        host: host.to_owned(),
        port,
        username,
    })
}

/// Parses the part of a URL behind `ssh://`. The user is percent-decoded; a single `/` may follow at the end.
fn parse_url(authority: &str) -> Result<Target, TargetError> {
    let (userinfo, rest) = match authority.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, authority),
    };
    // Checked first, so that no other error quotes a password.
    let username = userinfo.map(url_username).transpose()?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('/') {
        return Err(url_error(rest, "a path is not part of a host"));
    }
    let (host, port) = split_port(rest)?;
    Ok(Target {
        host: host.to_owned(),
        port,
        username,
    })
}

fn url_username(userinfo: &str) -> Result<String, TargetError> {
    if userinfo.is_empty() {
        return Err(TargetError::Empty(TargetPart::Username));
    }
    if userinfo.contains(':') {
        return Err(url_error(
            "ssh://…",
            "a password in a URL is not accepted, give the password as `password`",
        ));
    }
    if userinfo.contains(';') {
        return Err(url_error(
            "ssh://…",
            "connection parameters after ';' are not supported",
        ));
    }
    percent_decoded(userinfo).ok_or_else(|| {
        url_error(
            userinfo,
            "a '%' in the user name needs two hexadecimal digits",
        )
    })
}

fn url_error(value: &str, why: &'static str) -> TargetError {
    TargetError::Url {
        value: in_quotes(value),
        why,
    }
}

/// Decodes `%41`, and `+` as a blank, as OpenSSH does. `None` for an invalid code, NUL or a result that is not
/// UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_byte(bytes.next()?, bytes.next()?).filter(|&byte| byte != 0)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? * 16 + digit(low)?)
}

/// Splits `host`, `host:port`, `[host]`, `[host]:port` or an IPv6 address without brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), TargetError> {
    if let Some(inside) = text.strip_prefix('[') {
        let unclosed = || TargetError::Address(in_quotes(text));
        let (host, after) = inside.split_once(']').ok_or_else(unclosed)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(parse_port(port)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(unclosed()),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(parse_port(port)?))),
        None => Ok((text, None)),
    }
}

/// Parses a port of digits only, because `u16::from_str` accepts a sign.
fn parse_port(text: &str) -> Result<u16, TargetError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(TargetError::Port(in_quotes(text))),
    }
}

#[cfg(test)]
mod tests;
