//! Environment variables that are sent with every command: SetEnv and SendEnv of ssh_config(5).

/// The variables to send, from the configured settings and the environment of this process.
///
/// SetEnv overrides SendEnv for the same name, as in OpenSSH.
pub(super) fn for_commands(set: &[(String, String)], send: &[String]) -> Vec<(String, String)> {
    let local = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    select(set, send, local)
}

fn select(
    set: &[(String, String)],
    send: &[String],
    local: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let is_set = |name: &str| set.iter().any(|(other, _)| other == name);
    let mut sent: Vec<_> = local
        .filter(|(name, _)| is_sent(send, name) && !is_set(name))
        .collect();
    sent.sort();
    sent.extend_from_slice(set);
    sent
}

/// Whether a variable is sent: a pattern matches, and no pattern with a leading `-` does.
///
/// In OpenSSH, `-` affects only earlier patterns. `ssh -G` has applied those already, so the order is ignored.
fn is_sent(patterns: &[String], name: &str) -> bool {
    let (taken_back, given): (Vec<_>, Vec<_>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('-'));
    let matches = |pattern: &str| wildcard(pattern.as_bytes(), name.as_bytes());
    given.iter().any(|pattern| matches(pattern))
        && !taken_back.iter().any(|pattern| matches(&pattern[1..]))
}

/// Whether a pattern with `*` and `?` matches, as in ssh_config(5). The recursion is harmless for the short
/// patterns of a configuration.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            wildcard(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, tail)| wildcard(pattern, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => wildcard(rest, tail),
        (Some((byte, rest)), Some((first, tail))) if byte == first => wildcard(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn configured_variables_are_sent_and_no_others() {
        let local = pairs(&[
            ("LANG", "C.UTF-8"),
            ("LC_TIME", "C"),
            ("HOME", "/root"),
            ("LC_ALL", "x"),
            ("EDITOR", "vi"),
        ]);
        let send = ["LANG", "LC_*", "E?ITOR", "-LC_A*"].map(str::to_owned);
        let set = pairs(&[("LANG", "de_DE"), ("A", "b")]);
        let expected = pairs(&[
            ("EDITOR", "vi"),
            ("LC_TIME", "C"),
            ("LANG", "de_DE"),
            ("A", "b"),
        ]);
        assert_eq!(select(&set, &send, local.into_iter()), expected);
        assert_eq!(select(&[], &[], pairs(&[("LANG", "C")]).into_iter()), []);
    }
}
