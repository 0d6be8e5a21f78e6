//! Builds values from tokens.

use super::lex::{Bracket, Token};
use super::{JsonError, MAX_NESTING, text};
use serde_json::{Map, Value};

/// A list or an object whose bracket is open.
#[derive(Debug)]
enum Open {
    List(Vec<Value>),
    Dict(Map<String, Value>, Option<String>),
}

/// The tokens that may come next in the innermost bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Want {
    /// A value.
    #[default]
    Value,
    /// A value or the end of a list: after `[`.
    ValueOrEnd,
    /// A key or the end of an object: after `{`.
    KeyOrEnd,
    /// A key: after a comma.
    Key,
    /// A colon.
    Colon,
    /// A comma or the end of the list or object.
    CommaOrEnd,
}

/// The value as far as it is built.
#[derive(Debug, Default)]
pub(super) struct Builder {
    open: Vec<Open>,
    want: Want,
    /// The first error. Of the rest of the request, only its end is looked for.
    error: Option<JsonError>,
}

impl Builder {
    /// Takes a token. Returns the result if the request ends with it.
    pub(super) fn token(&mut self, token: Token) -> Option<Result<Value, JsonError>> {
        match token {
            // The end of the request is unknown after such bytes, so it ends here.
            Token::Stray(bytes) => Some(Err(JsonError::Stray(shown(&bytes)))),
            Token::Open(_) if self.open.len() == MAX_NESTING => {
                Some(Err(JsonError::Limit("nesting depth")))
            }
            Token::Open(bracket) => {
                if !matches!(self.want, Want::Value | Want::ValueOrEnd) {
                    self.wrong(true);
                }
                let (open, want) = match bracket {
                    Bracket::List => (Open::List(Vec::new()), Want::ValueOrEnd),
                    Bracket::Dict => (Open::Dict(Map::new(), None), Want::KeyOrEnd),
                };
                self.open.push(open);
                self.want = want;
                None
            }
            Token::Close(bracket) => self.close(bracket),
            Token::Comma => match self.want {
                Want::CommaOrEnd => {
                    self.want = match self.open.last() {
                        Some(Open::Dict(..)) => Want::Key,
                        _ => Want::Value,
                    };
                    None
                }
                _ => self.wrong(false),
            },
            Token::Colon if self.want == Want::Colon => {
                self.want = Want::Value;
                None
            }
            Token::Colon => self.wrong(false),
            Token::Text(raw) => match (text::decode(&raw), self.want) {
                (Err(error), _) => self.fail(error),
                (Ok(key), Want::Key | Want::KeyOrEnd) => self.key(key),
                (Ok(text), _) => self.value(text.into()),
            },
            Token::Number(raw) => match text::number(raw) {
                Ok(number) => self.value(number),
                Err(error) => self.fail(error),
            },
            Token::Word(word) => match word.as_slice() {
                b"null" => self.value(Value::Null),
                b"true" => self.value(true.into()),
                b"false" => self.value(false.into()),
                _ => self.fail(JsonError::Keyword(shown(&word))),
            },
        }
    }

    fn key(&mut self, key: String) -> Option<Result<Value, JsonError>> {
        if let Some(Open::Dict(map, waiting)) = self.open.last_mut() {
            if map.contains_key(&key) {
                return self.fail(JsonError::Syntax("duplicate key"));
            }
            *waiting = Some(key);
        }
        self.want = Want::Colon;
        None
    }

    fn value(&mut self, value: Value) -> Option<Result<Value, JsonError>> {
        if !matches!(self.want, Want::Value | Want::ValueOrEnd) {
            return self.wrong(true);
        }
        self.want = Want::CommaOrEnd;
        match self.open.last_mut() {
            None => return Some(self.error.take().map_or(Ok(value), Err)),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Dict(map, key)) => {
                if let Some(key) = key.take() {
                    map.insert(key, value);
                }
            }
        }
        None
    }

    fn close(&mut self, bracket: Bracket) -> Option<Result<Value, JsonError>> {
        let found = match self.open.last() {
            Some(Open::List(_)) => Bracket::List,
            Some(Open::Dict(..)) => Bracket::Dict,
            None => return self.wrong(false),
        };
        let may_end = matches!(
            self.want,
            Want::CommaOrEnd | Want::ValueOrEnd | Want::KeyOrEnd
        );
        if !may_end || found != bracket {
            self.wrong(false);
        }
        let value = match self.open.pop()? {
            Open::List(items) => Value::Array(items),
            Open::Dict(map, _) => Value::Object(map),
        };
        if found != bracket {
            // The brackets do not match, so they cannot tell where the request ends. It ends here.
            self.open.clear();
        }
        self.want = Want::Value;
        self.value(value)
    }

    /// Notes a syntax error. `value`: the token begins a value.
    fn wrong(&mut self, value: bool) -> Option<Result<Value, JsonError>> {
        let list = matches!(self.open.last(), Some(Open::List(_)));
        self.fail(JsonError::Syntax(match self.want {
            Want::Value | Want::ValueOrEnd => "expecting value",
            Want::KeyOrEnd | Want::Key if !value => "expecting value",
            Want::KeyOrEnd | Want::Key => "key is not a string in object",
            Want::Colon => "missing : in object pair",
            Want::CommaOrEnd if list => "expected separator in list",
            Want::CommaOrEnd => "expected separator in dict",
        }))
    }

    /// Notes an error. Outside of all brackets, the request ends with it.
    fn fail(&mut self, error: JsonError) -> Option<Result<Value, JsonError>> {
        let error = self.error.take().unwrap_or(error);
        if self.open.is_empty() {
            return Some(Err(error));
        }
        self.error = Some(error);
        None
    }
}

/// The first bytes of a token, for a message.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect()
}
