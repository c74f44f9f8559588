//! Every option of OpenSSH and what becomes of it here.
//!
//! The rule: an option that changes where a host is, who it is or what protects the connection is followed or
//! refused. One that only makes things stricter, or that belongs to a terminal, may be ignored. One whose
//! absence a user would miss leaves a note.

use crate::ssh::peer_text::in_quotes;
use crate::ssh::resolve::error::UnsupportedOption;
use crate::ssh::resolve::settings::Settings;
use Treatment::{Followed, Ignored, Noted, Refused};

/// What becomes of an option. The text is the reason.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    /// It has a field of its own, or part in one.
    Followed,
    /// It has no effect, and needs none.
    Ignored(&'static str),
    /// It has no effect, which is noted unless its value is one of these.
    Noted(&'static [&'static str], &'static str),
    /// It rules out a connection unless its value is one of these.
    Refused(&'static [&'static str], &'static str),
}

/// Values with which an option does nothing.
const OFF: &[&str] = &["no", "none", "false"];
const DONE: &str = "ssh -G has applied it";
const TERMINAL: &str = "concerns a terminal or ssh's own messages";
const FORWARDING: &str = "nothing is forwarded";
const SHARING: &str = "connections are kept by this program, not by a master process";
const GSSAPI: &str = "GSSAPI is not offered";
const HOST_BASED: &str = "host-based authentication is not offered";
const STRICTER: &str = "it would only add trust";
const NO_LOCAL: &str = "no local command is run";
const KEYS: &str = "keys are read from files and from the agent";
const OBSOLETE: &str = "of a protocol or a cipher that is gone";

