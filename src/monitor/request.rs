//! The shape of a request, which all commands have in common.

use super::visit::CommandError;
use serde_json::{Map, Value};

/// How a request asks for out-of-band execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// The request is in-band.
    In,
    /// `"control": {"run-oob": true}`, as in 2018.
    Control,
    /// `"exec-oob"` for `"execute"`, as today.
    ExecOob,
}

/// A request with a valid shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The id that the reply echoes; `null` is an id, too.
    pub id: Option<Value>,
    /// The command's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Option<Map<String, Value>>,
    /// In-band or out-of-band.
    pub band: Band,
}

impl Request {
    /// Checks the shape. The error comes with the id to echo. `oob`: the session may use
    /// `exec-oob`.
    ///
    /// # Errors
    /// What is wrong, in QEMU's words.
    pub fn parse(value: Value, oob: bool) -> Result<Self, (Option<Value>, CommandError)> {
        let Value::Object(mut members) = value else {
            return Err((
                None,
                CommandError::generic("QMP input must be a JSON object"),
            ));
        };
        let id = members.remove("id");
        match Self::members(members, oob) {
            Ok((name, arguments, band)) => Ok(Self {
                id,
                name,
                arguments,
                band,
            }),
            Err(description) => Err((id, CommandError::generic(description))),
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "the parts of a request, for its only caller"
    )]
    fn members(
        mut members: Map<String, Value>,
        oob: bool,
    ) -> Result<(String, Option<Map<String, Value>>, Band), String> {
        let wrong = |name, expected| format!("QMP input member '{name}' must be {expected}");
        let execute = match members.remove("execute") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(wrong("execute", "a string")),
        };
        // In a session without out-of-band commands it is an unexpected member, like any other.
        let exec_oob = match oob.then(|| members.remove("exec-oob")).flatten() {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(wrong("exec-oob", "a string")),
        };
        let arguments = match members.remove("arguments") {
            None => None,
            Some(Value::Object(arguments)) => Some(arguments),
            Some(_) => return Err(wrong("arguments", "an object")),
        };
        let run_oob = match members.remove("control") {
            None => false,
            Some(Value::Object(control)) => control.get("run-oob") == Some(&Value::Bool(true)),
            Some(_) => return Err(wrong("control", "an object")),
        };
        if let Some(name) = members.keys().next() {
            return Err(format!("QMP input member '{name}' is unexpected"));
        }
        match (execute, exec_oob) {
            (Some(_), Some(_)) => {
                Err("QMP input member 'execute' clashes with 'exec-oob'".to_owned())
            }
            (None, None) => Err("QMP input lacks member 'execute'".to_owned()),
            (None, Some(name)) => Ok((name, arguments, Band::ExecOob)),
            (Some(name), None) if run_oob => Ok((name, arguments, Band::Control)),
            (Some(name), None) => Ok((name, arguments, Band::In)),
        }
    }
}
