//! `doctor`: checks the product's requirements and says how to fix faults; with a host, connects step by step.
//!
//! [`checks`] examines OpenSSH's side (program, configuration, keys, agent), [`machine`] this machine's (store, limits,
//! directories), [`host`] dials. All of them use the same code as sessions, so the findings hold for sessions too.
//! Nothing is changed: no host key is recorded, no file is written.

mod checks;
mod host;
mod machine;
mod program;

use std::process::ExitCode;

use crate::cli::Cli;
use crate::ssh::resolve::Resolver;
use crate::terminal_report::{Mark, Report};
use crate::text::visible_line;

/// Characters of a finding: enough for an error of `ssh` with file and line.
const TEXT_MAX_CHARS: usize = 1000;
/// Width of the column of subjects.
const SUBJECT_WIDTH: usize = 12;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    mark: Mark,
    subject: &'static str,
    text: String,
    /// The remedy, for a fault or a possible improvement.
    fix: Option<String>,
}

impl Finding {
    fn new(mark: Mark, subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark,
            subject,
            text: text.into(),
            fix: None,
        }
    }

    fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(Mark::Good, subject, text)
    }

    fn note(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(Mark::Note, subject, text)
    }

    fn bad(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(Mark::Bad, subject, text)
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Prints findings as they arrive, and keeps them.
struct Examination {
    report: Report,
    told: Vec<Finding>,
}

impl Examination {
    fn new(report: Report) -> Self {
        Self {
            report,
            told: Vec::new(),
        }
    }

    /// Number of faults.
    fn faults(&self) -> usize {
        let bad = self.told.iter().filter(|told| told.mark == Mark::Bad);
        bad.count()
    }

    fn has_told(&self, text: &str) -> bool {
        self.told.iter().any(|told| told.text == text)
    }

    fn add(&mut self, finding: Finding) {
        let text = visible_line(&finding.text, TEXT_MAX_CHARS);
        let line = format!("{:SUBJECT_WIDTH$} {text}", finding.subject);
        self.report.marked(finding.mark, &line);
        if let Some(fix) = &finding.fix {
            let fix = visible_line(fix, TEXT_MAX_CHARS);
            // Two columns for the sign of the line above.
            self.report
                .line(&format!("  {:SUBJECT_WIDTH$} fix: {fix}", ""));
        }
        self.told.push(finding);
    }

    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.add(finding);
        }
    }
}

/// Examines this machine, and then the host if a host is given. Success means that nothing must be fixed.
pub async fn examine_all(cli: &Cli, host: Option<&str>) -> ExitCode {
    let mut examination = Examination::new(Report::stdout());
    let resolver = Resolver::new(cli.ssh_config.clone());
    checks::examine(&resolver, &mut examination).await;
    machine::examine(&cli.store_path(), &mut examination);
    if let Some(host) = host {
        examination.report.line("");
        host::examine(resolver, host, &mut examination).await;
    }
    let faults = examination.faults();
    let conclusion = match faults {
        0 => "\nnothing must be fixed".to_owned(),
        1 => "\n1 thing must be fixed (✗)".to_owned(),
        several => format!("\n{several} things must be fixed (✗)"),
    };
    examination.report.line(&conclusion);
    match faults {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
