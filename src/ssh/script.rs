//! Turns the commented `.sh` files that run on hosts into the text that is sent.
//!
//! A source is written for readers: one command a line, indented, with comments on lines of their own. The text that
//! is sent has neither comments nor indentation. The sources keep to a few rules, so that no parser is needed: no
//! comment behind a command, no here-document, no quoted text over several lines, no line that ends with a backslash.

/// The commands of a source, one a line, for a shell that reads them from its input.
pub fn lines(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for line in commands(source) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The commands of a source in one line, for `sh -c`.
pub fn one_line(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut before: Option<&str> = None;
    for line in commands(source) {
        text.push_str(before.map_or("", |before| separator(before, line)));
        text.push_str(line);
        before = Some(line);
    }
    text
}

fn commands(source: &str) -> impl Iterator<Item = &str> {
    let lines = source.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Ends of a line after which the command goes on, so that no semicolon may follow.
const OPEN_ENDS: [&str; 10] = [
    "{", "(", "&&", "||", "|", "do", "then", "else", "in", "while",
];

/// The text between two lines in one.
fn separator(line: &str, next: &str) -> &'static str {
    let last_word = line.rsplit(' ').next().unwrap_or_default();
    let is_open = OPEN_ENDS.contains(&last_word) || line.ends_with(";;") || is_pattern(line);
    if is_open || next.starts_with(";;") {
        " "
    } else {
        "; "
    }
}

/// Whether a line is a pattern of a `case`: a text before a parenthesis that the line has not opened.
fn is_pattern(line: &str) -> bool {
    line.len() > 1 && line.ends_with(')') && line.matches(')').count() > line.matches('(').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"#!/bin/sh
# A comment.

x=$(date)
case $x in
a | "b c") echo 1 ;;
*)
    echo 2
    exit
    ;;
esac
f() {
    # Another one.
    while
        true
        [ -n "$x" ] &&
            [ -r "$x" ]
    do
        sleep 1 || {
            echo no
        }
    done | cat
    if true; then
        echo ${#x} ${x#-}
    else
        (
            echo b
        )
    fi
}
"#;

    #[test]
    fn lines_lose_comments_and_indentation_only() {
        let text = lines(SOURCE);
        assert!(text.starts_with("x=$(date)\ncase $x in\na | \"b c\") echo 1 ;;\n*)\necho 2\n"));
        assert!(text.ends_with("echo b\n)\nfi\n}\n"));
        assert!(!text.contains("comment") && !text.contains("\n\n"));
    }

    #[test]
    fn one_line_has_a_semicolon_where_a_command_ends() {
        assert_eq!(
            one_line(SOURCE),
            concat!(
                r#"x=$(date); case $x in a | "b c") echo 1 ;; *) echo 2; exit ;; esac; "#,
                r#"f() { while true; [ -n "$x" ] && [ -r "$x" ]; do sleep 1 || { echo no; }; done | cat; "#,
                "if true; then echo ${#x} ${x#-}; else ( echo b; ); fi; }",
            )
        );
    }
}
