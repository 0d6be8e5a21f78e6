//! The commands and their arguments, by `query-qmp-schema`.

use std::collections::BTreeMap;

use serde_json::Value;

/// The type of an argument, as far as it matters for parsing words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    /// One of these words.
    Enum(Vec<String>),
    List(Box<Kind>),
    /// Another type, written as JSON.
    Other,
}

/// An argument of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

/// All commands of a monitor.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    commands: BTreeMap<String, Vec<Argument>>,
}

impl Schema {
    /// The schema from the result of `query-qmp-schema`. Parts that are not understood are left
    /// out: the monitor checks the arguments anyway.
    pub(crate) fn new(entities: &Value) -> Self {
        let entities = entities.as_array().map(Vec::as_slice).unwrap_or_default();
        let by_name: BTreeMap<&str, &Value> = entities
            .iter()
            .filter_map(|entity| Some((entity["name"].as_str()?, entity)))
            .collect();
        let commands = entities
            .iter()
            .filter(|entity| entity["meta-type"] == "command");
        let arguments = |command: &Value| {
            let of = by_name.get(command["arg-type"].as_str()?)?;
            Some(of["members"].as_array()?.iter().filter_map(|member| {
                Some(Argument {
                    name: member["name"].as_str()?.to_owned(),
                    kind: kind(&by_name, member["type"].as_str()?),
                    optional: member.get("default").is_some(),
                })
            }))
        };
        let commands = commands.filter_map(|command| {
            let name = command["name"].as_str()?.to_owned();
            Some((name, arguments(command)?.collect()))
        });
        Self {
            commands: commands.collect(),
        }
    }

    /// The names of the commands.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.commands.keys().map(String::as_str)
    }

    /// The arguments of a command; `None`: there is no such command.
    pub(crate) fn arguments(&self, command: &str) -> Option<&[Argument]> {
        self.commands.get(command).map(Vec::as_slice)
    }
}

/// The kind of a type. A list of lists is written as JSON.
fn kind(types: &BTreeMap<&str, &Value>, name: &str) -> Kind {
    if let Some(element) = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        return Kind::List(Box::new(kind(types, element)));
    }
    let Some(of) = types.get(name) else {
        return Kind::Other;
    };
    let word = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    match (
        word(of, "meta-type").as_str(),
        word(of, "json-type").as_str(),
    ) {
        ("builtin", "string") => Kind::Text,
        ("builtin", "int") => Kind::Integer,
        ("builtin", "number") => Kind::Number,
        ("builtin", "boolean") => Kind::Boolean,
        ("enum", _) => {
            let values = of["values"].as_array().into_iter().flatten();
            let values = values.filter_map(|value| Some(value.as_str()?.to_owned()));
            Kind::Enum(values.collect())
        }
        _ => Kind::Other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A small schema.
    pub(crate) fn small() -> Schema {
        Schema::new(&json!([
            {"name": "go", "meta-type": "command", "arg-type": "0", "ret-type": "1"},
            {"name": "stop", "meta-type": "command", "arg-type": "1", "ret-type": "1"},
            {"name": "0", "meta-type": "object", "members": [
                {"name": "to", "type": "int"},
                {"name": "far", "type": "bool", "default": null},
                {"name": "how", "type": "2", "default": null},
                {"name": "with", "type": "[str]", "default": null},
                {"name": "what", "type": "1", "default": null},
                {"name": "name", "type": "str", "default": null},
                {"name": "speed", "type": "number", "default": null}]},
            {"name": "1", "meta-type": "object", "members": []},
            {"name": "2", "meta-type": "enum", "values": ["fast", "slow"]},
            {"name": "[str]", "meta-type": "array", "element-type": "str"},
            {"name": "int", "meta-type": "builtin", "json-type": "int"},
            {"name": "number", "meta-type": "builtin", "json-type": "number"},
            {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
            {"name": "str", "meta-type": "builtin", "json-type": "string"},
            {"name": "STOP", "meta-type": "event", "arg-type": "1"},
        ]))
    }

    #[test]
    fn commands_and_arguments() {
        let schema = small();
        assert_eq!(schema.names().collect::<Vec<_>>(), ["go", "stop"]);
        assert_eq!(schema.arguments("stop"), Some(&[][..]));
        assert_eq!(schema.arguments("nope"), None);
        let go = schema.arguments("go").unwrap();
        assert_eq!((go[0].optional, go[1].optional), (false, true));
        assert_eq!(go[3].kind, Kind::List(Box::new(Kind::Text)));
        assert_eq!(go[4].kind, Kind::Other);
    }

    #[test]
    fn nonsense_is_no_schema() {
        for nonsense in [
            json!(null),
            json!([1, {}, {"name": 1}]),
            json!([{"name": "x", "meta-type": "command"}]),
        ] {
            assert_eq!(Schema::new(&nonsense).names().count(), 0);
        }
    }
}
