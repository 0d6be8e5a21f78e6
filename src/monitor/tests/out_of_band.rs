//! Out-of-band execution: the rows of `qmp.md`'s table.

use super::rig::{Client, Rig};
use serde_json::{Value, json};

const UNLOCK: &str = "x-oob-test";

fn lock(client: &mut Client, id: u32) {
    client.send(json!({"execute": "x-oob-test", "arguments": {"lock": true}, "id": id}));
}

#[track_caller]
fn refused(client: &mut Client, request: Value, desc: &str) {
    client.send(request.clone());
    let error = client.error();
    assert_eq!(
        error,
        ("GenericError".to_owned(), desc.to_owned()),
        "{request}"
    );
}

/// Both forms overtake a command that blocks, and so do errors in them.
#[test]
fn overtakes() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, true);
    for form in [
        json!({"exec-oob": UNLOCK}),
        json!({"execute": UNLOCK, "control": {"run-oob": true}}),
        json!({"execute": UNLOCK, "control": {"run-oob": true, "x": 1}}),
        json!({"exec-oob": UNLOCK, "control": {"run-oob": false}}),
    ] {
        lock(&mut client, 1);
        client.send(json!({"execute": "echo", "id": 2}));
        client.is_quiet();
        let mut request = form.clone();
        request["id"] = json!(null);
        request["arguments"] = json!({"lock": false});
        assert_eq!(
            client.ask(request),
            json!({"return": {}, "id": null}),
            "{form}"
        );
        assert_eq!(client.line()["id"], json!(1));
        assert_eq!(client.line()["id"], json!(2));
    }
    lock(&mut client, 1);
    for (request, desc) in [
        (
            json!({"exec-oob": "echo", "id": 5}),
            "The command echo does not support OOB",
        ),
        (
            json!({"exec-oob": "qmp_capabilities"}),
            "The command qmp_capabilities does not support OOB",
        ),
        (
            json!({"execute": "echo", "control": {"run-oob": true}, "id": 5}),
            "The command echo does not support OOB",
        ),
        (
            json!({"execute": "count", "control": {"run-oob": true}}),
            "Out-Of-Band capability requires that every command contains an 'id' field",
        ),
    ] {
        refused(&mut client, request, desc);
    }
    client.send(json!({"exec-oob": "nope", "id": 6}));
    assert_eq!(
        client.error(),
        (
            "CommandNotFound".into(),
            "The command nope has not been found".into()
        )
    );
    client.send(json!({"exec-oob": UNLOCK, "arguments": {"lock": false}}));
    assert_eq!(client.line(), json!({"return": {}}));
    assert_eq!(client.line()["id"], json!(1));
}

#[test]
fn shape() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, true);
    for (request, desc) in [
        (
            json!({"execute": "count", "exec-oob": "count", "id": 1}),
            "QMP input member 'execute' clashes with 'exec-oob'",
        ),
        (
            json!({"exec-oob": 1, "id": 1}),
            "QMP input member 'exec-oob' must be a string",
        ),
        (
            json!({"execute": "count", "control": []}),
            "QMP input member 'control' must be an object",
        ),
    ] {
        refused(&mut client, request, desc);
    }
    // These `control` members do not ask for out-of-band execution.
    for control in [
        json!({}),
        json!({"x": 1}),
        json!({"run-oob": 1}),
        json!({"run-oob": false}),
    ] {
        let reply = client.ask(json!({"execute": "echo", "control": control}));
        assert_eq!(reply, json!({"return": {}}));
    }
}

#[test]
fn not_enabled() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    let please = "Please enable Out-Of-Band first for the session during capabilities negotiation";
    for name in ["count", "echo", "nope"] {
        refused(
            &mut client,
            json!({"execute": name, "control": {"run-oob": true}, "id": 1}),
            please,
        );
        let unexpected = "QMP input member 'exec-oob' is unexpected";
        refused(&mut client, json!({"exec-oob": name, "id": 1}), unexpected);
    }
    // Capabilities are per connection.
    drop(client);
    let mut client = rig.client(0, true);
    assert!(
        client
            .ask(json!({"exec-oob": "count"}))
            .get("return")
            .is_some()
    );
    drop(client);
    let mut client = rig.client(0, false);
    refused(
        &mut client,
        json!({"exec-oob": "count"}),
        "QMP input member 'exec-oob' is unexpected",
    );
}

/// Another session can also end the wait.
#[test]
fn from_another_session() {
    let rig = Rig::new(2);
    let (mut first, mut second) = (rig.client(0, false), rig.client(1, true));
    lock(&mut first, 1);
    first.is_quiet();
    second.send(json!({"exec-oob": UNLOCK, "arguments": {"lock": false}, "id": 1}));
    assert_eq!(second.line()["id"], json!(1));
    assert_eq!(first.line(), json!({"return": {}, "id": 1}));
}

/// The semaphore counts: a wait after a post returns at once.
#[test]
fn the_semaphore_counts() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, true);
    for _ in 0..2 {
        client.send(json!({"exec-oob": UNLOCK, "arguments": {"lock": false}}));
        client.line();
    }
    for id in 0..2 {
        lock(&mut client, id);
        assert_eq!(client.line()["id"], json!(id));
    }
    lock(&mut client, 7);
    client.is_quiet();
    // Out of band, no command waits.
    client.send(json!({"exec-oob": UNLOCK, "arguments": {"lock": true}}));
    assert_eq!(client.error().0, "GenericError");
}

/// No request is dropped when too many wait: it is not read until there is room.
#[test]
fn flow_control() {
    let rig = Rig::new(2);
    let mut client = rig.client(0, true);
    lock(&mut client, 100);
    for id in 0..20 {
        client.send(json!({"execute": "echo", "id": id}));
    }
    client.send(json!({"exec-oob": "count", "id": 200}));
    // The queue is full, so even this is not read.
    client.is_quiet();
    let mut other = rig.client(1, true);
    let unlock = json!({"exec-oob": UNLOCK, "arguments": {"lock": false}, "id": 1});
    assert_eq!(other.ask(unlock)["id"], json!(1));
    let mut ids: Vec<u64> = (0..22)
        .map(|_| client.line()["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids[0], 100);
    // The last one is out of band: it may overtake answers that are not sent yet.
    assert!(ids.contains(&200), "{ids:?}");
    ids.retain(|id| *id < 100);
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
}

/// With seven requests waiting and one running, there is room for one that overtakes them.
#[test]
fn there_is_room_for_eight() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, true);
    lock(&mut client, 100);
    for id in 0..7 {
        client.send(json!({"execute": "echo", "id": id}));
    }
    let unlock = json!({"exec-oob": UNLOCK, "arguments": {"lock": false}, "id": 200});
    assert_eq!(client.ask(unlock)["id"], json!(200));
    assert_eq!(client.line()["id"], json!(100));
}

#[test]
fn a_client_that_goes_away_while_its_command_blocks() {
    let rig = Rig::new(2);
    for _ in 0..20 {
        let mut client = rig.client(0, true);
        lock(&mut client, 1);
        client.send(json!({"execute": "echo", "id": 2}));
        drop(client);
        // The next client works at once.
        let mut next = rig.client(0, true);
        assert_eq!(
            next.ask(json!({"execute": "echo", "id": 3}))["id"],
            json!(3)
        );
        let mut other = rig.client(1, false);
        assert_eq!(
            other.ask(json!({"execute": "echo", "id": 4}))["id"],
            json!(4)
        );
    }
}
