//! Commands reach their methods with typed arguments, and results go back as JSON.

use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::generated::*;
use super::visit::{CommandError, CommandInfo, ErrorClass};

/// A monitor that writes down what it is asked for.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) calls: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Oob {
    locks: Mutex<Vec<bool>>,
}

impl OobCommands for Oob {
    fn query_status(&self) -> Result<StatusInfo, CommandError> {
        Ok(StatusInfo {
            running: true,
            status: RunState::_2nd,
            icount: Some(u64::MAX),
        })
    }

    fn x_oob_test(&self, lock: bool) -> Result<(), CommandError> {
        self.locks.lock().unwrap().push(lock);
        Ok(())
    }
}

impl Commands for Machine {
    fn system_reset(&mut self) -> Result<(), CommandError> {
        Err(CommandError {
            class: ErrorClass::DeviceNotActive,
            description: "no machine".to_owned(),
        })
    }

    fn quit(&mut self) -> Result<(), CommandError> {
        self.calls.push("quit".to_owned());
        Ok(())
    }

    fn human_monitor_command(
        &mut self,
        command_line: String,
        cpu_index: Option<i64>,
    ) -> Result<String, CommandError> {
        Ok(format!("{command_line} {cpu_index:?}"))
    }

    fn count(
        &mut self,
        a: i8,
        b: i16,
        c: i32,
        d: i64,
        e: Option<u8>,
        f: Option<u16>,
        g: Option<Vec<u64>>,
        r#type: Option<f64>,
    ) -> Result<i64, CommandError> {
        self.calls
            .push(format!("{e:?} {f:?} {g:?} {type:?}", r#type = r#type));
        Ok(i64::from(a) + i64::from(b) + i64::from(c) + d)
    }

    fn device_add(&mut self, arguments: Map<String, Value>) -> Result<Value, CommandError> {
        Ok(Value::Object(arguments))
    }

    fn chardev_add(&mut self, arguments: Backend) -> Result<Backend, CommandError> {
        self.calls.push(format!("{arguments:?}"));
        Ok(arguments)
    }

    fn grow(
        &mut self,
        tree: Box<Tree>,
        again: Option<Box<LeafOrTree>>,
    ) -> Result<Tree, CommandError> {
        self.calls.push(format!("{again:?}"));
        Ok(*tree)
    }

    fn odd_one(
        &mut self,
        upper_case: Option<String>,
        self_: Option<bool>,
    ) -> Result<Vec<Odd>, CommandError> {
        Ok(vec![
            Odd { upper_case, self_ },
            Odd {
                upper_case: None,
                self_: None,
            },
        ])
    }

    fn trap(&mut self, arguments: Pocket) -> Result<Pocket, CommandError> {
        Ok(arguments)
    }

    fn names(
        &mut self,
        commands: i64,
        oob: i64,
        name: String,
        arguments: i64,
        decode: Option<i64>,
    ) -> Result<ResultType, CommandError> {
        let ok = commands + oob + arguments + decode.unwrap_or(0);
        let some = (name == "some").then_some(OptionType::Some);
        Ok(ResultType { ok, some })
    }

    fn send_key(
        &mut self,
        keys: Vec<KeyValue>,
        hold_time: Option<i64>,
    ) -> Result<(), CommandError> {
        self.calls.push(format!("{keys:?} {hold_time:?}"));
        Ok(())
    }
}

/// Sends a command in band.
pub(crate) fn send(
    name: &str,
    arguments: Value,
) -> (Option<Result<Value, CommandError>>, Vec<String>) {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object");
    };
    let mut machine = Machine::default();
    let result = dispatch(&mut machine, &Oob::default(), name, Some(arguments));
    (result, machine.calls)
}

fn good(name: &str, arguments: Value) -> (Value, Vec<String>) {
    let (result, calls) = send(name, arguments);
    (result.unwrap().unwrap(), calls)
}

#[test]
fn a_command_without_arguments_and_result() {
    let mut machine = Machine::default();
    let result = dispatch(&mut machine, &Oob::default(), "quit", None);
    assert_eq!(result, Some(Ok(json!({}))));
    assert_eq!(machine.calls, ["quit"]);
}

#[test]
fn errors_keep_their_class() {
    let error = send("system_reset", json!({})).0.unwrap().unwrap_err();
    assert_eq!(
        (error.class.name(), error.to_string().as_str()),
        ("DeviceNotActive", "no machine")
    );
}

#[test]
fn unknown_commands() {
    assert_eq!(send("nonsense", json!({})).0, None);
    // What may not run out of band is not there out of band.
    assert_eq!(dispatch_oob(&Oob::default(), "quit", None), None);
}

#[test]
fn out_of_band_commands_run_in_band_too() {
    let status = json!({ "running": true, "status": "2nd", "icount": u64::MAX });
    assert_eq!(good("query-status", json!({})).0, status);
    let oob = Oob::default();
    let result = dispatch_oob(&oob, "query-status", None);
    assert_eq!(result, Some(Ok(status)));
    let lock = json!({ "lock": true }).as_object().cloned();
    assert_eq!(dispatch_oob(&oob, "x-oob-test", lock), Some(Ok(json!({}))));
    assert_eq!(*oob.locks.lock().unwrap(), [true]);
}

#[test]
fn a_result_that_is_no_object() {
    let line = json!({ "command-line": "info", "cpu-index": -1 });
    assert_eq!(
        good("human-monitor-command", line).0,
        json!("info Some(-1)")
    );
}

#[test]
fn numbers_of_all_sizes() {
    let all = json!({ "a": -128, "b": 32767, "c": -1, "d": i64::MIN / 2, "e": 255, "f": 65535, "g": [u64::MAX, 0], "type": 3 });
    let (sum, calls) = good("count", all);
    assert_eq!(sum, json!(i64::MIN / 2 + 32767 - 129));
    assert_eq!(
        calls,
        ["Some(255) Some(65535) Some([18446744073709551615, 0]) Some(3.0)"]
    );
}

#[test]
fn arguments_that_are_not_checked() {
    let raw = json!({ "driver": 1, "whatever": [null, { "x": 1 }] });
    assert_eq!(good("device-add", raw.clone()).0, raw);
}

#[test]
fn unions() {
    let file = json!({ "id": "a", "kind": "file", "path": "/x", "tags": ["t"] });
    let (echo, calls) = good("chardev-add", file.clone());
    assert_eq!(echo, file);
    assert_eq!(
        calls,
        [
            "Backend { id: \"a\", branch: File(FileBackend { tags: Some([\"t\"]), path: \"/x\", append: None }) }"
        ]
    );
    // A value of the tag without a branch.
    let null = json!({ "kind": "null", "id": "a" });
    assert_eq!(good("chardev-add", null.clone()).0, null);
    let keys =
        json!({ "keys": [{ "type": "qcode", "data": "ret" }, { "type": "number", "data": 28 }] });
    let (nothing, calls) = good("send-key", keys);
    assert_eq!(nothing, json!({}));
    assert_eq!(
        calls,
        ["[Qcode(KeyQcode { data: Ret }), Number(KeyNumber { data: 28 })] None"]
    );
}

#[test]
fn alternates_and_types_that_contain_themselves() {
    let trees = [
        json!({ "rest": [] }),
        json!({ "rest": [{ "rest": [] }], "left": { "rest": [], "value": null }, "value": { "any": [1.5] } }),
        json!({ "rest": [], "value": null, "leaf-or-tree": null }),
        json!({ "rest": [], "leaf-or-tree": { "rest": [], "leaf-or-tree": "file" } }),
        json!({ "rest": [], "leaf-or-tree": [1, -1] }),
        json!({ "rest": [], "leaf-or-tree": true }),
        json!({ "rest": [], "leaf-or-tree": 0.5 }),
    ];
    for tree in trees {
        assert_eq!(
            good("grow", json!({ "tree": tree })).0,
            tree,
            "comes back as it was"
        );
    }
    let (_, calls) = good("grow", json!({ "tree": { "rest": [] }, "again": null }));
    assert_eq!(calls, ["Some(None(()))"], "null is not absent");
    let (_, calls) = good("grow", json!({ "tree": { "rest": [] } }));
    assert_eq!(calls, ["None"]);
}

#[test]
fn branches_that_serde_could_take_for_each_other() {
    let traps = [
        json!([5]),
        json!([null]),
        json!({ "file": null }),
        json!({ "file": [1] }),
        json!("file"),
        json!([]),
    ];
    for trap in traps {
        let pocket = json!({ "trap": trap, "type": "qnull" });
        assert_eq!(good("trap", pocket.clone()).0, pocket);
    }
}

#[test]
fn names_that_are_not_rust() {
    let odd = json!({ "Upper_case": "x", "self": false });
    assert_eq!(good("odd-one", odd.clone()).0, json!([odd, {}]));
    let names = json!({ "commands": 1, "oob": 2, "name": "some", "arguments": 4, "decode": 8 });
    assert_eq!(good("names", names).0, json!({ "ok": 15, "some": "some" }));
    let event = Event::Names {
        member: true,
        object: "o".to_owned(),
        visit: None,
        data: Value::Null,
    };
    let data = json!({ "member": true, "object": "o", "data": null });
    assert_eq!(event.data(), Some(data));
}

#[test]
fn tables_of_commands_and_events() {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    assert_eq!(names.len(), 13, "and none that is conditional: {names:?}");
    let of = |name: &str| {
        *COMMANDS
            .iter()
            .find(|command| command.name == name)
            .unwrap()
    };
    let plain = CommandInfo {
        name: "send-key",
        allow_oob: false,
        success_response: true,
        allow_preconfig: false,
    };
    assert_eq!(of("send-key"), plain);
    assert_eq!(
        of("quit"),
        CommandInfo {
            name: "quit",
            success_response: false,
            ..plain
        }
    );
    assert_eq!(
        of("system_reset"),
        CommandInfo {
            name: "system_reset",
            allow_preconfig: true,
            ..plain
        }
    );
    assert_eq!(
        of("x-oob-test"),
        CommandInfo {
            name: "x-oob-test",
            allow_oob: true,
            ..plain
        }
    );
    let events: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
    assert_eq!(
        events,
        ["STOP", "SHUTDOWN", "BACKEND_CHANGED", "STATUS", "NAMES"]
    );
}

#[test]
fn events_and_their_data() {
    assert_eq!((Event::Stop.name(), Event::Stop.data()), ("STOP", None));
    let reason = RunState::IoError;
    let shutdown = Event::Shutdown {
        guest: true,
        reason,
        note: None,
    };
    assert_eq!(shutdown.name(), "SHUTDOWN");
    assert_eq!(
        shutdown.data(),
        Some(json!({ "guest": true, "reason": "io-error" }))
    );
    let noted = Event::Shutdown {
        guest: false,
        reason,
        note: Some("n".to_owned()),
    };
    assert_eq!(
        noted.data(),
        Some(json!({ "guest": false, "reason": "io-error", "note": "n" }))
    );
    let backend = Backend {
        id: "a".to_owned(),
        branch: BackendBranch::Null,
    };
    let changed = Event::BackendChanged(backend);
    assert_eq!(changed.data(), Some(json!({ "id": "a", "kind": "null" })));
    let status = Event::Status {
        running: false,
        status: RunState::Paused,
        icount: None,
    };
    assert_eq!(
        status.data(),
        Some(json!({ "running": false, "status": "paused" }))
    );
    assert_eq!(RunState::_2nd.name(), "2nd");
}

#[test]
fn introspection_is_json_of_the_same_commands() {
    let infos: Vec<Value> = serde_json::from_str(INTROSPECTION).unwrap();
    let oob: Vec<&str> = infos
        .iter()
        .filter(|info| info["meta-type"] == "command" && info["allow-oob"] == true)
        .filter_map(|info| info["name"].as_str())
        .collect();
    assert_eq!(oob, ["query-status", "x-oob-test"]);
    let named = |meta: &str| {
        infos
            .iter()
            .filter(|info| info["meta-type"] == meta)
            .count()
    };
    assert_eq!(
        (named("command"), named("event")),
        (COMMANDS.len(), EVENTS.len())
    );
}
