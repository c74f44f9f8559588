//! The paths of a source file: those that `use` brings in and those that stand in the code.

use super::tokens::{Token, tokens};

/// Words that may stand before a path that begins with `::` and are no part of the path.
const KEYWORDS: [&str; 18] = [
    "as", "async", "await", "box", "break", "const", "dyn", "else", "for", "if", "impl", "in",
    "match", "move", "mut", "return", "where", "while",
];

/// A path as written, with every `use` tree taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundPath {
    /// Its segments; `*` for a glob.
    pub(crate) segments: Vec<String>,
    /// The path begins with `::`, so its first segment is a crate.
    pub(crate) absolute: bool,
    /// Line of the path.
    pub(crate) line: usize,
    /// Inline modules around the path, from the outermost.
    pub(crate) inside: Vec<String>,
    /// The name that a `use` declaration binds; none for a path in the code and for a glob.
    pub(crate) binds: Option<String>,
}

/// Every path of a file: of `use` declarations all, of the code those with more than one segment.
pub(crate) fn paths(source: &str) -> Vec<FoundPath> {
    let mut scan = Scan {
        tokens: tokens(source),
        at: 0,
        depth: 0,
        modules: Vec::new(),
        found: Vec::new(),
    };
    while scan.at < scan.tokens.len() {
        scan.step();
    }
    scan.found
}

struct Scan {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Inline modules that are open, each with the depth of its block.
    modules: Vec<(String, usize)>,
    found: Vec<FoundPath>,
}

impl Scan {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is_sign(&self, ahead: usize, sign: char) -> bool {
        self.token(ahead) == Some(&Token::Sign(sign))
    }

    fn step(&mut self) {
        match self.token(0) {
            Some(Token::Sign('{')) => self.depth += 1,
            Some(Token::Sign('}')) => {
                self.depth = self.depth.saturating_sub(1);
                self.modules.retain(|(_, depth)| *depth <= self.depth);
            }
            Some(Token::PathSep) => return self.code_path(true),
            Some(Token::Word(word)) => match word.as_str() {
                "mod" if self.is_sign(2, '{') => self.open_module(),
                // `pub(in crate::a)` names a module that sees the item, and imports nothing.
                "pub" if self.is_sign(1, '(') && self.word(2) == Some("in") => {
                    while self.token(0).is_some() && !self.is_sign(0, ')') {
                        self.at += 1;
                    }
                }
                // `use<'a, T>` in a type lists the captures of an `impl`.
                "use" if !self.is_sign(1, '<') => {
                    self.at += 1;
                    return self.use_tree(&[], false);
                }
                "extern" if self.word(1) == Some("crate") => {
                    self.at += 2;
                    return self.use_tree(&[], true);
                }
                _ => return self.code_path(false),
            },
            _ => {}
        }
        self.at += 1;
    }

    fn open_module(&mut self) {
        if let Some(name) = self.word(1) {
            let name = name.to_owned();
            // Its brace is the third token, which `step` counts.
            self.modules.push((name, self.depth + 1));
        }
        self.at += 1;
    }

    /// A path in the code. Behind a `.`, or behind the `>` of `<T as Trait>`, there is none to resolve.
    fn code_path(&mut self, absolute: bool) {
        let line = self.tokens[self.at].1;
        let before = self.at.checked_sub(1).map(|at| &self.tokens[at].0);
        let resolvable =
            !(absolute && before == Some(&Token::Sign('>'))) && before != Some(&Token::Sign('.'));
        if absolute {
            self.at += 1;
        }
        let mut segments = Vec::new();
        while let Some(word) = self.word(0) {
            let keyword = segments.is_empty() && KEYWORDS.contains(&word);
            segments.push(word.to_owned());
            self.at += 1;
            if keyword || self.token(0) != Some(&Token::PathSep) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if self.token(0) == Some(&Token::PathSep) && self.word(1).is_none() {
            // A turbofish: the following words are no segments.
            self.at += 1;
        }
        if resolvable && (segments.len() > 1 || absolute && !segments.is_empty()) {
            self.push(segments, absolute, line, None);
        }
    }

    /// A `use` tree behind `prefix`, up to its `,`, `}` or `;`.
    fn use_tree(&mut self, prefix: &[String], absolute: bool) {
        let mut path = prefix.to_vec();
        let mut absolute = absolute;
        let mut alias = None;
        let mut line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        loop {
            match self.token(0).cloned() {
                Some(Token::PathSep) => absolute |= path.is_empty(),
                Some(Token::Word(word)) if word == "as" => {
                    self.at += 1;
                    alias = self.word(0).map(str::to_owned);
                }
                Some(Token::Word(word)) => {
                    line = self.tokens[self.at].1;
                    path.push(word);
                }
                Some(Token::Sign('*')) => path.push("*".to_owned()),
                Some(Token::Sign('{')) => return self.use_group(&path, absolute),
                _ => break,
            }
            self.at += 1;
        }
        // `a::{self}` is `a`; `self` alone is a start.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let last = path.last().filter(|last| *last != "*").cloned();
        if !path.is_empty() {
            self.push(path, absolute, line, alias.or(last));
        }
    }

    fn use_group(&mut self, prefix: &[String], absolute: bool) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.is_sign(0, '}') {
            self.use_tree(prefix, absolute);
            if self.is_sign(0, ',') {
                self.at += 1;
            } else if !self.is_sign(0, '}') {
                return;
            }
        }
        self.at += 1;
    }

    fn push(&mut self, segments: Vec<String>, absolute: bool, line: usize, binds: Option<String>) {
        self.found.push(FoundPath {
            segments,
            absolute,
            line,
            inside: self.modules.iter().map(|(name, _)| name.clone()).collect(),
            binds,
        });
    }
}
