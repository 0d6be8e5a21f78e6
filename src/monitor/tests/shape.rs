//! What a client may send, and the errors for everything else. Numbers are those of `qmp.md`'s
//! points.

use super::rig::Rig;
use serde_json::{Value, json};

const GENERIC: &str = "GenericError";
const UNKNOWN: &str = "CommandNotFound";

/// 1
#[test]
fn greeting() {
    let rig = Rig::new(1);
    let greeting = rig.connect(0).line();
    let version = &greeting["QMP"]["version"];
    for part in ["major", "minor", "micro"] {
        assert!(version["qemu"][part].is_u64(), "{greeting}");
    }
    assert!(version["package"].is_string());
    assert_eq!(greeting["QMP"]["capabilities"], json!(["oob"]));
}

/// 2 and 3
#[test]
fn negotiation() {
    let rig = Rig::new(1);
    let mut client = rig.connect(0);
    client.line();
    let expecting = "Expecting capabilities negotiation with 'qmp_capabilities'";
    for (request, class, desc) in [
        (json!({"execute": "echo"}), UNKNOWN, expecting),
        (json!({"execute": "nope"}), UNKNOWN, expecting),
        (json!([]), GENERIC, "QMP input must be a JSON object"),
        (
            json!({"exec-oob": "count"}),
            GENERIC,
            "QMP input member 'exec-oob' is unexpected",
        ),
        (
            json!({"execute": "count", "control": {"run-oob": true}, "id": 1}),
            GENERIC,
            "Please enable Out-Of-Band first for the session during capabilities negotiation",
        ),
    ] {
        client.send(request);
        assert_eq!(client.error(), (class.into(), desc.into()));
    }
    let enable =
        |value: Value| json!({"execute": "qmp_capabilities", "arguments": {"enable": value}});
    for (value, desc) in [
        (
            json!(["x"]),
            "Parameter 'enable[0]' does not accept value 'x'",
        ),
        (
            json!(["oob", "x"]),
            "Parameter 'enable[1]' does not accept value 'x'",
        ),
        (
            json!([1]),
            "Invalid parameter type for 'enable[0]', expected: string",
        ),
        (
            json!("oob"),
            "Invalid parameter type for 'enable', expected: array",
        ),
        (
            json!(null),
            "Invalid parameter type for 'enable', expected: array",
        ),
    ] {
        client.send(enable(value));
        assert_eq!(client.error(), (GENERIC.into(), desc.into()));
    }
    client.send(json!({"execute": "qmp_capabilities", "arguments": {"x": 1}}));
    assert_eq!(client.error().1, "Parameter 'x' is unexpected");
    // The session is still in negotiation, so it gets no events.
    rig.events.post("STOP", None);
    client.is_quiet();
    let reply = client.ask(json!({"execute": "qmp_capabilities", "id": 3}));
    assert_eq!(reply, json!({"return": {}, "id": 3}));
    client.send(enable(json!(["oob"])));
    let already = "Capabilities negotiation is already complete, command ignored";
    assert_eq!(client.error(), (UNKNOWN.into(), already.into()));
}

/// 3: with and without arguments.
#[test]
fn what_may_be_enabled() {
    let rig = Rig::new(1);
    for arguments in [
        json!({}),
        json!({"enable": []}),
        json!({"enable": ["oob", "oob"]}),
    ] {
        let mut client = rig.connect(0);
        client.line();
        let reply = client.ask(json!({"execute": "qmp_capabilities", "arguments": arguments}));
        assert_eq!(reply, json!({"return": {}}));
    }
}

/// 4 and 5
#[test]
fn shape() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    let lacks = "QMP input lacks member 'execute'";
    for (request, desc) in [
        (json!([]), "QMP input must be a JSON object"),
        (json!("x"), "QMP input must be a JSON object"),
        (json!({}), lacks),
        (json!({"id": 5}), lacks),
        (json!({"arguments": {}}), lacks),
        (
            json!({"execute": 1}),
            "QMP input member 'execute' must be a string",
        ),
        (
            json!({"execute": 1, "x": 2}),
            "QMP input member 'execute' must be a string",
        ),
        (
            json!({"execute": "x", "arguments": 1}),
            "QMP input member 'arguments' must be an object",
        ),
        (
            json!({"execute": "x", "arguments": null}),
            "QMP input member 'arguments' must be an object",
        ),
        (
            json!({"arguments": 1}),
            "QMP input member 'arguments' must be an object",
        ),
        (
            json!({"execute": "nope", "x": 1}),
            "QMP input member 'x' is unexpected",
        ),
        (json!({"x": 1}), "QMP input member 'x' is unexpected"),
        (
            json!({"execute": "echo", "control": 1}),
            "QMP input member 'control' must be an object",
        ),
    ] {
        client.send(request.clone());
        assert_eq!(client.error(), (GENERIC.into(), desc.into()), "{request}");
    }
    client.send(json!({"execute": "nope"}));
    assert_eq!(
        client.error(),
        (UNKNOWN.into(), "The command nope has not been found".into())
    );
}

/// 7
#[test]
fn ids() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    for id in [
        json!(null),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.5),
        json!("é😀\u{7f}\u{1}"),
        json!([1, {"a": [null]}]),
        json!({"b": 1, "a": false}),
    ] {
        let reply = client.ask(json!({"execute": "echo", "id": id}));
        assert_eq!(reply, json!({"return": {}, "id": id}));
        let reply = client.ask(json!({"execute": "nope", "id": id}));
        assert_eq!((&reply["id"], reply.get("error").is_some()), (&id, true));
        let reply = client.ask(json!({"x": 1, "id": id}));
        assert_eq!((&reply["id"], reply.get("error").is_some()), (&id, true));
    }
    client.write(b"{\"execute\": \"echo\", \"id\": 18446744073709551615}");
    assert_eq!(client.line()["id"], json!(u64::MAX));
    // A request with bad JSON has no id.
    client.write(b"{\"id\": 1, \"execute\": nul}");
    assert_eq!(client.line().get("id"), None);
}

/// 8, 9 and 10: the rest is in `json/tests.rs`.
#[test]
fn framing() {
    let rig = Rig::new(1);
    let mut client = rig.client(0, false);
    client
        .write(b"{'execute':'echo','id':1}{\"execute\":\"echo\",\"id\":2}\n\n  {\"execute\":\"ech");
    assert_eq!(client.line()["id"], json!(1));
    assert_eq!(client.line()["id"], json!(2));
    for &byte in b"o\",\"id\":3}" {
        client.write(&[byte]);
    }
    assert_eq!(client.line()["id"], json!(3));
    for bad in [
        &b"{\"execute\n"[..],
        b"{]",
        b"@",
        b"{\"a\": \xff",
        b"[[[\x01",
    ] {
        client.write(bad);
        let (class, desc) = client.error();
        assert_eq!(
            (class.as_str(), desc.starts_with("JSON parse error, ")),
            (GENERIC, true)
        );
        assert_eq!(
            client.ask(json!({"execute": "echo", "id": 4}))["id"],
            json!(4)
        );
    }
}
