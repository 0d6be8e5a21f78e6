//! The session of one client: what it has negotiated, and what happens to each of its requests. It
//! does no I/O.

use super::address::Trust;
use super::generated::{VersionInfo, VersionTriple};
use super::json::JsonError;
use super::request::{Band, Request};
use super::visit::{CommandError, ErrorClass};
use serde_json::{Map, Value, json};

/// The result of the negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Capabilities {
    /// The client has not negotiated: only `qmp_capabilities` is allowed.
    Expected,
    /// The client may send commands.
    Agreed {
        /// True if it may also send out-of-band commands.
        oob: bool,
    },
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The answer is known. It keeps its place among the session's answers.
    InOrder(Answer),
    /// The answer is known, and is sent at once.
    AtOnce(Answer),
    /// The request is queued for in-band execution.
    InBand(Request),
    /// The request is executed at once, out of band.
    OutOfBand(Request),
}

/// Commands that write files of the user's.
pub(super) const WRITE_FILES: [&str; 2] = ["memsave", "pmemsave"];

impl Verdict {
    /// The verdict for a client of which the monitor has this trust.
    pub(super) fn within(self, trust: Trust) -> Self {
        let request = match self {
            Self::InBand(request) | Self::OutOfBand(request)
                if !trust.may_write_files() && WRITE_FILES.contains(&&*request.name) =>
            {
                request
            }
            verdict => return verdict,
        };
        let result = Err(CommandError::generic(format!(
            "{} writes a file, and whoever reaches this port could ask for it; connect by a Unix \
             socket, or give the port files=on",
            request.name
        )));
        Self::InOrder(Answer {
            id: request.id,
            result,
        })
    }
}

/// A reply and the id that it echoes.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The id of the request, if it had one.
    pub id: Option<Value>,
    /// The result of the command.
    pub result: Result<Value, CommandError>,
}

impl Answer {
    /// The answer as the client gets it.
    pub fn to_value(&self) -> Value {
        let mut reply = Map::new();
        match &self.result {
            Ok(value) => reply.insert("return".into(), value.clone()),
            Err(CommandError { class, description }) => reply.insert(
                "error".into(),
                json!({"class": class.name(), "desc": description}),
            ),
        };
        if let Some(id) = &self.id {
            reply.insert("id".into(), id.clone());
        }
        Value::Object(reply)
    }
}

/// The state of a session.
#[derive(Debug)]
pub struct Session {
    capabilities: Capabilities,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            capabilities: Capabilities::Expected,
        }
    }
}

/// The greeting.
pub fn greeting() -> Value {
    json!({"QMP": {"version": version(), "capabilities": ["oob"]}})
}

/// Name and version of the server.
pub fn version() -> VersionInfo {
    VersionInfo {
        qemu: VersionTriple {
            major: 7,
            minor: 2,
            micro: 0,
        },
        package: concat!("rr ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

impl Session {
    /// True if events are sent to this client.
    pub fn is_negotiated(&self) -> bool {
        self.capabilities != Capabilities::Expected
    }

    fn has_oob(&self) -> bool {
        matches!(self.capabilities, Capabilities::Agreed { oob: true })
    }

    /// Decides what happens to a request. `allows_oob` tells whether a command may be executed out
    /// of band; `None`: there is no such command.
    pub fn receive(
        &mut self,
        parsed: Result<Value, JsonError>,
        allows_oob: impl Fn(&str) -> Option<bool>,
    ) -> Verdict {
        let request = parsed
            .map_err(|error| (None, CommandError::generic(error.to_string())))
            .and_then(|value| Request::parse(value, self.has_oob()));
        let request = match request {
            Ok(request) => request,
            Err((id, error)) => {
                return Verdict::InOrder(Answer {
                    id,
                    result: Err(error),
                });
            }
        };
        let in_order = |id, result| Verdict::InOrder(Answer { id, result });
        let at_once = |id, error| {
            Verdict::AtOnce(Answer {
                id,
                result: Err(error),
            })
        };
        match request.band {
            Band::Control if !self.has_oob() => in_order(
                request.id,
                Err(CommandError::generic(
                    "Please enable Out-Of-Band first for the session during capabilities \
                     negotiation",
                )),
            ),
            Band::Control if request.id.is_none() => at_once(
                None,
                CommandError::generic(
                    "Out-Of-Band capability requires that every command contains an 'id' field",
                ),
            ),
            Band::Control | Band::ExecOob => match allows_oob(&request.name) {
                None => at_once(request.id, unknown(&request.name)),
                Some(true) => Verdict::OutOfBand(request),
                Some(false) => at_once(
                    request.id,
                    CommandError::generic(format!(
                        "The command {} does not support OOB",
                        request.name
                    )),
                ),
            },
            Band::In => match (self.capabilities, request.name.as_str()) {
                (Capabilities::Expected, "qmp_capabilities") => {
                    let result = self.negotiate(request.arguments.unwrap_or_default());
                    in_order(request.id, result)
                }
                (Capabilities::Expected, _) => in_order(
                    request.id,
                    Err(not_now(
                        "Expecting capabilities negotiation with 'qmp_capabilities'",
                    )),
                ),
                (Capabilities::Agreed { .. }, "qmp_capabilities") => in_order(
                    request.id,
                    Err(not_now(
                        "Capabilities negotiation is already complete, command ignored",
                    )),
                ),
                (Capabilities::Agreed { .. }, _) => Verdict::InBand(request),
            },
        }
    }

    fn negotiate(&mut self, mut arguments: Map<String, Value>) -> Result<Value, CommandError> {
        let enable = arguments.remove("enable");
        if let Some(name) = arguments.keys().next() {
            return Err(CommandError::generic(format!(
                "Parameter '{name}' is unexpected"
            )));
        }
        let expected = |path: &str, what| {
            CommandError::generic(format!(
                "Invalid parameter type for '{path}', expected: {what}"
            ))
        };
        let enable = match enable {
            None => Vec::new(),
            Some(Value::Array(enable)) => enable,
            Some(_) => return Err(expected("enable", "array")),
        };
        for (at, name) in enable.iter().enumerate() {
            let path = format!("enable[{at}]");
            match name.as_str() {
                Some("oob") => {}
                Some(other) => {
                    return Err(CommandError::generic(format!(
                        "Parameter '{path}' does not accept value '{other}'"
                    )));
                }
                None => return Err(expected(&path, "string")),
            }
        }
        self.capabilities = Capabilities::Agreed {
            oob: !enable.is_empty(),
        };
        Ok(json!({}))
    }
}

/// The error for a command that does not exist.
pub fn unknown(name: &str) -> CommandError {
    not_now(&format!("The command {name} has not been found"))
}

fn not_now(description: &str) -> CommandError {
    CommandError {
        class: ErrorClass::CommandNotFound,
        description: description.to_owned(),
    }
}
