//! All options of OpenSSH and how this program treats them.
//!
//! An option that changes the address, the identity or the protection of a connection is followed or refused.
//! An option that only adds trust, or that concerns a terminal, is ignored. An option whose effect a user
//! would miss leaves a note.

use crate::ssh::peer_text::in_quotes;
use crate::ssh::resolve::error::UnsupportedOption;
use crate::ssh::resolve::settings::Settings;
use Treatment::{Followed, Ignored, Noted, Refused};

/// The treatment of an option. The text is the reason.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    /// The option determines a field of the resolved host.
    Followed,
    /// The option has no effect here, and users do not miss the effect.
    Ignored(&'static str),
    /// The option has no effect here. Values other than the listed values leave a note.
    Noted(&'static [&'static str], &'static str),
    /// The option makes a connection impossible, except with the listed values.
    Refused(&'static [&'static str], &'static str),
}

/// Values that switch an option off.
const OFF: &[&str] = &["no", "none", "false"];
const DONE: &str = "ssh -G has applied it";
const TERMINAL: &str = "concerns a terminal or ssh's own messages";
const FORWARDING: &str = "nothing is forwarded";
const SHARING: &str = "connections are kept by this program, not by a master process";
const GSSAPI: &str = "GSSAPI is not offered";
const HOST_BASED: &str = "host-based authentication is not offered";
const ADDS_TRUST: &str = "the option would only add trust";
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
    ("IPQoS", Ignored("the system marks the packets")),
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
            "the command may revoke keys and is not run; use UserKnownHostsFile",
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
        Ignored("the option has no meaning without ProxyCommand"),
    ),
    ("PubkeyAcceptedAlgorithms", Followed),
    ("PubkeyAuthentication", Followed),
    ("RSAAuthentication", Ignored(OBSOLETE)),
    ("RekeyLimit", Followed),
    // ssh refuses to run a command if RemoteCommand is set. RemoteCommand often enters a container; a command
    // that ran without RemoteCommand could act on the host instead.
    (
        "RemoteCommand",
        Refused(
            OFF,
            "with RemoteCommand, ssh runs no other command; use a Host entry without RemoteCommand, or RemoteCommand none",
        ),
    ),
    ("RemoteForward", Noted(OFF, FORWARDING)),
    (
        "RequestTTY",
        Ignored("each command requests a terminal if needed"),
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
        Noted(&["default"], "the tools determine what a session runs"),
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
    ("VerifyHostKeyDNS", Ignored(ADDS_TRUST)),
    (
        "VersionAddendum",
        Ignored("the version string is this program's"),
    ),
    ("VisualHostKey", Ignored(TERMINAL)),
    ("WarnWeakCrypto", Ignored(TERMINAL)),
    ("XAuthLocation", Ignored(FORWARDING)),
];

/// The options that are not supported, and notes about options without effect.
///
/// `defaults` are the values without any configuration: an option that the table does not list leaves a note
/// only if its value differs.
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
                    "the option {option} {value} is unknown to this program and has no effect"
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

/// Whether the table lists an option.
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
    fn each_option_is_listed_once_and_has_a_reason() {
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
    fn unsupported_options_are_reported_with_value_and_reason() {
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
    fn each_option_without_effect_leaves_a_note() {
        let output = "forwardagent yes\nlocalforward 8080 [localhost]:80\nhpndisabled no\nnewoption a\x1bb\n";
        let (unsupported, notes) = judged(output);
        assert!(unsupported.is_empty());
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].contains("never forwarded"), "{notes:?}");
        assert!(notes[3].contains(r"a\x1bb"), "{notes:?}");
    }
}
