//! What is said about bad arguments: QEMU 7.2's words for the same faults.

use proptest::prelude::*;
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

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0e6..1.0e6).prop_map(Value::from),
        prop::sample::select(vec!["file", "null", "pipe", "qcode", "a", "ret"])
            .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({ "rest": [] })),
    ]
}

/// A tree; some of them with a thing at a place where it cannot be.
fn tree() -> impl Strategy<Value = Value> {
    Just(json!({ "rest": [] })).prop_recursive(4, 16, 3, |inner| {
        let optional = || prop::option::of(prop_oneof![3 => inner.clone(), 1 => leaf()]);
        let rest = prop::collection::vec(inner.clone(), 0..3);
        (
            optional(),
            prop::option::of(inner.clone()),
            rest,
            optional(),
        )
            .prop_map(|(value, left, rest, either)| {
                let mut tree = json!({ "rest": rest });
                for (name, member) in [("value", value), ("left", left), ("leaf-or-tree", either)] {
                    if let Some(member) = member {
                        tree[name] = member;
                    }
                }
                tree
            })
    })
}

/// Arguments of a union, with or without what each member must be.
fn backend() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["file", "null", "pipe"]);
    let member = |good: Value| prop_oneof![2 => Just(Some(good)), 1 => Just(None), 1 => leaf().prop_map(Some)];
    let members = (
        member(json!("x")),
        member(json!("/p")),
        member(json!(true)),
        member(json!(["t"])),
    );
    (kind, members).prop_map(|(kind, (id, path, append, tags))| {
        let mut backend = json!({ "kind": kind });
        for (name, member) in [
            ("id", id),
            ("path", path),
            ("append", append),
            ("tags", tags),
        ] {
            if let Some(member) = member {
                backend[name] = member;
            }
        }
        backend
    })
}

/// With all numbers as what `number` is in Rust.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(floats).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), floats(value)))
            .collect(),
        other => other.clone(),
    }
}

fn numbers() -> impl Strategy<Value = Value> {
    let number = prop_oneof![9 => (-128i64..128).prop_map(Value::from), 1 => leaf()];
    let list = prop_oneof![3 => Just(json!([0, u64::MAX])), 1 => leaf()];
    (prop::collection::vec(number, 7), list).prop_map(|(numbers, list)| {
        let names = ["a", "b", "c", "d", "e", "f", "type"].into_iter();
        let mut all: Value = names.map(str::to_owned).zip(numbers).collect();
        all["g"] = list;
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the tables let through, serde takes; and it goes back as it was.
    #[test]
    fn tables_and_types_agree(tree in tree(), again in leaf(), backend in backend(), numbers in numbers()) {
        for (name, arguments, back) in [
            ("grow", json!({ "tree": tree, "again": again }), Some(&tree)),
            ("grow", json!({ "tree": tree }), Some(&tree)),
            ("chardev-add", backend.clone(), Some(&backend)),
            ("count", numbers, None),
        ] {
            match send(name, arguments.clone()).0.unwrap() {
                Err(error) => prop_assert!(!error.description.starts_with("Invalid arguments"), "{arguments}: {error}"),
                Ok(result) => prop_assert!(back.is_none_or(|back| floats(back) == floats(&result)), "{arguments} came back as {result}"),
            }
        }
    }
}
