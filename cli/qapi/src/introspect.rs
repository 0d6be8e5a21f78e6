//! Introspection: the `SchemaInfo` array that `query-qmp-schema` returns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::condition::{Condition, holds};
use crate::definition::Feature;
use crate::schema::{EMPTY, Entity, Json, Kind, Object, Schema};

/// Commands and events in schema order, then the types that they lead to, in the order of first
/// use. What has a condition that does not hold for `symbols` is left out. Types that have a
/// definition are called `0`, `1`, and so on, as their names are no part of the interface.
#[must_use]
pub fn introspect(schema: &Schema, symbols: &BTreeSet<String>) -> Value {
    let mut introspection = Introspection {
        schema,
        symbols,
        queue: Vec::new(),
        known: BTreeSet::new(),
        masks: BTreeMap::new(),
        infos: Vec::new(),
    };
    for entity in schema.in_order() {
        introspection.command_or_event(entity);
    }
    let mut next = 0;
    while let Some(entity) = introspection.queue.get(next).copied() {
        introspection.describe_type(entity);
        next += 1;
    }
    Value::Array(introspection.infos)
}

struct Introspection<'s> {
    schema: &'s Schema,
    symbols: &'s BTreeSet<String>,
    /// Types in the order of first use.
    queue: Vec<&'s Entity>,
    known: BTreeSet<&'s str>,
    masks: BTreeMap<&'s str, String>,
    infos: Vec<Value>,
}

