//! The counts of the tools, compared with those of a second reader.

use std::collections::BTreeMap;

use crate::harness::{Dir, ndjson, samples};
use crate::walker::{Counts, count};

fn inspect(dir: &Dir, log: &str) -> serde_json::Value {
    let out = dir.rr(&["inspect", "--json", log]).fine();
    serde_json::from_str(&out).unwrap()
}

#[test]
fn inspect_counts_as_the_walker_does() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        let said = inspect(&dir, &name);
        let counted = count(&bytes);

        let kinds = said["kinds"].as_object().unwrap();
        let kinds = kinds.iter().map(|(kind, row)| {
            let number = |member: &str| row[member].as_u64().unwrap();
            (kind.clone(), (number("count"), number("bytes")))
        });
        let said_counts = Counts {
            kinds: kinds.collect(),
            events: said["events"].as_u64().unwrap(),
            instructions: said["instructions"].as_u64().unwrap(),
        };
        assert_eq!(said_counts, counted, "{name}");

        let seven = name.starts_with("v7");
        assert_eq!(said["schema"], 1);
        assert_eq!(said["version"], if seven { 7 } else { 12 }, "{name}");
        assert_eq!(
            said["version_id"],
            if seven { "0x00e02007" } else { "0x00e0200c" }
        );
        assert_eq!(said["table"], if seven { "7" } else { "12" });
        assert_eq!(said["complete"], true, "{name}");
        assert_eq!(said["status"], "complete");
        assert_eq!(said["error"], serde_json::Value::Null);
        assert_eq!(said["bytes"], bytes.len());
        assert_eq!(said["whole_bytes"], bytes.len());
    }
}

#[test]
fn the_text_has_the_same_numbers() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        let text = dir.rr(&["inspect", &name]).fine();
        let counted = count(&bytes);
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let has = |row: &[&str]| words.iter().any(|words| words.starts_with(row));
        assert!(
            has(&["instructions", &counted.instructions.to_string()]),
            "{name}: {text}"
        );
        assert!(
            has(&["events", &counted.events.to_string()]),
            "{name}: {text}"
        );
        for (kind, (events, bytes)) in counted.kinds {
            assert!(
                has(&[&kind, &events.to_string(), &bytes.to_string()]),
                "{kind} in {text}"
            );
        }
    }
}

#[test]
fn dump_has_a_line_for_each_event() {
    let dir = Dir::new();
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        let counted = count(&bytes);
        let lines = ndjson(&dir.rr(&["dump", "--format", "ndjson", &name]).fine());
        assert_eq!(lines.len() as u64, counted.events, "{name}");

        let mut kinds = BTreeMap::<String, u64>::new();
        let (mut offset, mut icount) = (0, 0);
        for (index, line) in lines.iter().enumerate() {
            let number = |member: &str| line[member].as_u64().unwrap();
            assert_eq!(number("index"), index as u64, "{name}");
            assert!(number("offset") > offset, "{name}: {line}");
            offset = number("offset");
            icount += line["count"].as_u64().unwrap_or(0);
            assert_eq!(number("icount"), icount, "{name}: {line}");
            *kinds
                .entry(line["event"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        assert_eq!(icount, counted.instructions, "{name}");
        let counted_kinds = counted
            .kinds
            .into_iter()
            .map(|(kind, (events, _))| (kind, events));
        assert_eq!(kinds, counted_kinds.collect(), "{name}");

        let text = dir.rr(&["dump", &name]).fine();
        assert_eq!(text.lines().count() as u64, counted.events, "{name}");
        for (line, json) in text.lines().zip(&lines) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let offset = words[1].strip_prefix("0x").unwrap();
            assert_eq!(words[0], json["index"].to_string());
            assert_eq!(u64::from_str_radix(offset, 16).unwrap(), json["offset"]);
            assert_eq!(words[2], json["icount"].to_string());
            assert_eq!(words[3], json["event"]);
        }
        let tables = dir.rr(&["dump", "--format", "table", &name]).fine();
        let rows = tables.lines().filter(|line| line.contains("EVENT_"));
        assert_eq!(rows.count() as u64, counted.events, "{name}");
    }
}

#[test]
fn payloads_are_the_bytes_of_the_log() {
    let dir = Dir::new();
    let mut payloads = 0;
    for (name, bytes) in samples() {
        dir.write(&name, &bytes);
        for line in ndjson(&dir.rr(&["dump", "--format", "ndjson", &name]).fine()) {
            let Some(hex) = line["hex"].as_str() else {
                continue;
            };
            let digits = hex
                .as_bytes()
                .chunks(2)
                .map(|pair| str::from_utf8(pair).unwrap());
            let data: Vec<u8> = digits.map(|d| u8::from_str_radix(d, 16).unwrap()).collect();
            assert_eq!(line["len"], data.len());
            assert_eq!(line["text"].as_str(), str::from_utf8(&data).ok());
            let offset = line["offset"].as_u64().unwrap() as usize;
            let near = &bytes[offset..(offset + 32 + data.len()).min(bytes.len())];
            let found = near.windows(data.len()).any(|window| window == data);
            assert!(found, "{name}: {line}");
            payloads += 1;
        }
    }
    assert!(payloads > 20, "only {payloads}");
}
