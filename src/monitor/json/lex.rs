//! Splits bytes into tokens, one byte at a time.

/// The kind of a bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bracket {
    /// `[ ]`
    List,
    /// `{ }`
    Dict,
}

/// A token. Its text is that of the input; strings are without their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open(Bracket),
    Close(Bracket),
    Comma,
    Colon,
    Text(Vec<u8>),
    Number(Vec<u8>),
    Word(Vec<u8>),
    /// Bytes that are no token.
    Stray(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Between,
    /// Inside a string with this quote.
    Text(u8),
    /// After a backslash in that string.
    Escape(u8),
    Word,
    Minus,
    /// After a zero at the start of a number: no digit may follow.
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// After bytes that are no token: the input is skipped until a request may begin.
    Skip,
}

/// The result of one byte.
pub(super) struct Step {
    /// False if the byte must be offered again.
    pub(super) taken: bool,
    /// A token that has ended.
    pub(super) token: Option<Token>,
}

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Lexer {
    state: State,
    /// The bytes of the present token.
    text: Vec<u8>,
}

/// True for bytes that occur in no token, by which a client can always start afresh. 0xFE and 0xFF
/// do not occur in UTF-8.
fn resets(byte: u8) -> bool {
    !(0x20..0xfe).contains(&byte)
}

impl Lexer {
    /// True if no token has begun.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Between | State::Skip)
    }

    /// Skips input until a request may begin.
    pub(super) fn skip(&mut self) {
        self.text = Vec::new();
        self.state = State::Skip;
    }

    /// Takes one byte.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        use State::*;
        match (self.state, byte) {
            (Between, _) => self.begin(byte),
            (Skip, _) if resets(byte) || byte == b'{' => {
                self.state = Between;
                Step {
                    taken: false,
                    token: None,
                }
            }
            (Skip, _) => Step {
                taken: true,
                token: None,
            },
            (Text(_) | Escape(_), _) if resets(byte) => self.stray(byte),
            (Text(quote), _) if byte == quote => self.end(true, Token::Text),
            (Text(quote), b'\\') => self.go_on(byte, Escape(quote)),
            (Text(quote) | Escape(quote), _) => self.go_on(byte, Text(quote)),
            (Word, b'a'..=b'z') => self.go_on(byte, Word),
            (Word, _) => self.end(false, Token::Word),
            (Minus, b'0') => self.go_on(byte, Zero),
            (Minus | Digits, b'0'..=b'9') => self.go_on(byte, Digits),
            (Zero | Digits, b'.') => self.go_on(byte, Point),
            (Point | Fraction, b'0'..=b'9') => self.go_on(byte, Fraction),
            (Zero | Digits | Fraction, b'e' | b'E') => self.go_on(byte, Exponent),
            (Exponent, b'+' | b'-') => self.go_on(byte, ExponentSign),
            (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => {
                self.go_on(byte, ExponentDigits)
            }
            (Zero, b'0'..=b'9') | (Minus | Point | Exponent | ExponentSign, _) => self.stray(byte),
            (Zero | Digits | Fraction | ExponentDigits, _) => self.end(false, Token::Number),
        }
    }

    fn begin(&mut self, byte: u8) -> Step {
        let token = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => None,
            b'{' => Some(Token::Open(Bracket::Dict)),
            b'}' => Some(Token::Close(Bracket::Dict)),
            b'[' => Some(Token::Open(Bracket::List)),
            b']' => Some(Token::Close(Bracket::List)),
            b',' => Some(Token::Comma),
            b':' => Some(Token::Colon),
            b'"' | b'\'' => {
                self.state = State::Text(byte);
                None
            }
            b'-' => return self.go_on(byte, State::Minus),
            b'0' => return self.go_on(byte, State::Zero),
            b'1'..=b'9' => return self.go_on(byte, State::Digits),
            b'a'..=b'z' => return self.go_on(byte, State::Word),
            _ => return self.stray(byte),
        };
        Step { taken: true, token }
    }

    fn go_on(&mut self, byte: u8, state: State) -> Step {
        self.text.push(byte);
        self.state = state;
        Step {
            taken: true,
            token: None,
        }
    }

    fn end(&mut self, taken: bool, token: fn(Vec<u8>) -> Token) -> Step {
        self.state = State::Between;
        Step {
            taken,
            token: Some(token(std::mem::take(&mut self.text))),
        }
    }

    fn stray(&mut self, byte: u8) -> Step {
        if let State::Text(quote) | State::Escape(quote) = self.state {
            self.text.insert(0, quote);
        }
        self.text.push(byte);
        let step = self.end(true, Token::Stray);
        self.state = State::Skip;
        step
    }
}
