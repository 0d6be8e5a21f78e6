//! JSON as the monitor's clients write it: requests one after the other, with or without anything
//! between them.
//!
//! [`Stream`] takes bytes as they come and gives a value, or what is wrong, as soon as a request
//! ends: when its brackets are closed. Beyond RFC 8259, strings may stand in single quotes.
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

/// Brackets that are open at once, at most.
pub const MAX_NESTING: usize = 1024;
/// Tokens of one request, at most.
pub const MAX_TOKENS: usize = 2 << 20;
/// Bytes of one request, at most; white space outside of strings is not counted.
pub const MAX_BYTES: usize = 64 << 20;

/// What is wrong in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Bytes that begin no token, or end one in its middle.
    #[error("JSON parse error, stray '{0}'")]
    Stray(String),
    /// A word other than `true`, `false`, `null`.
    #[error("JSON parse error, invalid keyword '{0}'")]
    Keyword(String),
    /// A `\u` escape that is none.
    #[error("JSON parse error, {0} is not a valid Unicode character")]
    Unicode(String),
    /// Beyond what 64 bits of floating point can hold.
    #[error("JSON parse error, number {0} is out of range")]
    Number(String),
    /// A token in the wrong place, and what was expected.
    #[error("JSON parse error, {0}")]
    Syntax(&'static str),
    /// A request that is too large.
    #[error("JSON {0} limit exceeded")]
    Limit(&'static str),
}

/// What comes in on one connection.
#[derive(Debug, Default)]
pub struct Stream {
    lexer: Lexer,
    builder: Builder,
    /// Bytes and tokens of the request so far.
    bytes: usize,
    tokens: usize,
}

impl Stream {
    /// Takes bytes from `input` until a request ends in them; `None`: all of them are taken.
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
