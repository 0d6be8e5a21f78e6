//! Splits Rust text into tokens. Comments are dropped, and a quoted text is one token.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// The text between the quotes of a string or a character.
    Quoted(String),
    /// `::`
    Path,
    /// Any other character that is no white space.
    Mark(char),
}

impl Token {
    pub(crate) fn is(&self, mark: char) -> bool {
        *self == Token::Mark(mark)
    }

    pub(crate) fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Token::Word(word) if word == wanted)
    }
}

/// All tokens of a text, each with the number of its line.
pub(crate) fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut lexer = Lexer {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    loop {
        lexer.skip_blank();
        let line = lexer.line;
        match lexer.token() {
            Some(token) => found.push((line, token)),
            None => return found,
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn starts_with(&self, wanted: &str) -> bool {
        wanted
            .chars()
            .enumerate()
            .all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    /// Skips white space and comments; block comments nest.
    fn skip_blank(&mut self) {
        let mut depth = 0;
        loop {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if depth > 0 && self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else if depth == 0 && self.starts_with("//") {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else if !self.peek(0).is_some_and(|c| depth > 0 || c.is_whitespace()) {
                return;
            } else {
                self.bump();
            }
        }
    }

    fn token(&mut self) -> Option<Token> {
        if let Some((prefix, hashes)) = self.raw_string() {
            self.at += prefix + hashes + 1;
            return Some(self.until(&format!("\"{}", "#".repeat(hashes)), false));
        }
        let c = self.peek(0)?;
        let lifetime = c == '\'' && self.peek(1) != Some('\\') && self.peek(2) != Some('\'');
        match c {
            '"' => {
                self.at += 1;
                Some(self.until("\"", true))
            }
            '\'' if !lifetime => {
                self.at += 1;
                Some(self.until("'", true))
            }
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Some(Token::Path)
            }
            c if is_name(c) => Some(self.word()),
            _ => self.bump().map(Token::Mark),
        }
    }

    /// The length of `r`, `br` or `cr` at the start of a raw string, and the number of `#` after
    /// it.
    fn raw_string(&self) -> Option<(usize, usize)> {
        let prefix = ["r", "br", "cr"]
            .iter()
            .find(|prefix| {
                self.starts_with(prefix) && matches!(self.peek(prefix.len()), Some('#' | '"'))
            })?
            .len();
        let hashes = (prefix..)
            .take_while(|ahead| self.peek(*ahead) == Some('#'))
            .count();
        (self.peek(prefix + hashes) == Some('"')).then_some((prefix, hashes))
    }

    /// Takes the text up to `end`, and skips `end`.
    fn until(&mut self, end: &str, escapes: bool) -> Token {
        let mut quoted = String::new();
        while self.at < self.chars.len() && !self.starts_with(end) {
            if escapes && self.peek(0) == Some('\\') {
                quoted.extend(self.bump());
            }
            quoted.extend(self.bump());
        }
        self.at += end.len();
        Token::Quoted(quoted)
    }

    fn word(&mut self) -> Token {
        // `r#type` is the name `type`.
        if self.starts_with("r#") {
            self.at += 2;
        }
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| is_name(*c)) {
            word.push(c);
            self.at += 1;
        }
        Token::Word(word)
    }
}

#[test]
fn text_is_cut_into_tokens() {
    let text = "use a::{b}; // crate::x\n/* crate::y /* z */ */ r#type 'a' '\\'' b\"\\\"c\" \
                r##\"d\"#e\"## &'q str";
    let found: Vec<String> = tokens(text)
        .into_iter()
        .map(|(line, token)| match token {
            Token::Word(word) => format!("{line}{word}"),
            Token::Quoted(text) => format!("{line}<{text}>"),
            Token::Path => "::".to_owned(),
            Token::Mark(mark) => mark.to_string(),
        })
        .collect();
    // The `b` of a byte string becomes a word, which does no harm.
    let expected = "1use 1a :: { 1b } ; 2type 2<a> 2<\\'> 2b 2<\\\"c> 2<d\"#e> & ' 2q 2str";
    assert_eq!(found.join(" "), expected);
}
