//! Commands in their order, events among them, and what waits meanwhile. Numbers are those of
//! `qmp.md`'s points.

use super::rig::Rig;
use serde_json::json;
use std::time::{Duration, Instant};

/// 13
#[test]
fn one_after_the_other() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    let mut burst = Vec::new();
    for id in 0..200 {
        burst.extend(
            json!({"execute": "echo", "id": id})
                .to_string()
                .into_bytes(),
        );
        burst.extend(
            json!({"execute": 1, "id": id + 1000})
                .to_string()
                .into_bytes(),
        );
    }
    client.write(&burst);
    for id in 0..200 {
        assert_eq!(client.line(), json!({"return": {}, "id": id}));
        // Errors of a request's shape keep their place and their id.
        assert_eq!(client.line()["id"], json!(id + 1000));
    }
}

#[test]
fn errors_keep_their_place_behind_a_command_that_blocks() {
    let rig = Rig::new(2);
    let mut client = rig.client(0, true);
    client.send(json!({"execute": "x-oob-test", "arguments": {"lock": true}, "id": 1}));
    client.send(json!({"execute": 5, "id": 2}));
    client.write(b"{\"execute\": nul}");
    client.send(json!({"execute": "nope", "id": 4}));
    client.is_quiet();
    client.send(json!({"exec-oob": "x-oob-test", "arguments": {"lock": false}, "id": 5}));
    let order: Vec<_> = (0..5).map(|_| client.line()["id"].clone()).collect();
    assert_eq!(order, [json!(5), json!(1), json!(2), json!(null), json!(4)]);
}

/// 11: an event comes before the reply of the command that caused it. Every session gets it.
#[test]
fn events() {
    let rig = Rig::new(2);
    let (mut first, mut second) = (rig.client(0, false), rig.client(1, true));
    first.send(json!({"execute": "event", "arguments": {"name": "STOP"}, "id": 1}));
    let event = first.line();
    assert_eq!(first.line(), json!({"return": {}, "id": 1}));
    assert_eq!(event["event"], json!("STOP"));
    assert_eq!(event.get("data"), None);
    let time = &event["timestamp"];
    assert!(time["seconds"].as_u64().unwrap() > 1_600_000_000);
    assert!(time["microseconds"].as_u64().unwrap() < 1_000_000);
    assert_eq!(second.line(), event);
    first.send(json!({"execute": "event", "arguments": {"name": "STOP", "data": {"a": 1}}}));
    assert_eq!(second.line()["data"], json!({"a": 1}));
}

/// 11: of the limited kinds, one event a second is sent, and the last one is not lost.
#[test]
fn events_that_come_too_fast() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    let start = Instant::now();
    for offset in 0..5 {
        rig.events
            .post("RTC_CHANGE", Some(json!({"offset": offset})));
        rig.events.post("STOP", Some(json!(offset)));
    }
    let mut offsets = Vec::new();
    let mut stops = 0;
    while offsets.len() < 2 {
        let event = client.line();
        match event["event"].as_str() {
            Some("RTC_CHANGE") => offsets.push(event["data"]["offset"].clone()),
            _ => stops += 1,
        }
    }
    assert_eq!((offsets, stops), (vec![json!(0), json!(4)], 5));
    assert!(start.elapsed() >= Duration::from_millis(990));
}

#[test]
fn events_held_back_come_out_at_the_end() {
    let mut rig = Rig::new(1);
    let mut client = rig.client(0, false);
    rig.events.post("RTC_CHANGE", Some(json!(1)));
    rig.events.post("RTC_CHANGE", Some(json!(2)));
    rig.end();
    assert_eq!(client.line()["data"], json!(1));
    assert_eq!(client.line()["data"], json!(2));
    assert_eq!(client.maybe_line(), None);
}
