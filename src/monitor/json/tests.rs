//! Compares the parser with a real server (QEMU 7.2), and with serde_json.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Parses these bytes, offered in pieces of this size.
fn parse(input: &[u8], piece: usize) -> Vec<Result<Value, String>> {
    let mut stream = Stream::default();
    let mut found = Vec::new();
    for mut piece in input.chunks(piece) {
        while let Some(result) = stream.next(&mut piece) {
            found.push(result.map_err(|error| error.to_string()));
        }
        assert!(piece.is_empty());
    }
    found
}

#[track_caller]
fn check(input: &[u8], wanted: &[Result<Value, &str>]) {
    for piece in [1, 2, 3, input.len().max(1)] {
        let found = parse(input, piece);
        let wanted: Vec<_> = wanted
            .iter()
            .cloned()
            .map(|one| one.map_err(str::to_owned))
            .collect();
        assert_eq!(
            found,
            wanted,
            "{:?} in pieces of {piece}",
            String::from_utf8_lossy(input)
        );
    }
}

#[test]
fn values() {
    check(
        br#"{"a": [1, -2, 1.5, true, null], 'b': 'it"s \' '}"#,
        &[Ok(json!({"a": [1, -2, 1.5, true, null], "b": "it\"s ' "}))],
    );
    check(b"{}[]{}", &[Ok(json!({})), Ok(json!([])), Ok(json!({}))]);
    check(
        b"1 \"x\"true nul",
        &[Ok(json!(1)), Ok(json!("x")), Ok(json!(true))],
    );
    let max = json!([i64::MIN, i64::MAX, u64::MAX, 18446744073709551616.0, 0]);
    check(
        b"[-9223372036854775808, 9223372036854775807, 18446744073709551615, \
        18446744073709551616, -0]",
        &[Ok(max)],
    );
    check(
        br#"["\u00e9\ud83d\ude00\u0000\/\b\f\n\r\t\\", "\uFFFF"]"#,
        &[Ok(json!(["é😀\0/\u{8}\u{c}\n\r\t\\", "\u{ffff}"]))],
    );
    check("[\"é😀\u{7f}\"]".as_bytes(), &[Ok(json!(["é😀\u{7f}"]))]);
}

#[test]
fn errors_are_those_of_a_real_server() {
    for (input, wanted) in [
        (&b"- "[..], "stray '- '"),
        (b"01", "stray '01'"),
        (b"1.}", "stray '1.}'"),
        (b"{\"a\":1.5e}", "stray '1.5e}'"),
        (b"1.5e+{", "stray '1.5e+{'"),
        (b"{\"a\n", "stray '\"a\n'"),
        (b"{\"a\xff", "stray '\"a\u{fffd}'"),
        (b"\"a\\\n", "stray '\"a\\\n'"),
        (b"{\"a\" \x01", "stray '\u{1}'"),
        (b"\xff", "stray '\u{fffd}'"),
        (b"{]", "expecting value"),
        (b"}", "expecting value"),
        (b",", "expecting value"),
        (b":", "expecting value"),
        (b"{\"a\":1,}", "expecting value"),
        (b"{\"a\":}", "expecting value"),
        (b"{,}", "expecting value"),
        (b"[,]", "expecting value"),
        (b"[1,]", "expecting value"),
        (b"{\"a\" 1}", "missing : in object pair"),
        (b"{\"a\" , 1}", "missing : in object pair"),
        (b"{\"a\":1 \"b\":2}", "expected separator in dict"),
        (b"[1 2]", "expected separator in list"),
        (b"{\"a\":[1}", "expected separator in list"),
        (b"{1:2}", "key is not a string in object"),
        (b"{\"a\":nul}", "invalid keyword 'nul'"),
        (b"{\"a\":tru true}", "invalid keyword 'tru'"),
        (b"{\"a\":1,\"a\":2}", "duplicate key"),
        (b"{\"a\":\"\\x\"}", "invalid escape sequence in string"),
        (b"{\"a\":\"\\v\"}", "invalid escape sequence in string"),
        (
            b"{\"a\":\"\\u12\"}",
            "\\u12 is not a valid Unicode character",
        ),
        (
            b"{\"a\":\"\\u+123\"}",
            "\\u+123 is not a valid Unicode character",
        ),
        (
            b"{\"a\":\"\\ud800\"}",
            "\\ud800 is not a valid Unicode character",
        ),
        (
            b"{\"a\":\"\\ud800\\u0041\"}",
            "\\ud800 is not a valid Unicode character",
        ),
        (
            b"{\"a\":\"\\udc00\"}",
            "\\udc00 is not a valid Unicode character",
        ),
        (b"{\"a\":\"\xc0\x80\"}", "invalid UTF-8 sequence in string"),
        (
            b"{\"a\":\"\xed\xa0\x80\"}",
            "invalid UTF-8 sequence in string",
        ),
        (
            b"{\"a\":\"\xf4\x90\x80\x80\"}",
            "invalid UTF-8 sequence in string",
        ),
        (b"{\"a\":\"\x80\"}", "invalid UTF-8 sequence in string"),
        (b"{\"a\":1e400}", "number 1e400 is out of range"),
    ] {
        let wanted = format!("JSON parse error, {wanted}");
        check(input, &[Err(&wanted)]);
        // The next request works after any error.
        check(
            &[input, b"{\"b\": 1}"].concat(),
            &[Err(&wanted), Ok(json!({"b": 1}))],
        );
    }
}

