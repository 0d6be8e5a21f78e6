//! The input of a monitor's client. Its meaning does not depend on how it is split. Valid requests
//! give the value that serde_json gives. A value can be written and read again. After a reset the
//! next request works.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rr::monitor::json::{JsonError, Stream, line};
use rr::monitor::session::{Session, Verdict};
use serde_json::Value;

fn parse(input: &[u8], piece: usize) -> Vec<Result<Value, JsonError>> {
    let mut stream = Stream::default();
    let mut found = Vec::new();
    for mut piece in input.chunks(piece) {
        while let Some(result) = stream.next(&mut piece) {
            found.push(result);
        }
    }
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let whole = [data, b"\xff\xff{\"id\": 7}"].concat();
    let found = parse(&whole, whole.len());
    assert_eq!(found, parse(&whole, usize::from(first % 16) + 1));
    assert_eq!(found.last(), Some(&Ok(serde_json::json!({"id": 7}))));
    let mut session = Session::default();
    for result in found {
        if let Ok(value) = &result {
            // Written and read again it is the same, and it is one line of ASCII.
            let text = line(value);
            assert!(text.is_ascii() && !text[..text.len() - 2].contains(&b'\n'));
            assert_eq!(parse(&text, 3), [result.clone()]);
        }
        match session.receive(result, |name| Some(name.len() % 2 == 0)) {
            Verdict::InOrder(answer) | Verdict::AtOnce(answer) => drop(line(&answer.to_value())),
            Verdict::InBand(_) | Verdict::OutOfBand(_) => {}
        }
    }
});
