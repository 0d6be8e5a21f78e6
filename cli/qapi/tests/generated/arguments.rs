//! What is said about bad arguments: QEMU 7.2's words for the same faults.

use serde_json::{Value, json};

use super::calls::send;

/// Command, arguments, and what is wrong with them.
fn table() -> Vec<(&'static str, Value, &'static str)> {
    let key = |key: Value| json!({ "keys": [key] });
    let count = |name: &str, value: Value| {
        let mut all = json!({ "a": 0, "b": 0, "c": 0, "d": 0 });
        all[name] = value;
        all
    };
    let grow = |member: &str, value: Value| {
        let mut all = json!({ "tree": { "rest": [] } });
        all["tree"][member] = value;
        all
    };
    vec![
        ("quit", json!({ "x": 1 }), "Parameter 'x' is unexpected"),
        (
            "query-status",
            json!({ "x": 1 }),
            "Parameter 'x' is unexpected",
        ),
        ("x-oob-test", json!({}), "Parameter 'lock' is missing"),
        (
            "x-oob-test",
            json!({ "x": 1 }),
            "Parameter 'lock' is missing",
        ),
        (
            "x-oob-test",
            json!({ "lock": 1 }),
            "Invalid parameter type for 'lock', expected: boolean",
        ),
        (
            "x-oob-test",
            json!({ "lock": null }),
            "Invalid parameter type for 'lock', expected: boolean",
        ),
        (
            "x-oob-test",
            json!({ "lock": true, "zz": {}, "aa": 1 }),
            "Parameter 'aa' is unexpected",
        ),
        (
            "human-monitor-command",
            json!({ "command-line": 5 }),
            "Invalid parameter type for 'command-line', expected: string",
        ),
        (
            "human-monitor-command",
            json!({ "command-line": "", "cpu-index": null }),
            "Invalid parameter type for 'cpu-index', expected: integer",
        ),
        (
            "human-monitor-command",
            json!({ "command-line": "", "cpu-index": 1.5 }),
            "Invalid parameter type for 'cpu-index', expected: integer",
        ),
        (
            "human-monitor-command",
            json!({ "command-line": "", "cpu-index": 3.0 }),
            "Invalid parameter type for 'cpu-index', expected: integer",
        ),
        (
            "human-monitor-command",
            json!({ "command-line": "", "cpu-index": 1u64 << 63 }),
            "Invalid parameter type for 'cpu-index', expected: integer",
        ),
        (
            "send-key",
            json!({ "keys": 3 }),
            "Invalid parameter type for 'keys', expected: array",
        ),
        (
            "send-key",
            key(json!(3)),
            "Invalid parameter type for 'keys[0]', expected: object",
        ),
        (
            "send-key",
            key(json!({ "type": "qcode" })),
            "Parameter 'keys[0].data' is missing",
        ),
        (
            "send-key",
            key(json!({ "data": 3 })),
            "Parameter 'keys[0].type' is missing",
        ),
        (
            "send-key",
            key(json!({ "type": "qcode", "data": 3 })),
            "Invalid parameter type for 'keys[0].data', expected: string",
        ),
        (
            "send-key",
            key(json!({ "type": 3, "data": 3 })),
            "Invalid parameter type for 'keys[0].type', expected: string",
        ),
        (
            "send-key",
            key(json!({ "type": "foo", "data": 3 })),
            "Parameter 'type' does not accept value 'foo'",
        ),
        (
            "send-key",
            key(json!({ "type": "qcode", "data": "no" })),
            "Parameter 'data' does not accept value 'no'",
        ),
        (
            "send-key",
            key(json!({ "type": "number", "data": 3, "x": 1 })),
            "Parameter 'keys[0].x' is unexpected",
        ),
        (
            "send-key",
            key(json!({ "type": "number", "data": 65536 })),
            "Parameter 'data' expects uint16_t",
        ),
        (
            "send-key",
            json!({ "keys": [{ "type": "number", "data": 3 }, {}] }),
            "Parameter 'keys[1].type' is missing",
        ),
        (
            "count",
            json!({ "a": 0, "b": 0, "d": 0 }),
            "Parameter 'c' is missing",
        ),
        (
            "count",
            count("a", json!(128)),
            "Parameter 'a' expects int8_t",
        ),
        (
            "count",
            count("a", json!(-129)),
            "Parameter 'a' expects int8_t",
        ),
        (
            "count",
            count("b", json!(32768)),
            "Parameter 'b' expects int16_t",
        ),
        (
            "count",
            count("c", json!(1u64 << 31)),
            "Parameter 'c' expects int32_t",
        ),
        (
            "count",
            count("e", json!(256)),
            "Parameter 'e' expects uint8_t",
        ),
        (
            "count",
            count("e", json!(-1)),
            "Parameter 'e' expects uint8_t",
        ),
        (
            "count",
            count("e", json!("x")),
            "Parameter 'e' expects uint64",
        ),
        (
            "count",
            count("g", json!([0, 1.5])),
            "Parameter 'g[1]' expects uint64",
        ),
        (
            "count",
            count("g", json!([0, 18446744073709551616.0])),
            "Parameter 'g[1]' expects uint64",
        ),
        (
            "count",
            count("type", json!("1")),
            "Invalid parameter type for 'type', expected: number",
        ),
        (
            "chardev-add",
            json!({ "id": "a" }),
            "Parameter 'kind' is missing",
        ),
        (
            "chardev-add",
            json!({ "id": "a", "kind": "pipe", "fd": 1 }),
            "Parameter 'kind' does not accept value 'pipe'",
        ),
        (
            "chardev-add",
            json!({ "id": "a", "kind": "null", "path": "x" }),
            "Parameter 'path' is unexpected",
        ),
        (
            "chardev-add",
            json!({ "id": "a", "kind": "file" }),
            "Parameter 'path' is missing",
        ),
        (
            "chardev-add",
            json!({ "id": "a", "kind": "file", "path": "x", "tags": [1] }),
            "Invalid parameter type for 'tags[0]', expected: string",
        ),
        (
            "grow",
            grow("left", json!({})),
            "Parameter 'tree.left.rest' is missing",
        ),
        (
            "grow",
            grow("rest", json!([{ "rest": [{ "rest": 1 }] }])),
            "Invalid parameter type for 'tree.rest[0].rest[0].rest', expected: array",
        ),
        (
            "grow",
            grow("leaf-or-tree", json!("pipe")),
            "Parameter 'leaf-or-tree' does not accept value 'pipe'",
        ),
        (
            "grow",
            grow("leaf-or-tree", json!([true])),
            "Invalid parameter type for 'tree.leaf-or-tree[0]', expected: integer",
        ),
        (
            "grow",
            grow("leaf-or-tree", json!({})),
            "Parameter 'tree.leaf-or-tree.rest' is missing",
        ),
    ]
}

#[test]
fn bad_arguments() {
    for (name, arguments, expected) in table() {
        let (result, calls) = send(name, arguments.clone());
        let error = result.unwrap().unwrap_err();
        assert_eq!(error.description, expected, "{name} {arguments}");
        assert_eq!(error.class.name(), "GenericError");
        assert!(calls.is_empty(), "{name} ran");
    }
}
