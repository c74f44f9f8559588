//! Samples of imports: each rule, and each way to write a path that breaks one.

use super::checker::check;

/// File, source, and a word of the broken rule; none for a sample that breaks none.
type Sample = (&'static str, &'static str, Option<&'static str>);

fn verify(samples: &[Sample]) {
    for (file, source, expected) in samples {
        let found: Vec<String> = check(file, source)
            .iter()
            .map(ToString::to_string)
            .collect();
        match expected {
            Some(words) => {
                assert_eq!(found.len(), 1, "{file}: {source:?}: {found:?}");
                assert!(found[0].contains(words), "{file}: {source:?}: {found:?}");
            }
            None => assert!(found.is_empty(), "{file}: {source:?}: {found:?}"),
        }
    }
}

#[test]
fn an_import_of_a_higher_layer_is_found_however_it_is_written() {
    verify(&[
        (
            "src/ssh/dial.rs",
            "use crate::tools;",
            Some("ssh must not import tools"),
        ),
        (
            "src/ssh/dial.rs",
            "use crate::tools::error::ToolError as Error;",
            Some("tools"),
        ),
        (
            "src/ssh/dial.rs",
            "use crate::{limits, output::{self, page}, tools};",
            Some("tools"),
        ),
        (
            "src/ssh/dial.rs",
            "pub(crate) use crate::{ssh::{tcp}, actors::*};",
            Some("actors"),
        ),
        (
            "src/ssh/dial.rs",
            "fn f() { crate::server::x(); }",
            Some("server"),
        ),
        (
            "src/ssh/dial.rs",
            "fn f() -> crate :: server :: X { g() }",
            Some("server"),
        ),
        (
            "src/ssh/dial.rs",
            "type A = Vec<crate::tools::B>;",
            Some("tools"),
        ),
        (
            "src/ssh/dial.rs",
            "impl crate::tools::Tool for A {}",
            Some("tools"),
        ),
        (
            "src/ssh/dial.rs",
            "fn f() { $crate::tools::x!(a) }",
            Some("tools"),
        ),
        ("src/ssh/mod.rs", "use super::tools::Tool;", Some("tools")),
        ("src/ssh/dial.rs", "use super::super::tools;", Some("tools")),
        (
            "src/ssh/dial.rs",
            "mod tests { use super::super::super::tools; }",
            Some("tools"),
        ),
        (
            "src/ssh/dial.rs",
            "mod tests { use super::super::tools; }",
            None,
        ),
        (
            "src/ssh/auth/mod.rs",
            "fn f() { super::super::actors::call() }",
            Some("actors"),
        ),
        (
            "src/store/mod.rs",
            "use crate::ssh::target::Target;",
            Some("ssh"),
        ),
        (
            "src/tools/mod.rs",
            "use crate::server::McpServer;",
            Some("server"),
        ),
        ("src/actors/mod.rs", "use crate::cli::Cli;", Some("cli")),
        ("src/server/mod.rs", "use crate::demo;", Some("demo")),
        (
            "src/doctor.rs",
            "use crate::actors::SupervisorHandle;",
            Some("actors"),
        ),
        (
            "src/lib.rs",
            "pub use crate::ssh::dial::Dialer;",
            Some("ssh"),
        ),
        (
            "src/lib.rs",
            "pub mod ssh; pub use ssh::dial::Dialer;",
            Some("ssh"),
        ),
    ]);
}

#[test]
fn ssh_and_the_store_do_not_know_each_other() {
    verify(&[
        (
            "src/ssh/dial.rs",
            "use crate::store::SessionSpec;",
            Some("ssh must not import store"),
        ),
        (
            "src/store/file.rs",
            "use crate::ssh::target::Target;",
            Some("store must not import ssh"),
        ),
    ]);
}

#[test]
fn leaves_import_nothing() {
    verify(&[
        (
            "src/error.rs",
            "use crate::limits;",
            Some("error must not import limits"),
        ),
        ("src/text.rs", "fn f() { crate::error::x() }", Some("error")),
        ("src/limits.rs", "use super::text;", Some("text")),
        ("src/cli.rs", "use crate::limits;", Some("limits")),
        ("src/telemetry.rs", "use crate::cli::Cli;", Some("cli")),
        (
            "src/error.rs",
            "use std::fmt; mod tests { use super::*; }",
            None,
        ),
    ]);
}

#[test]
fn a_crate_outside_its_layer_is_found_however_it_is_written() {
    verify(&[
        (
            "src/tools/exec.rs",
            "use russh::client;",
            Some("russh belongs to src/ssh/"),
        ),
        (
            "src/tools/exec.rs",
            "fn f(key: &russh::keys::PublicKey) {}",
            Some("russh"),
        ),
        (
            "src/tools/exec.rs",
            "fn f() { ::russh::x() }",
            Some("russh"),
        ),
        (
            "src/tools/exec.rs",
            "impl ::russh::Handler for A {}",
            Some("russh"),
        ),
        (
            "src/tools/exec.rs",
            "use ::russh as ssh_crate;",
            Some("russh"),
        ),
        (
            "src/tools/exec.rs",
            "use {russh::client, std::fmt};",
            Some("russh"),
        ),
        ("src/tools/exec.rs", "extern crate russh;", Some("russh")),
        (
            "src/actors/job.rs",
            "use russh_sftp::client::SftpSession;",
            Some("russh_sftp"),
        ),
        ("src/ssh/exec/mod.rs", "use ractor::Actor;", Some("ractor")),
        (
            "src/actors/call.rs",
            "#[rmcp::tool] fn f() {}",
            Some("rmcp"),
        ),
        (
            "src/actors/session/mod.rs",
            "use backoff::ExponentialBackoff;",
            Some("backoff"),
        ),
        (
            "src/doctor.rs",
            "#[derive(clap::Args)] struct A;",
            Some("clap"),
        ),
        (
            "src/ssh/dial.rs",
            "use crate::{limits, ssh::{tcp}}; use ractor;",
            Some("ractor"),
        ),
    ]);
}

#[test]
fn what_is_allowed_is_not_found() {
    verify(&[
        (
            "src/main.rs",
            "use mcp_ssh_sessions::{cli, demo, server, telemetry}; use clap::Parser;",
            None,
        ),
        (
            "src/tools/exec.rs",
            "use crate::{actors::X, ssh, store, limits}; use super::error::E;",
            None,
        ),
        (
            "src/ssh/dial.rs",
            "use russh::{self, client}; use self::server::x; use super::tools_of;",
            None,
        ),
        (
            "src/ssh/dial.rs",
            "fn f<'a>(x: &'a str) { let c = '\\''; server::x(c, '\"') }",
            None,
        ),
        (
            "src/demo/server.rs",
            "use crate::server::McpServer; use rmcp::model; use russh::server;",
            None,
        ),
        (
            "src/actors/session/connection_state/outage.rs",
            "use backoff::backoff::Backoff as _;",
            None,
        ),
        (
            "src/tools/mod.rs",
            "fn f() -> impl Sized + use<'_> { x.russh }",
            None,
        ),
        (
            "src/store/x.rs",
            "fn f() { <A as B>::russh::<C>(); a.backoff::<D>() }",
            None,
        ),
    ]);
}

#[test]
fn comments_and_literals_import_nothing() {
    verify(&[
        (
            "src/store/a.rs",
            "// use crate::tools;\n/* crate::tools::x /* russh::y */ ractor::z */",
            None,
        ),
        (
            "src/store/a.rs",
            "//! [`x`](crate::tools)\n/// crate::server::x\nfn f() {}",
            None,
        ),
        (
            "src/store/a.rs",
            r##"const A: &str = "use crate::tools; \" russh::x";"##,
            None,
        ),
        (
            "src/store/a.rs",
            r###"const A: &str = r#"crate::tools::x " russh::x"#;"###,
            None,
        ),
        (
            "src/store/a.rs",
            "const A: &[u8] = b\"russh::x\"; const B: u8 = b'\"';",
            None,
        ),
        (
            "src/store/a.rs",
            "const A: char = '\"'; use crate::tools; // \"",
            Some("tools"),
        ),
        (
            "src/store/a.rs",
            "fn r#use() {} /* a */ use crate::tools;",
            Some("tools"),
        ),
    ]);
}

#[test]
fn a_new_module_needs_a_rule_and_the_root_is_none() {
    verify(&[
        ("src/news.rs", "use crate::store;", Some("news has no rule")),
        (
            "src/ssh/dial.rs",
            "use crate::news::x;",
            Some("news has no rule"),
        ),
        ("src/ssh/dial.rs", "use crate::*;", Some("root")),
        ("src/ssh/mod.rs", "use super::{self as root};", Some("root")),
        ("src/ssh/dial.rs", "use crate as all;", Some("root")),
    ]);
}

#[test]
fn a_violation_names_its_place() {
    let found = check(
        "src/ssh/a.rs",
        "//! a\n\nuse std::{\n    fmt,\n};\nuse crate::{\n    limits,\n    tools::x,\n};\n",
    );
    assert_eq!(
        found[0].to_string(),
        "src/ssh/a.rs:8: `crate::tools::x`: ssh must not import tools (it may import error, limits, text, metrics, output, policy)"
    );
}