/// What is said of one thing; the keys are sorted in the end.
type Members = Vec<(&'static str, Value)>;

impl<'s> Introspection<'s> {
    fn command_or_event(&mut self, entity: &'s Entity) {
        let (meta, members) = match &entity.kind {
            Kind::Command {
                arguments,
                returns,
                flags,
            } => {
                let mut members = vec![
                    ("arg-type", self.use_or_empty(arguments)),
                    ("ret-type", self.use_or_empty(returns)),
                ];
                if flags.allow_oob {
                    members.push(("allow-oob", Value::Bool(true)));
                }
                ("command", members)
            }
            Kind::Event { arguments, .. } => {
                ("event", vec![("arg-type", self.use_or_empty(arguments))])
            }
            _ => return,
        };
        self.add(entity, meta, Value::from(entity.name.as_str()), members);
    }

    fn describe_type(&mut self, entity: &'s Entity) {
        let (meta, members) = match &entity.kind {
            Kind::Builtin(json) => (
                "builtin",
                vec![("json-type", Value::from(json_type(*json)))],
            ),
            Kind::Array { element } => ("array", vec![("element-type", self.use_type(element))]),
            Kind::Enum { values, .. } => {
                let there = || {
                    values
                        .iter()
                        .filter(|value| self.there(value.condition.as_ref()))
                };
                let names = there()
                    .map(|value| Value::from(value.name.as_str()))
                    .collect();
                let members = there().map(|value| {
                    let name = ("name", Value::from(value.name.as_str()));
                    self.info(vec![name], &value.features)
                });
                let members = members.collect();
                (
                    "enum",
                    vec![
                        ("members", Value::Array(members)),
                        ("values", Value::Array(names)),
                    ],
                )
            }
            Kind::Object(object) => ("object", self.object(object)),
            Kind::Alternate { branches } => {
                // A type gets its number even if its branch is not there.
                let types: Vec<_> = branches
                    .iter()
                    .map(|b| (self.use_type(&b.of), b.condition.as_ref()))
                    .collect();
                let types = types
                    .into_iter()
                    .filter(|(_, condition)| self.there(*condition));
                let members = types
                    .map(|(of, _)| self.info(vec![("type", of)], &[]))
                    .collect();
                ("alternate", vec![("members", Value::Array(members))])
            }
            Kind::Command { .. } | Kind::Event { .. } | Kind::Include(_) => return,
        };
        let name = self.type_name(entity);
        self.add(entity, meta, Value::String(name), members);
    }

    fn object(&mut self, object: &'s Object) -> Members {
        let schema = self.schema;
        let mut members = Vec::new();
        for member in schema.members(object) {
            let mut info = vec![
                ("name", Value::from(member.name.as_str())),
                ("type", self.use_type(&member.of)),
            ];
            if member.optional {
                info.push(("default", Value::Null));
            }
            if self.there(member.condition.as_ref()) {
                members.push(self.info(info, &member.features));
            }
        }
        let mut all = vec![("members", Value::Array(members))];
        if let Some(variants) = &object.variants {
            let mut cases = Vec::new();
            for branch in &variants.branches {
                let case = vec![
                    ("case", Value::from(branch.name.as_str())),
                    ("type", self.use_type(&branch.of)),
                ];
                if self.there(branch.condition.as_ref()) {
                    cases.push(self.info(case, &[]));
                }
            }
            all.push(("tag", Value::from(variants.tag.as_str())));
            all.push(("variants", Value::Array(cases)));
        }
        all
    }

    fn add(&mut self, entity: &Entity, meta: &str, name: Value, mut members: Members) {
        if self.there(entity.condition.as_ref()) {
            members.extend([("name", name), ("meta-type", Value::from(meta))]);
            let info = self.info(members, &entity.features);
            self.infos.push(info);
        }
    }

    fn info(&self, mut members: Members, features: &[Feature]) -> Value {
        let there = features
            .iter()
            .filter(|feature| self.there(feature.condition.as_ref()));
        let names: Vec<Value> = there
            .map(|feature| Value::from(feature.name.as_str()))
            .collect();
        // Even if none of them is there: a client sees that there could be some.
        if !features.is_empty() {
            members.push(("features", Value::Array(names)));
        }
        members.sort_by_key(|(key, _)| *key);
        let members = members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        Value::Object(members.collect::<Map<_, _>>())
    }

    fn there(&self, condition: Option<&Condition>) -> bool {
        holds(condition, self.symbols)
    }

    fn use_or_empty(&mut self, name: &'s Option<String>) -> Value {
        self.use_type(name.as_deref().unwrap_or(EMPTY))
    }

    /// The name of a type, which from now on must be described. All integers are `int`.
    fn use_type(&mut self, name: &'s str) -> Value {
        let Some(entity) = self.schema.plain(name) else {
            return Value::Null;
        };
        if self.known.insert(&entity.name) {
            self.queue.push(entity);
        }
        Value::String(self.type_name(entity))
    }

    fn type_name(&mut self, entity: &'s Entity) -> String {
        match &entity.kind {
            Kind::Builtin(_) => entity.name.clone(),
            Kind::Array { element } => match self.use_type(element) {
                Value::String(element) => format!("[{element}]"),
                _ => entity.name.clone(),
            },
            _ => {
                let next = self.masks.len();
                self.masks
                    .entry(&entity.name)
                    .or_insert_with(|| next.to_string())
                    .clone()
            }
        }
    }
}

impl Schema {
    /// All entities, module by module.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Entity> {
        let modules = 0..self.modules.len();
        modules.flat_map(|index| {
            self.entities
                .iter()
                .filter(move |entity| entity.module == index)
        })
    }

    /// The type of this name; `int` for all integers, and the same for arrays of them.
    fn plain(&self, name: &str) -> Option<&Entity> {
        let is_int = |entity: &Entity| matches!(entity.kind, Kind::Builtin(Json::Int { .. }));
        let entity = self.get(name)?;
        match &entity.kind {
            _ if is_int(entity) => self.get("int"),
            Kind::Array { element } if self.get(element).is_some_and(is_int) => self.get("intList"),
            _ => Some(entity),
        }
    }
}

fn json_type(json: Json) -> &'static str {
    match json {
        Json::String => "string",
        Json::Number => "number",
        Json::Int { .. } => "int",
        Json::Boolean => "boolean",
        Json::Value => "value",
        Json::Null => "null",
    }
}