#[test]
fn a_half_request_is_given_up_at_a_control_character() {
    for reset in [&b"\x01"[..], b"\x1b", b"\xfe", b"\xff"] {
        let input = [b"{\"execute\": [", reset, b"{\"b\": 1}"].concat();
        let found = parse(&input, 1);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].is_err());
        assert_eq!(found[1], Ok(json!({"b": 1})));
    }
}

#[test]
fn nesting() {
    let brackets = |count| [b"[".repeat(count), b"]".repeat(count)].concat();
    let [Ok(value)] = &parse(&brackets(MAX_NESTING), 7)[..] else {
        panic!()
    };
    let back = line(value);
    assert_eq!(back.len(), 2 * MAX_NESTING + 2);
    let limit = Err("JSON nesting depth limit exceeded".to_owned());
    for tail in [&b"]]]"[..], b"", b"\n"] {
        let input = [&brackets(MAX_NESTING + 1)[..MAX_NESTING + 1], tail, b"{}"].concat();
        assert_eq!(parse(&input, 100), [limit.clone(), Ok(json!({}))]);
    }
}

#[test]
fn sizes() {
    // Tokens of the list: a bracket, a number and a comma for each element but the last, which has
    // no comma, and the closing bracket.
    let list = |tokens: usize| {
        [
            b"[1".to_vec(),
            b",1".repeat((tokens - 3) / 2),
            b"]".to_vec(),
        ]
        .concat()
    };
    assert!(matches!(parse(&list(MAX_TOKENS - 1), 1 << 16)[..], [Ok(_)]));
    let limit = Err("JSON token count limit exceeded".to_owned());
    let input = [list(MAX_TOKENS + 1), b"{}".to_vec()].concat();
    assert_eq!(parse(&input, 1 << 16), [limit, Ok(json!({}))]);

    let text = |length| [b"\"".to_vec(), vec![b'x'; length], b"\"".to_vec()].concat();
    assert!(matches!(parse(&text(MAX_BYTES - 2), 1 << 16)[..], [Ok(_)]));
    let limit = Err("JSON token size limit exceeded".to_owned());
    let input = [text(MAX_BYTES), b"\n{}".to_vec()].concat();
    assert_eq!(parse(&input, 1 << 16), [limit, Ok(json!({}))]);
}

#[test]
fn lines() {
    let value = json!({"a": [1, {"b": "é😀\u{7f}\u{1}\"\\\n"}], "c": {}, "d": []});
    let text = String::from_utf8(line(&value)).unwrap();
    let wanted = r#"{"a": [1, {"b": "\u00E9\uD83D\uDE00\u007F\u0001\"\\\n"}], "c": {}, "d": []}"#;
    assert_eq!(text, format!("{wanted}\r\n"));
}

/// Fractions that serde_json also reads exactly.
fn short_float() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|number| f64::from(number) / 256.0)
}

fn any_value(float: impl Strategy<Value = f64> + 'static) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        float.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    /// The parser reads what the writer wrote.
    #[test]
    fn round_trip(value in any_value(any::<f64>()), piece in 1usize..9) {
        let value = json!([value]);
        prop_assert_eq!(parse(&line(&value), piece), vec![Ok(value)]);
    }

    /// serde_json reads what the writer wrote, and the parser reads what serde_json wrote.
    #[test]
    fn theirs_and_ours(
        values in prop::collection::vec(any_value(short_float()), 1..4),
        piece in 1usize..9,
    ) {
        let mut input = Vec::new();
        for value in &values {
            let line = line(value);
            prop_assert!(line.is_ascii());
            prop_assert_eq!(&serde_json::from_slice::<Value>(&line).unwrap(), value);
            input.extend(line);
        }
        prop_assert_eq!(parse(&input, piece), values.into_iter().map(Ok).collect::<Vec<_>>());
    }

    /// The parser reads what writers with another style wrote.
    #[test]
    fn other_styles(value in any_value(short_float()), piece in 1usize..9) {
        let value = json!([value]);
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert_eq!(parse(&pretty, piece), vec![Ok(value)]);
    }

    /// The parser and serde_json accept the same objects and lists, apart from single quotes.
    #[test]
    fn the_same_language(input in "[\\[\\]{},:\"01.eE+\\-a-ntrfu\\\\ ]{0,40}") {
        let input = format!("[{input}]");
        let theirs = serde_json::from_str::<Value>(&input).is_ok();
        let found = parse(&[input.as_bytes(), b"\xff"].concat(), 5);
        let end = Err("JSON parse error, stray '\u{fffd}'".to_owned());
        let ours = matches!(&found[..], [Ok(_), behind] if *behind == end);
        // Of duplicate keys serde_json takes the last, and the parser takes none.
        let duplicate = Err("JSON parse error, duplicate key".to_owned());
        prop_assert!(theirs == ours || theirs && found[0] == duplicate, "{}: {:?}", input, found);
    }

    /// Garbage does no harm. Its meaning does not depend on how it is split, and it ends at a
    /// reset.
    #[test]
    fn garbage(input in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(&b"{}[],:\"'\\u0d8 -1e."[..])],
        0..200,
    )) {
        let whole = [&input[..], b"\xff\xff{\"id\": 7}"].concat();
        let found = parse(&whole, whole.len());
        prop_assert_eq!(&found, &parse(&whole, 1));
        prop_assert_eq!(found.last(), Some(&Ok(json!({"id": 7}))));
    }
}
