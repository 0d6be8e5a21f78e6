//! The values of string and number tokens.

use super::JsonError;
use serde_json::{Number, Value};

/// The text of a string token, with its escapes resolved.
pub(super) fn decode(raw: &[u8]) -> Result<String, JsonError> {
    let raw = std::str::from_utf8(raw)
        .map_err(|_| JsonError::Syntax("invalid UTF-8 sequence in string"))?;
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escaped.chars();
        let char = match chars.next() {
            Some(char @ ('"' | '\'' | '\\' | '/')) => char,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (char, behind) = unicode(chars.as_str())?;
                text.push(char);
                rest = behind;
                continue;
            }
            _ => return Err(JsonError::Syntax("invalid escape sequence in string")),
        };
        text.push(char);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Ok(text)
}

/// The character of a `\u` escape, and the text after it.
fn unicode(rest: &str) -> Result<(char, &str), JsonError> {
    let wrong = || JsonError::Unicode(format!("\\u{}", rest.chars().take(4).collect::<String>()));
    let (first, behind) = unit(rest).ok_or_else(wrong)?;
    if let Some(char) = char::from_u32(u32::from(first)) {
        return Ok((char, behind));
    }
    // A half of a surrogate pair: the other half must follow.
    let pair = behind.strip_prefix("\\u").and_then(unit);
    let (second, behind) = pair.ok_or_else(wrong)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(char)) => Ok((char, behind)),
        _ => Err(wrong()),
    }
}

/// The value of four hexadecimal digits, and the text after them.
fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| all)?;
    Some((unit, behind))
}

/// The value of a number token: an integer if 64 bits hold it exactly.
pub(super) fn number(raw: Vec<u8>) -> Result<Value, JsonError> {
    let text = String::from_utf8(raw).unwrap_or_default();
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Ok(integer.into());
    }
    let float = text.parse().ok().and_then(Number::from_f64);
    float.map(Value::Number).ok_or(JsonError::Number(text))
}
