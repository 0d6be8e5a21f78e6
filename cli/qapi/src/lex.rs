//! Characters to tokens.

use crate::error::Problem;

/// A token. Comments are tokens only where documentation may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// One of `{ } [ ] : ,`.
    Mark(char),
    String(String),
    Bool(bool),
    /// From `#` to the end of the line.
    Comment(String),
    End,
}

/// Line and column, from 1.
pub(crate) type Place = (u32, u32);

/// Reads tokens from the text of a file.
#[derive(Debug)]
pub(crate) struct Lexer {
    text: String,
    at: usize,
    line: u32,
    line_start: usize,
}

impl Lexer {
    pub(crate) fn new(mut text: String) -> Lexer {
        // Else the end would have no line of its own to be reported on.
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Lexer {
            text,
            at: 0,
            line: 1,
            line_start: 0,
        }
    }

    /// The next token and where it starts. Ordinary comments are skipped, unless `comments`: inside
    /// of documentation each is a line of it. A comment that starts with `##` is never skipped.
    pub(crate) fn next(&mut self, comments: bool) -> Result<(Token, Place), (Problem, Place)> {
        loop {
            let start = self.at;
            let Some(first) = self.text[start..].chars().next() else {
                return Ok((Token::End, self.place(start)));
            };
            self.at += first.len_utf8();
            let token = match first {
                '\n' if self.at == self.text.len() => {
                    // Stay here: the end is read again and again.
                    self.at = start;
                    Token::End
                }
                '\n' => {
                    self.line += 1;
                    self.line_start = self.at;
                    continue;
                }
                space if space.is_whitespace() => continue,
                '#' => {
                    let comment = self.rest_of_line(start);
                    if !comments && !comment.starts_with("##") {
                        continue;
                    }
                    Token::Comment(comment)
                }
                '{' | '}' | '[' | ']' | ':' | ',' => Token::Mark(first),
                '\'' => match self.string() {
                    Ok(text) => Token::String(text),
                    Err(problem) => return Err((problem, self.place(start))),
                },
                _ => match self.word(start) {
                    Some(value) => Token::Bool(value),
                    None => return Err((self.stray(start), self.place(start))),
                },
            };
            return Ok((token, self.place(start)));
        }
    }

    fn place(&self, at: usize) -> Place {
        let before = self.text[self.line_start..at].chars().count();
        (self.line, u32::try_from(before + 1).unwrap_or(u32::MAX))
    }

    fn rest_of_line(&mut self, start: usize) -> String {
        let rest = &self.text[start..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        self.at = start + line.len();
        line.to_owned()
    }

    /// The string whose quote was just read.
    fn string(&mut self) -> Result<String, Problem> {
        let mut text = String::new();
        let mut characters = self.text[self.at..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '\n' => break,
                '\'' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, '\\')) => text.push('\\'),
                    Some((_, '\n')) | None => break,
                    Some((_, other)) => return Err(Problem::UnknownEscape(other)),
                },
                ' '..='~' => text.push(character),
                _ => return Err(Problem::FunnyCharacter),
            }
        }
        Err(Problem::UnterminatedString)
    }

    fn word(&mut self, start: usize) -> Option<bool> {
        for (word, value) in [("true", true), ("false", false)] {
            if self.text[start..].starts_with(word) {
                self.at = start + word.len();
                return Some(value);
            }
        }
        None
    }

    /// Up to what could start another token; at least one character.
    fn stray(&self, start: usize) -> Problem {
        let ends = |c: char| c.is_whitespace() || "[]{}:,'\"".contains(c);
        let rest = &self.text[start..];
        let mut positions = rest.char_indices().skip(1);
        let end = positions
            .find(|(_, c)| ends(*c))
            .map_or(rest.len(), |(at, _)| at);
        Problem::Stray(rest[..end].to_owned())
    }
}
