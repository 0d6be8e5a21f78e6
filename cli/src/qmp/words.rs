//! Parses `COMMAND key=value ...`, with the types of the schema.

use serde_json::{Map, Value};

use super::schema::{Argument, Kind, Schema};

/// The arguments of a command, from words `key=value`; `None` without any words.
///
/// # Errors
/// A word that is not valid: its key is unknown, or its value has the wrong type.
pub(crate) fn arguments(
    schema: &Schema,
    command: &str,
    words: &[String],
) -> Result<Option<Map<String, Value>>, String> {
    let known = schema.arguments(command).unwrap_or_default();
    let mut arguments = Map::new();
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(format!("`{word}`: expected KEY=VALUE{}", keys(known)));
        };
        let argument = known.iter().find(|argument| argument.name == key);
        // An unknown key is passed on: the monitor answers that it is unexpected.
        let kind = argument.map_or(&Kind::Text, |argument| &argument.kind);
        let value =
            typed(kind, value).map_err(|expected| format!("`{word}`: expected {expected}"))?;
        if arguments.insert(key.to_owned(), value).is_some() {
            return Err(format!("`{word}`: {key} is there twice"));
        }
    }
    Ok((!arguments.is_empty()).then_some(arguments))
}

fn keys(known: &[Argument]) -> String {
    let show = |argument: &Argument| match argument.optional {
        true => format!("[{}=]", argument.name),
        false => format!("{}=", argument.name),
    };
    match known {
        [] => String::new(),
        known => format!(
            "; it takes {}",
            known.iter().map(show).collect::<Vec<_>>().join(" ")
        ),
    }
}

fn typed(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(text.into()),
        Kind::Integer => integer(text).ok_or_else(|| "an integer, such as 42 or 0x2a".to_owned()),
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            _ => Err("a number".to_owned()),
        },
        Kind::Boolean => match text {
            "true" | "on" | "yes" => Ok(true.into()),
            "false" | "off" | "no" => Ok(false.into()),
            _ => Err("true or false".to_owned()),
        },
        Kind::Enum(values) => match values.iter().any(|value| value == text) {
            true => Ok(text.into()),
            false => Err(format!("one of {}", values.join(", "))),
        },
        Kind::List(_) if text.starts_with('[') => json(text),
        Kind::List(_) if text.is_empty() => Ok(Value::Array(Vec::new())),
        Kind::List(element) => text.split(',').map(|text| typed(element, text)).collect(),
        Kind::Other => json(text),
    }
}

fn integer(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    let signed = text.parse::<i64>().ok().map(Value::from);
    signed.or_else(|| text.parse::<u64>().ok().map(Value::from))
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("JSON: {error}"))
}

/// Splits a line into words at white space. Quotes keep a word with white space together.
///
/// # Errors
/// A quote that is not closed.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in line.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            Some(_) => word.get_or_insert_default().push(char),
            None if char == '"' || char == '\'' => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            None if char.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(char),
        }
    }
    match quote {
        Some(open) => Err(format!("a {open} is not closed")),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

/// Completes the word at the end of the line. Returns where it begins, and the candidates.
pub(crate) fn complete(schema: &Schema, line: &str) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = &line[start..];
    let earlier: Vec<&str> = line[..start].split_whitespace().collect();
    let Some(command) = earlier.first() else {
        return (
            start,
            matching(word, schema.names().map(|name| format!("{name} "))),
        );
    };
    let known = schema.arguments(command).unwrap_or_default();
    if let Some((key, value)) = word.split_once('=') {
        let values = match known.iter().find(|argument| argument.name == key) {
            Some(Argument {
                kind: Kind::Enum(values),
                ..
            }) => values.clone(),
            Some(Argument {
                kind: Kind::Boolean,
                ..
            }) => vec!["false".into(), "true".into()],
            _ => Vec::new(),
        };
        return (start + key.len() + 1, matching(value, values.into_iter()));
    }
    let given = |name: &str| {
        let mut given = earlier.iter().filter_map(|word| word.split_once('='));
        given.any(|(key, _)| key == name)
    };
    let names = known
        .iter()
        .map(|argument| &argument.name)
        .filter(|name| !given(name));
    (start, matching(word, names.map(|name| format!("{name}="))))
}

fn matching(begin: &str, candidates: impl Iterator<Item = String>) -> Vec<String> {
    candidates
        .filter(|candidate| candidate.starts_with(begin))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::schema::tests::small;
    use super::*;
    use serde_json::json;

    fn typed(words: &[&str]) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments(&small(), "go", &words)
            .map(|arguments| arguments.map_or(Value::Null, Value::Object))
    }

    #[test]
    fn values_are_typed() {
        let found = typed(&[
            "to=0x10",
            "far=on",
            "how=fast",
            "with=a,b",
            "what={\"x\": 1}",
            "name=1",
            "speed=1.5",
        ]);
        let wanted = json!({"to": 16, "far": true, "how": "fast", "with": ["a", "b"],
                            "what": {"x": 1},
                            "name": "1", "speed": 1.5});
        assert_eq!(found, Ok(wanted));
        assert_eq!(typed(&[]), Ok(json!(null)));
        assert_eq!(
            typed(&["with=", "new=1"]),
            Ok(json!({"with": [], "new": "1"}))
        );
        assert_eq!(
            typed(&["with=[\"a,b\"]", "name=x=y"]),
            Ok(json!({"with": ["a,b"], "name": "x=y"}))
        );
        assert_eq!(
            typed(&["to=-9223372036854775808"]),
            Ok(json!({"to": i64::MIN}))
        );
    }

    #[test]
    fn words_that_are_none() {
        for (word, wanted) in [
            ("to", "`to`: expected KEY=VALUE; it takes to= [far=] [how=]"),
            ("to=x", "expected an integer"),
            ("to=1.5", "expected an integer"),
            ("far=2", "expected true or false"),
            ("how=quick", "expected one of fast, slow"),
            ("what=x", "expected JSON: "),
            ("speed=inf", "expected a number"),
        ] {
            let error = typed(&[word]).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(typed(&["to=1", "to=2"]).unwrap_err().contains("twice"));
    }

    #[test]
    fn lines() {
        assert_eq!(
            split(" a  b='c d' \"\" e").unwrap(),
            ["a", "b=c d", "", "e"]
        );
        assert!(split("a 'b").is_err());
    }

    #[test]
    fn completion() {
        let complete = |line| complete(&small(), line);
        assert_eq!(
            complete(""),
            (0, vec!["go ".to_owned(), "stop ".to_owned()])
        );
        assert_eq!(complete("s"), (0, vec!["stop ".to_owned()]));
        assert_eq!(complete("go to=1 f"), (8, vec!["far=".to_owned()]));
        assert_eq!(complete("go to=1 t"), (8, vec![]));
        assert_eq!(
            complete("go how="),
            (7, vec!["fast".to_owned(), "slow".to_owned()])
        );
        assert_eq!(complete("go far=t"), (7, vec!["true".to_owned()]));
        assert_eq!(complete("nope x"), (5, vec![]));
    }
}
