//! Rust source as words and signs: a lexer that is just good enough to find paths. Comments and literals hold none.

/// A part of a path, or a sign that ends a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or keyword; a raw one without its `r#`.
    Word(String),
    /// `::`
    PathSep,
    /// Any other sign.
    Sign(char),
    /// A string, character, number or lifetime.
    Literal,
}

/// The tokens of a file, each with its line.
pub(crate) fn tokens(source: &str) -> Vec<(Token, usize)> {
    let mut lexer = Lexer {
        rest: source.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    while let Some(c) = lexer.peek(0) {
        let line = lexer.line;
        if let Some(token) = lexer.token(c) {
            found.push((token, line));
        }
    }
    found
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, condition: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&condition) {
            self.skip(1);
        }
    }

    /// Reads one token; nothing for blanks and comments.
    fn token(&mut self, first: char) -> Option<Token> {
        match (first, self.peek(1)) {
            (c, _) if c.is_whitespace() => {
                self.skip(1);
                None
            }
            ('/', Some('/')) => {
                self.skip_while(|c| c != '\n');
                None
            }
            ('/', Some('*')) => {
                self.block_comment();
                None
            }
            ('"', _) => Some(self.string()),
            ('\'', _) => Some(self.quote()),
            (':', Some(':')) => {
                self.skip(2);
                Some(Token::PathSep)
            }
            (c, _) if c.is_ascii_digit() => {
                self.skip_while(is_word);
                Some(Token::Literal)
            }
            (c, _) if is_word(c) => Some(self.word()),
            (c, _) => {
                self.skip(1);
                Some(Token::Sign(c))
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                }
                (Some(_), _) => self.skip(1),
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) -> Token {
        self.skip(1);
        loop {
            match self.peek(0) {
                Some('\\') => self.skip(2),
                Some('"') | None => break,
                Some(_) => self.skip(1),
            }
        }
        self.skip(1);
        Token::Literal
    }

    /// A character or a lifetime: `'a'` has its second quote two characters on, `'a` has not.
    fn quote(&mut self) -> Token {
        self.skip(1);
        if self.peek(0) == Some('\\') {
            self.skip(2);
            self.skip_while(|c| c != '\'');
            self.skip(1);
        } else if self.peek(1) == Some('\'') {
            self.skip(2);
        } else {
            self.skip_while(is_word);
        }
        Token::Literal
    }

    /// An identifier, or the literal with this prefix.
    fn word(&mut self) -> Token {
        let start = self.at;
        self.skip_while(is_word);
        let word: String = self.rest[start..self.at].iter().collect();
        let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
        match self.peek(0) {
            Some('"') if prefix && !word.ends_with('r') => self.string(),
            Some('\'') if word == "b" => self.quote(),
            Some('"' | '#') if prefix && word.ends_with('r') => self.raw(),
            _ => Token::Word(word),
        }
    }

    /// `r"…"`, `r##"…"##` or `r#identifier`.
    fn raw(&mut self) -> Token {
        let mut hashes = 0;
        while self.peek(hashes) == Some('#') {
            hashes += 1;
        }
        self.skip(hashes);
        if self.peek(0) != Some('"') {
            return match self.peek(0) {
                Some(c) if is_word(c) => self.word(),
                _ => Token::Literal,
            };
        }
        self.skip(1);
        let ends = |lexer: &Self| (0..hashes).all(|n| lexer.peek(n + 1) == Some('#'));
        while self.peek(0).is_some_and(|c| c != '"' || !ends(self)) {
            self.skip(1);
        }
        self.skip(1 + hashes);
        Token::Literal
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