/// All options that `ssh -G` of OpenSSH 7.4 to 10.5 prints, and those of widespread patches.
const OPTIONS: &[(&str, Treatment)] = &[
    ("AddKeysToAgent", Ignored("keys stay out of the agent")),
    ("AddressFamily", Followed),
    ("BatchMode", Ignored("nobody is ever asked")),
    ("BindAddress", Followed),
    (
        "BindInterface",
        Refused(
            OFF,
            "connecting from an interface is not supported; use BindAddress",
        ),
    ),
    ("CASignatureAlgorithms", Followed),
    ("CanonicalDomains", Ignored(DONE)),
    ("CanonicalizeFallbackLocal", Ignored(DONE)),
    ("CanonicalizeHostname", Ignored(DONE)),
    ("CanonicalizeMaxDots", Ignored(DONE)),
    ("CanonicalizePermittedCNAMEs", Ignored(DONE)),
    (
        "CertificateFile",
        Refused(
            OFF,
            "certificates cannot be offered yet; use the key itself or the agent",
        ),
    ),
    (
        "ChannelTimeout",
        Noted(OFF, "channels have no idle limit here"),
    ),
    (
        "CheckHostIP",
        Ignored("a key is verified under the name that was asked for"),
    ),
    ("Cipher", Ignored(OBSOLETE)),
    ("Ciphers", Followed),
    ("ClearAllForwardings", Ignored(FORWARDING)),
    ("Compression", Noted(OFF, "nothing is compressed")),
    ("CompressionLevel", Ignored(OBSOLETE)),
    ("ConnectTimeout", Followed),
    ("ConnectionAttempts", Followed),
    ("ControlMaster", Ignored(SHARING)),
    ("ControlPath", Ignored(SHARING)),
    ("ControlPersist", Ignored(SHARING)),
    ("DynamicForward", Noted(OFF, FORWARDING)),
    ("EnableEscapeCommandline", Ignored(TERMINAL)),
    ("EnableSSHKeysign", Ignored(HOST_BASED)),
    ("EscapeChar", Ignored(TERMINAL)),
    ("ExitOnForwardFailure", Ignored(FORWARDING)),
    ("FingerprintHash", Ignored("fingerprints are SHA256")),
    ("ForkAfterAuthentication", Ignored(TERMINAL)),
    ("ForwardAgent", Noted(OFF, "the agent is never forwarded")),
    ("ForwardX11", Noted(OFF, FORWARDING)),
    ("ForwardX11Timeout", Ignored(FORWARDING)),
    ("ForwardX11Trusted", Ignored(FORWARDING)),
    ("GSSAPIAuthentication", Ignored(GSSAPI)),
    ("GSSAPIClientIdentity", Ignored(GSSAPI)),
    ("GSSAPIDelegateCredentials", Ignored(GSSAPI)),
    ("GSSAPIKexAlgorithms", Ignored(GSSAPI)),
    ("GSSAPIKeyExchange", Ignored(GSSAPI)),
    ("GSSAPIRenewalForcesRekey", Ignored(GSSAPI)),
    ("GSSAPIServerIdentity", Ignored(GSSAPI)),
    ("GSSAPITrustDNS", Ignored(GSSAPI)),
    ("GatewayPorts", Ignored(FORWARDING)),
    ("GlobalKnownHostsFile", Followed),
    ("HashKnownHosts", Followed),
    ("Host", Ignored("the host as it was asked for")),
    ("HostKeyAlgorithms", Followed),
    ("HostKeyAlias", Followed),
    ("HostbasedAcceptedAlgorithms", Ignored(HOST_BASED)),
    ("HostbasedAuthentication", Noted(OFF, HOST_BASED)),
    ("HostName", Followed),
    (
        "IPQoS",
        Ignored("the marks of packets are left to the system"),
    ),
    ("IdentitiesOnly", Followed),
    ("IdentityAgent", Followed),
    ("IdentityFile", Followed),
    ("IgnoreUnknown", Ignored(DONE)),
    ("KbdInteractiveAuthentication", Followed),
    ("KbdInteractiveDevices", Ignored("the server chooses")),
    ("KexAlgorithms", Followed),
    (
        "KnownHostsCommand",
        Refused(
            OFF,
            "it may revoke keys and is not run; use UserKnownHostsFile",
        ),
    ),
    ("LocalCommand", Ignored(NO_LOCAL)),
    ("LocalForward", Noted(OFF, FORWARDING)),
    ("LogLevel", Ignored(TERMINAL)),
    ("LogVerbose", Ignored(TERMINAL)),
    ("MACs", Followed),
    (
        "NoHostAuthenticationForLocalhost",
        Ignored("the keys of localhost are verified like any other"),
    ),
    ("NumberOfPasswordPrompts", Followed),
    ("ObscureKeystrokeTiming", Ignored(TERMINAL)),
    (
        "PKCS11Provider",
        Noted(
            OFF,
            "keys of a token are used through the agent (ssh-add -s)",
        ),
    ),
    ("PasswordAuthentication", Followed),
    ("PermitLocalCommand", Noted(OFF, NO_LOCAL)),
    ("PermitRemoteOpen", Ignored(FORWARDING)),
    ("Port", Followed),
    ("PreferredAuthentications", Followed),
    ("Protocol", Ignored(OBSOLETE)),
    (
        "ProxyCommand",
        Refused(OFF, "connecting through a command is not supported yet"),
    ),
    (
        "ProxyJump",
        Refused(OFF, "connecting through another host is not supported yet"),
    ),
    (
        "ProxyUseFdpass",
        Ignored("without ProxyCommand it has no meaning"),
    ),
    ("PubkeyAcceptedAlgorithms", Followed),
    ("PubkeyAuthentication", Followed),
    ("RSAAuthentication", Ignored(OBSOLETE)),
    ("RekeyLimit", Followed),
    // ssh refuses to run a command beside it; run without it, a command could act in the wrong place.
    (
        "RemoteCommand",
        Refused(
            OFF,
            "ssh runs no other command beside it; use a Host entry without it, or RemoteCommand none",
        ),
    ),
    ("RemoteForward", Noted(OFF, FORWARDING)),
    (
        "RequestTTY",
        Ignored("each command says whether it wants a terminal"),
    ),
    ("RequiredRSASize", Followed),
    ("RevokedHostKeys", Followed),
    ("RhostsRSAAuthentication", Ignored(OBSOLETE)),
    ("SecurityKeyProvider", Ignored(KEYS)),
    ("SendEnv", Followed),
    ("ServerAliveCountMax", Followed),
    ("ServerAliveInterval", Followed),
    (
        "SessionType",
        Noted(&["default"], "the tools say what a session runs"),
    ),
    ("SetEnv", Followed),
    ("StdinNull", Ignored(TERMINAL)),
    ("StreamLocalBindMask", Ignored(FORWARDING)),
    ("StreamLocalBindUnlink", Ignored(FORWARDING)),
    ("StrictHostKeyChecking", Followed),
    ("SyslogFacility", Ignored(TERMINAL)),
    (
        "TCPKeepAlive",
        Ignored("keepalives of the SSH protocol are always on"),
    ),
    ("Tag", Ignored(DONE)),
    ("Tunnel", Noted(OFF, FORWARDING)),
    ("TunnelDevice", Ignored(FORWARDING)),
    (
        "UpdateHostKeys",
        Ignored("known_hosts is not rewritten because a server offers other keys"),
    ),
    ("UseKeychain", Ignored(KEYS)),
    ("UsePrivilegedPort", Ignored(OBSOLETE)),
    ("User", Followed),
    ("UserKnownHostsFile", Followed),
    ("VerifyHostKeyDNS", Ignored(STRICTER)),
    (
        "VersionAddendum",
        Ignored("the version string is this program's"),
    ),
    ("VisualHostKey", Ignored(TERMINAL)),
    ("WarnWeakCrypto", Ignored(TERMINAL)),
    ("XAuthLocation", Ignored(FORWARDING)),
];

