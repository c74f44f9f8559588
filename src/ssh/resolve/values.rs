//! Parsing of single options from the output of `ssh -G`.

use crate::ssh::host_keys::StrictHostKeyChecking;
use crate::ssh::resolve::ResolveError;
use crate::ssh::resolve::host::{AddressFamily, RekeyLimit};
use crate::ssh::resolve::settings::{Settings, bad_value};
use std::time::Duration;

/// The supported authentication methods in OpenSSH's order, each with the option that switches the method off.
const METHODS: [(&str, &str); 3] = [
    ("publickey", "PubkeyAuthentication"),
    ("keyboard-interactive", "KbdInteractiveAuthentication"),
    ("password", "PasswordAuthentication"),
];

pub(super) fn strict(settings: &Settings) -> Result<StrictHostKeyChecking, ResolveError> {
    let option = "StrictHostKeyChecking";
    match settings.first(option) {
        None | Some("ask") => Ok(StrictHostKeyChecking::Ask),
        Some("yes" | "true") => Ok(StrictHostKeyChecking::Yes),
        Some("accept-new") => Ok(StrictHostKeyChecking::AcceptNew),
        Some("no" | "off" | "false") => Ok(StrictHostKeyChecking::No),
        Some(other) => Err(bad_value(
            option,
            other,
            "expected yes, ask, accept-new or no",
        )),
    }
}

pub(super) fn address_family(settings: &Settings) -> Result<AddressFamily, ResolveError> {
    let option = "AddressFamily";
    match settings.first(option) {
        None | Some("any") => Ok(AddressFamily::Any),
        Some("inet") => Ok(AddressFamily::Inet),
        Some("inet6") => Ok(AddressFamily::Inet6),
        Some(other) => Err(bad_value(option, other, "expected any, inet or inet6")),
    }
}

/// A time in seconds; `None` for 0.
pub(super) fn seconds(
    settings: &Settings,
    option: &'static str,
) -> Result<Option<Duration>, ResolveError> {
    let seconds = settings.number::<u64>(option)?;
    Ok(seconds
        .filter(|&seconds| seconds != 0)
        .map(Duration::from_secs))
}

/// Parses `bytes seconds`. 0 means no limit.
pub(super) fn rekey_limit(settings: &Settings) -> Result<RekeyLimit, ResolveError> {
    let Some(value) = settings.first("RekeyLimit") else {
        return Ok(RekeyLimit::default());
    };
    let numbers = value
        .split(' ')
        .map(str::parse::<u64>)
        .collect::<Result<Vec<_>, _>>();
    let limit = |number: u64| (number != 0).then_some(number);
    match numbers.as_deref() {
        Ok(&[bytes, seconds]) => Ok(RekeyLimit {
            bytes: limit(bytes),
            time: limit(seconds).map(Duration::from_secs),
        }),
        _ => Err(bad_value("RekeyLimit", value, "not two numbers")),
    }
}

/// Parses the lines `NAME=value`.
pub(super) fn set_env(settings: &Settings) -> Result<Vec<(String, String)>, ResolveError> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    settings
        .all("SetEnv")
        .map(|line| pair(line).ok_or_else(|| bad_value("SetEnv", line, "not NAME=value")))
        .collect()
}

/// The methods to try: preferred methods that are supported and not switched off.
pub(super) fn methods(settings: &Settings) -> Vec<String> {
    // PubkeyAuthentication has values besides yes and no, such as `unbound`. Only "no" switches the method off.
    let off = |switch| matches!(settings.first(switch), Some("no" | "false"));
    let enabled = METHODS
        .iter()
        .filter(|(_, switch)| !off(switch))
        .map(|(method, _)| *method);
    let enabled: Vec<_> = enabled.collect();
    let preferred = match settings.first("PreferredAuthentications") {
        Some(preferred) => preferred.split(',').collect(),
        None => enabled.clone(),
    };
    let usable = preferred
        .into_iter()
        .filter(|method| enabled.contains(method));
    usable.map(str::to_owned).collect()
}

/// A comma-separated list.
pub(super) fn names(settings: &Settings, option: &str) -> Vec<String> {
    let list = settings.first(option).unwrap_or_default();
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether `names` is `defaults` after removing some names and appending others.
pub(super) fn is_default_edited(names: &[String], defaults: &[String]) -> bool {
    let mut rest = defaults.iter();
    let kept = names
        .iter()
        .take_while(|name| rest.any(|default| default == *name))
        .count();
    names[kept..].iter().all(|name| !defaults.contains(name))
}
