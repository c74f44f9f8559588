//! The guess that a command waits for input: its input is open, its last line looks like a prompt, has no newline, and
//! nothing was printed for a short while. Results say "seems to".

use std::sync::LazyLock;

use regex::Regex;
use tokio::time::sleep_until;

use super::record::JobRecord;
use crate::limits;

/// Bytes of the last line that are examined, its escape sequences included.
const LINE_MAX_BYTES: usize = 1000;
/// Escape sequences of a terminal (ECMA-48) and other control characters.
static CONTROLS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]",
    )
    .ok()
});

/// Last lines of programs that wait for a key or an answer. Fractions, percentages, bars and rates are none.
static PROMPTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^:$|\(END\)$|--More--|^lines \d+-\d+",
        r"|(?:press|hit|type) .*(?:key|enter|return|quit|continue|help)",
        // A question, or a label before an answer, with or without a default value in brackets.
        r"|[:?]$|[:?]\s*[\[(][^\[\]()]*[\])]$",
        // A choice of answers: [Y/n], (yes/no), [y/N/a]
        r"|[\[(](?:[^\[\]()]*/)?(?:y|yes|n|no|a|all|q|quit|c|cancel|abort|retry)(?:/[^\[\]()]*)?[\])]$",
        // Shells and interpreters.
        r"|^\((?:gdb|pdb|lldb)\)$|\$$|(?:^|[^#])#$|(?:^|[^\d\s%])%$|(?:^|[^=\-<])>$|[^=]=>$|^\s*->$|>>>$",
    ))
    .ok()
});

impl JobRecord {
    /// Whether the running job seems to wait for input that nobody has given.
    pub fn is_at_prompt(&self) -> bool {
        self.arrived_long_ago() && self.shows_prompt()
    }

    /// Waits until the job seems to wait for input. Never returns for a job whose input is closed.
    pub async fn wait_for_prompt(&self) {
        let mut arrived = self.output.subscribe();
        loop {
            let quiet_at = arrived.borrow_and_update().at + limits::PROMPT_SILENCE;
            // The sender lives as long as the record, here and below.
            tokio::select! {
                biased;
                _ = arrived.changed() => continue,
                () = sleep_until(quiet_at) => {}
            }
            if self.shows_prompt() {
                return;
            }
            let _ = arrived.changed().await;
        }
    }

    fn arrived_long_ago(&self) -> bool {
        self.output.arrived().at.elapsed() >= limits::PROMPT_SILENCE
    }

    fn shows_prompt(&self) -> bool {
        if self.ended().is_some() || self.input().is_none() || self.is_answered() {
            return false;
        }
        let output = self.output.lock();
        let start = output.len(None).saturating_sub(LINE_MAX_BYTES as u64);
        let page = output.read(None, start, LINE_MAX_BYTES);
        ends_in_prompt(&page.bytes())
    }
}

fn ends_in_prompt(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    let line = text.rsplit('\n').next().unwrap_or_default();
    let (Some(controls), Some(prompts)) = (&*CONTROLS, &*PROMPTS) else {
        return false;
    };
    // A carriage return begins the line anew; one at its end, as some programs write before a prompt, does not.
    let redrawn = line.trim_end_matches('\r').rsplit('\r');
    let line = redrawn
        .map(|part| controls.replace_all(part, "").trim_end().to_owned())
        .next()
        .unwrap_or_default();
    !line.is_empty() && prompts.is_match(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_recognised() {
        let rows: [&[u8]; 34] = [
            b"Password: ",
            b"[sudo] password for al: ",
            b"al@host's password: ",
            b"Enter passphrase for key '/home/al/.ssh/id_ed25519': ",
            b"one\ntwo\n>>> ",
            b"... line\r\n\x1b[?2004h>>> ",
            b"In [1]: ",
            b"Proceed? [y/N] ",
            b"\x1b[1mContinue? [Y/n]\x1b[0m ",
            b"\x1b[1;33mContinue? [Y/n]\x1b(B\x1b[m ",
            b"Do you want to continue? [Y/n] ",
            b"Is this ok [y/N]: ",
            b"Is this ok [y/d/N]: ",
            b"Overwrite (yes/no)",
            b"Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
            b"package name: (demo) ",
            b"Overwrite? [no] ",
            b"What is your name? ",
            b"root@host:~# ",
            b"\x1b]0;al@host: ~\x07al@host:~$ ",
            b"sh-5.2$ ",
            b"host% ",
            b"mysql> ",
            b"    -> ",
            b"postgres=> ",
            b"postgres=# ",
            b"sftp> ",
            b"(gdb) ",
            b"(Pdb) ",
            b"\x1b[7m--More--(45%)\x1b[27m",
            b"last\r\n\x1b[7m(END)\x1b[27m\x1b[K",
            b"line 23\r\n:\x1b[K",
            b"Press any key to continue . . . ",
            b"\x1b[7m Manual page ls(1) line 1 (press h for help or q to quit)\x1b[27m",
        ];
        for tail in rows {
            assert!(ends_in_prompt(tail), "{}", String::from_utf8_lossy(tail));
        }
    }

    #[test]
    fn progress_is_no_prompt() {
        let rows: [&[u8]; 22] = [
            b"done\n",
            b"Password:\n",
            b"",
            b"\x1b[0m",
            b"compiling 12 of 80",
            b"compiling (12/80)",
            b"compiling [12/80]",
            b"\rReceiving objects:  45% (450/1000)",
            b"\rReceiving objects:  45%",
            b" 45 %",
            b"\r[=====>    ]",
            b"\r[=====>",
            b"\r[##########          ] 45%",
            b"###########",
            b"\r----->",
            b"\r 45%|####      | 45/100 [00:01<00:02, 30.1it/s]",
            b"1.2 MB (3.4 MB/s)",
            b"1.2 MB [3.4 MB/s]",
            b"\r| working",
            b"\r/",
            b"Working...",
            b"\x1b[2K\x1b[1Gfetch [4/4]",
        ];
        for tail in rows {
            assert!(!ends_in_prompt(tail), "{}", String::from_utf8_lossy(tail));
        }
    }
}
