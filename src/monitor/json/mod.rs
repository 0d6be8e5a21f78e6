//! JSON as the monitor's clients write it: requests one after the other, with or without white
//! space between them.
//!
//! [`Stream`] takes bytes as they come. It gives a value, or an error, as soon as a request ends,
//! which is when its brackets are closed. Beyond RFC 8259, strings may stand in single quotes.
//! [`line()`] writes a reply.

mod build;
mod lex;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use write::line;

use build::Builder;
use lex::Lexer;
use serde_json::Value;

/// The largest number of open brackets.
pub const MAX_NESTING: usize = 1024;
/// The largest number of tokens in a request.
pub const MAX_TOKENS: usize = 2 << 20;
/// The largest number of bytes in a request, without white space outside of strings.
pub const MAX_BYTES: usize = 64 << 20;

/// The error of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Bytes that are no token, or that end a token in its middle.
    #[error("JSON parse error, stray '{0}'")]
    Stray(String),
    /// A word other than `true`, `false`, `null`.
    #[error("JSON parse error, invalid keyword '{0}'")]
    Keyword(String),
    /// A `\u` escape that is not valid.
    #[error("JSON parse error, {0} is not a valid Unicode character")]
    Unicode(String),
    /// A number that 64 bits of floating point cannot hold.
    #[error("JSON parse error, number {0} is out of range")]
    Number(String),
    /// A token in the wrong place, and the token that was expected.
    #[error("JSON parse error, {0}")]
    Syntax(&'static str),
    /// A request that is too large.
    #[error("JSON {0} limit exceeded")]
    Limit(&'static str),
}

/// The input of one connection.
#[derive(Debug, Default)]
pub struct Stream {
    lexer: Lexer,
    builder: Builder,
    /// Number of bytes in the present request.
    bytes: usize,
    tokens: usize,
}

impl Stream {
    /// Takes bytes from `input` until a request ends in them; `None`: all bytes are taken.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Value, JsonError>> {
        while let Some((&byte, rest)) = input.split_first() {
            let step = self.lexer.step(byte);
            if step.taken {
                *input = rest;
                self.bytes += usize::from(!self.lexer.is_between());
            }
            let result = match step.token {
                Some(token) => self.token(token),
                None if self.bytes > MAX_BYTES => Some(Err(JsonError::Limit("token size"))),
                None => None,
            };
            if let Some(result) = result {
                if matches!(result, Err(JsonError::Limit(_))) {
                    self.lexer.skip();
                }
                (self.bytes, self.tokens) = (0, 0);
                self.builder = Builder::default();
                return Some(result);
            }
        }
        None
    }

    fn token(&mut self, token: lex::Token) -> Option<Result<Value, JsonError>> {
        self.bytes += 1;
        self.tokens += 1;
        if self.tokens > MAX_TOKENS {
            return Some(Err(JsonError::Limit("token count")));
        }
        self.builder.token(token)
    }
}
