//! The first line of a command's result: how the command ended, where it ran, and remarks.

use super::facts::{Activity, CommandFacts};
use super::shown::Paging;
use crate::actors::job::outcome::{Outcome, ShellFacts};
use crate::output::Stream;
use crate::ssh::ending::KillReport;
use crate::text::visible_line;
use crate::tools::render::{count, seconds};
use crate::tools::until::Until;

/// Characters of a directory in the line.
const CWD_MAX_CHARS: usize = 200;
/// Characters of one remark on a shell, which may contain a directory.
const REMARK_MAX_CHARS: usize = 600;

/// Writes the line: `exit 0 in 0.42 s (session web)`.
pub(super) fn render(facts: &CommandFacts<'_>) -> String {
    format!("{} ({})", ending(facts), remarks(facts).join("; "))
}

/// The outcome, its time, and for a running command the next step.
fn ending(facts: &CommandFacts<'_>) -> String {
    let took = seconds(facts.elapsed);
    match facts.outcome {
        Outcome::Exited(status) => format!("exit {status} in {took}"),
        Outcome::Signaled(signal) => format!("killed by {signal} in {took}"),
        Outcome::TimedOut { after, kill } => {
            format!(
                "timed out after {}: {}",
                seconds(*after),
                kill_words(kill.as_ref())
            )
        }
        Outcome::Cancelled(kill) => {
            let by = facts.ended_by.map(|by| format!(" by {}", by.words()));
            let by = by.unwrap_or_default();
            format!("ended{by} after {took}: {}", kill_words(kill.as_ref()))
        }
        Outcome::Running => {
            let state = match facts.activity {
                Activity::WaitsForChannel => "not started",
                Activity::WaitsForInput | Activity::Runs => "still running",
            };
            let next = next_step(facts.activity, facts.job);
            format!("{state} after {took} as job {}; {next}", facts.job)
        }
        Outcome::ConnectionLost(_) => format!(
            "connection lost after {took}: whether the command finished is unknown; it was not run again"
        ),
    }
}

/// The call that continues with a running command.
fn next_step(activity: Activity, job: &str) -> String {
    match activity {
        Activity::WaitsForChannel => format!(
            "it waits for a free channel; ssh_output(job: \"{job}\", waitMs: 25000) waits on"
        ),
        // The prompt itself is the host's text and stands in a block below.
        Activity::WaitsForInput => format!(
            "it seems to wait for input, see its last line; answer with ssh_input(job: \"{job}\", text: \"…\\n\")"
        ),
        Activity::Runs => format!("ssh_output(job: \"{job}\", waitMs: 25000) waits for more"),
    }
}

fn kill_words(kill: Option<&KillReport>) -> String {
    let Some(KillReport { signal, gone }) = kill else {
        return "it ended by itself at that moment".to_owned();
    };
    let signal = signal.as_str();
    match gone {
        Some(true) => format!("sent {signal}, gone"),
        Some(false) => format!("sent {signal}, still there"),
        None => format!("sent {signal}, and the host could not confirm that it is gone"),
    }
}

/// The parts in the parentheses: the place first, then remarks.
fn remarks(facts: &CommandFacts<'_>) -> Vec<String> {
    let mut remarks = vec![place(facts)];
    remarks.extend(facts.lost_because.map(str::to_owned));
    remarks.extend(ender(facts));
    if facts.reconnected {
        remarks.push("connected first".to_owned());
    }
    remarks.extend(facts.shell.iter().flat_map(|shell| shell_remarks(shell)));
    let is_silent = facts.stdout_bytes + facts.stderr_bytes == 0;
    if is_silent && *facts.outcome != Outcome::Running {
        remarks.push("no output".to_owned());
    }
    remarks.extend(facts.until.map(until_remark));
    if let Some(paging) = &facts.paging {
        remarks.extend(before(paging, facts.job));
        remarks.extend(more(paging, facts.job));
    }
    remarks.extend(facts.remark.map(str::to_owned));
    if facts.held_by_background {
        remarks.push("a background process still held the output; what it prints later is lost, redirect it next time".to_owned());
    }
    if facts.escaped > 0 {
        remarks.push(format!(
            "{} made visible",
            count(facts.escaped, "character")
        ));
    }
    if let Some(reason) = &facts.degraded {
        remarks.push(format!("output not kept whole: {reason}"));
    }
    remarks
}

/// Who ended the command, unless the beginning of the line says that already.
fn ender(facts: &CommandFacts<'_>) -> Option<String> {
    match facts.outcome {
        Outcome::TimedOut { .. } | Outcome::Cancelled(_) => None,
        _ => facts.ended_by.map(|by| format!("ended by {}", by.words())),
    }
}

/// Session, job and directory.
fn place(facts: &CommandFacts<'_>) -> String {
    let mut place = format!("session {}", facts.session);
    // A running command's job stands before the parentheses.
    if facts.is_kept && *facts.outcome != Outcome::Running {
        place.push_str(&format!(", job {}", facts.job));
    }
    if let Some(cwd) = facts.cwd {
        place.push_str(&format!(", cwd {}", visible_line(cwd, CWD_MAX_CHARS)));
    }
    place
}

/// Remarks on the shell that a command ran in.
fn shell_remarks(shell: &ShellFacts) -> Vec<String> {
    let visible = |remark: &String| visible_line(remark, REMARK_MAX_CHARS);
    let mut remarks: Vec<_> = shell.remarks.iter().map(visible).collect();
    if let Some(ended) = &shell.ended {
        remarks.push(format!(
            "the shell ended: {ended}; the next ssh_shell starts a new one with the last known directory and exported variables"
        ));
    }
    let background = &shell.background;
    if background.bytes > 0 {
        let kept = (background.stdout.len() + background.stderr.len()) as u64;
        let first = if kept < background.bytes {
            format!(", the first {kept} of them shown last")
        } else {
            ", shown last".to_owned()
        };
        remarks.push(format!(
            "background processes had printed {} since the command before{first}",
            count(background.bytes, "byte")
        ));
    }
    remarks
}

/// Whether `until` matched, and where.
fn until_remark(until: Until) -> String {
    match until.matched {
        Some(at) => format!("until matched at byte {at}"),
        None => "until did not match".to_owned(),
    }
}

/// The bytes that a page passed over, and the call that reads them.
fn before(paging: &Paging, job: &str) -> Option<String> {
    let skipped = paging.skipped?;
    let bytes = count(skipped.bytes, "byte");
    let Some(offset) = skipped.readable_from else {
        return Some(format!("{bytes} before not kept any more"));
    };
    let call = page_call(job, paging.stream, Some(offset));
    Some(format!("{bytes} before not shown: {call}"))
}

/// The bytes behind a page, and the call that reads them.
fn more(paging: &Paging, job: &str) -> Option<String> {
    if paging.remaining == 0 {
        return None;
    }
    let offset = paging.explicit.then_some(paging.next_offset);
    let call = page_call(job, paging.stream, offset);
    Some(format!("{} more: {call}", count(paging.remaining, "byte")))
}

/// The call of `ssh_output` that reads a page.
fn page_call(job: &str, stream: Option<Stream>, offset: Option<u64>) -> String {
    let mut call = format!("ssh_output(job: \"{job}\"");
    if let Some(stream) = stream {
        call.push_str(&format!(", stream: \"{}\"", stream.as_str()));
    }
    if let Some(offset) = offset {
        call.push_str(&format!(", offsetBytes: {offset}"));
    }
    call.push(')');
    call
}

#[cfg(test)]
mod tests;