/// Options that cannot be honoured, and notes about those that have no effect.
///
/// `defaults` tells what nobody configured: an option that this table does not know is worth a note only if
/// somebody did.
pub(super) fn judge(
    settings: &Settings,
    defaults: &Settings,
) -> (Vec<UnsupportedOption>, Vec<String>) {
    let (mut unsupported, mut notes) = (Vec::new(), Vec::new());
    for (keyword, value) in settings.iter() {
        let does_something = |off: &[&str]| !off.iter().any(|off| value.eq_ignore_ascii_case(off));
        let configured = !defaults.all(keyword).any(|default| default == value);
        match rule(keyword) {
            Some((option, Refused(off, why))) if does_something(off) => {
                let value = in_quotes(value);
                unsupported.push(UnsupportedOption { option, value, why });
            }
            Some((option, Noted(off, why))) if does_something(off) => {
                notes.push(format!(
                    "{option} {} has no effect: {why}",
                    in_quotes(value)
                ));
            }
            Some((option, Ignored(why))) if configured => {
                tracing::debug!(
                    option,
                    value,
                    why,
                    "option of the ssh configuration has no effect"
                );
            }
            None if configured => {
                let (option, value) = (in_quotes(keyword), in_quotes(value));
                notes.push(format!(
                    "the option {option} {value} is not known here and has no effect"
                ));
            }
            Some((_, Followed | Ignored(_) | Noted(..) | Refused(..))) | None => {}
        }
    }
    (unsupported, notes)
}

fn rule(keyword: &str) -> Option<(&'static str, Treatment)> {
    OPTIONS
        .iter()
        .find(|(option, _)| option.eq_ignore_ascii_case(keyword))
        .copied()
}

/// Whether the table has a line for an option.
#[cfg(test)]
pub(super) fn is_known(keyword: &str) -> bool {
    rule(keyword).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(output: &str) -> (Vec<UnsupportedOption>, Vec<String>) {
        judge(
            &Settings::parse(output),
            &Settings::parse("hpndisabled yes\n"),
        )
    }

    #[test]
    fn each_option_stands_once_and_has_a_reason() {
        for (index, (option, treatment)) in OPTIONS.iter().enumerate() {
            let others = &OPTIONS[index + 1..];
            assert!(
                others
                    .iter()
                    .all(|(other, _)| !other.eq_ignore_ascii_case(option)),
                "{option}"
            );
            match treatment {
                Followed => {}
                Ignored(why) | Noted(_, why) | Refused(_, why) => {
                    assert!(!why.is_empty(), "{option}")
                }
            }
        }
    }

    #[test]
    fn options_that_cannot_be_honoured_are_told_with_value_and_reason() {
        for (output, option) in [
            ("proxycommand nc %h %p\n", "ProxyCommand"),
            ("proxyjump u@a:22,b\n", "ProxyJump"),
            ("knownhostscommand /bin/x %H\n", "KnownHostsCommand"),
            ("remotecommand docker exec -it web sh\n", "RemoteCommand"),
            ("bindinterface wg0\n", "BindInterface"),
        ] {
            let (unsupported, notes) = judged(output);
            assert_eq!(unsupported.len(), 1, "{output}");
            assert_eq!(unsupported[0].option, option);
            assert!(notes.is_empty());
        }
    }

    #[test]
    fn options_that_are_off_or_harmless_say_nothing() {
        let output = "knownhostscommand none\nproxyjump none\nforwardagent no\ntunnel false\n\
                      verifyhostkeydns yes\nupdatehostkeys true\nsessiontype default\ncontrolpath /x\n\
                      nohostauthenticationforlocalhost yes\nhpndisabled yes\n";
        assert_eq!(judged(output), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_has_no_effect_is_noted_once_a_line() {
        let output = "forwardagent yes\nlocalforward 8080 [localhost]:80\nhpndisabled no\nnewoption a\x1bb\n";
        let (unsupported, notes) = judged(output);
        assert!(unsupported.is_empty());
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].contains("never forwarded"), "{notes:?}");
        assert!(notes[3].contains(r"a\x1bb"), "{notes:?}");
    }
}
