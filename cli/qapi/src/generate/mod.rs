//! Rust from a schema. The output stands on a module `visit` beside it (`src/monitor/visit.rs`),
//! and is formatted as rustfmt would: items whose layout it would change carry `#[rustfmt::skip]`.

mod commands;
mod docs;
mod events;
mod names;
mod tables;
mod types;

pub(crate) use docs::marked;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::condition::{Condition, holds};
use crate::introspect;
use crate::schema::{EMPTY, Entity, Json, Kind, Member, Object, Schema};

/// A file of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// A schema that cannot become Rust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two names are one in Rust.
    #[error("'{first}' and '{second}' are both called {rust} in Rust: rename one of them")]
    Clash {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// What both are called.
        rust: String,
    },
}

/// Generates the files of the module: what has a condition that does not hold for `symbols` is left
/// out.
///
/// # Errors
/// Names that cannot be told apart in Rust.
pub fn generate(schema: &Schema, symbols: &BTreeSet<String>) -> Result<Vec<File>, Error> {
    let context = Context::new(schema, symbols)?;
    let introspection = introspect::introspect(schema, symbols);
    let file = |name, text| File { name, text };
    Ok(vec![
        file("commands.rs", commands::commands(&context)?),
        file("events.rs", events::events(&context)?),
        file("introspection.json", format!("{introspection:#}\n")),
        file("mod.rs", root(&context)),
        file("tables.rs", tables::tables(&context)),
        file("types.rs", types::types(&context)?),
    ])
}

/// What all parts of the generator look things up in.
struct Context<'s> {
    schema: &'s Schema,
    symbols: &'s BTreeSet<String>,
    /// What each type is called in Rust.
    types: BTreeMap<&'s str, String>,
    /// Types that contain themselves by way of others.
    recursive: BTreeSet<&'s str>,
}

impl<'s> Context<'s> {
    fn new(schema: &'s Schema, symbols: &'s BTreeSet<String>) -> Result<Context<'s>, Error> {
        let mut context = Context {
            schema,
            symbols,
            types: BTreeMap::new(),
            recursive: BTreeSet::new(),
        };
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for entity in context.entities() {
            let suffix = match &entity.kind {
                Kind::Enum { .. } | Kind::Alternate { .. } => "",
                Kind::Object(object) if object.implicit.is_some() => "Arguments",
                Kind::Object(_) if entity.name != EMPTY => "",
                _ => continue,
            };
            // A union's common members stand in the union itself.
            if is_base(entity) || entity.at.is_none() && !is_used(schema, &entity.name) {
                continue;
            }
            let owner = match (&entity.definition, suffix) {
                (Some((_, owner)), "Arguments") => owner,
                _ => &entity.name,
            };
            let rust = names::type_name(owner, suffix);
            let is_union = entity
                .object()
                .is_some_and(|object| object.variants.is_some());
            let branch = is_union.then(|| format!("{rust}Branch"));
            for rust in branch.into_iter().chain([rust.clone()]) {
                if let Some(first) = taken.insert(rust.clone(), owner) {
                    let (first, second) = (first.to_owned(), owner.clone());
                    return Err(Error::Clash {
                        first,
                        second,
                        rust,
                    });
                }
            }
            context.types.insert(&entity.name, rust);
        }
        context.recursive = recursive(&context);
        Ok(context)
    }

    /// Everything that is there, module by module.
    fn entities(&self) -> impl Iterator<Item = &'s Entity> + use<'s> {
        let (schema, symbols) = (self.schema, self.symbols);
        schema
            .in_order()
            .filter(move |entity| holds(entity.condition.as_ref(), symbols))
    }

    fn there(&self, condition: Option<&Condition>) -> bool {
        holds(condition, self.symbols)
    }

    /// The members that are there, the base's first.
    fn members(&self, object: &'s Object) -> Vec<&'s Member> {
        let mut members = self.schema.members(object);
        members.retain(|member| self.there(member.condition.as_ref()));
        members
    }

    /// The object that arguments or data are given as; none if it has no members.
    fn arguments(&self, name: Option<&'s str>) -> Option<(&'s str, &'s Object)> {
        let name = name?;
        let object = self.schema.get(name)?.object()?;
        let empty = object.variants.is_none() && self.members(object).is_empty();
        (!empty).then_some((name, object))
    }

    /// A type in Rust, seen from a module beside `types`.
    fn rust(&self, name: &str) -> String {
        match self.schema.get(name).map(|entity| &entity.kind) {
            Some(Kind::Builtin(json)) => builtin(*json).to_owned(),
            Some(Kind::Array { element }) => format!("Vec<{}>", self.rust(element)),
            _ => match self.types.get(name) {
                Some(rust) => rust.clone(),
                None => "Map<String, Value>".to_owned(),
            },
        }
    }

    /// A member's type.
    fn member_type(&self, member: &Member) -> String {
        let mut rust = self.rust(&member.of);
        if self.recursive.contains(member.of.as_str()) {
            rust = format!("Box<{rust}>");
        }
        match member.optional {
            true => format!("Option<{rust}>"),
            false => rust,
        }
    }

    /// Whether `null` is a value of the type.
    fn can_be_null(&self, name: &str) -> bool {
        match self.schema.get(name).map(|entity| &entity.kind) {
            Some(Kind::Builtin(json)) => matches!(json, Json::Null | Json::Value),
            Some(Kind::Alternate { branches }) => {
                branches.iter().any(|branch| self.can_be_null(&branch.of))
            }
            _ => false,
        }
    }
}

/// Whether the type is there for a union alone.
fn is_base(entity: &Entity) -> bool {
    let implicit = entity.object().and_then(|object| object.implicit);
    implicit == Some(crate::schema::Role::Base)
}

/// Whether anything is of this type.
fn is_used(schema: &Schema, name: &str) -> bool {
    schema.entities.iter().any(|entity| match &entity.kind {
        Kind::Object(object) => {
            let variants = object
                .variants
                .iter()
                .flat_map(|variants| &variants.branches);
            object.members.iter().any(|member| member.of == name)
                || variants.into_iter().any(|branch| branch.of == name)
        }
        Kind::Alternate { branches } => branches.iter().any(|branch| branch.of == name),
        Kind::Array { element } => element == name,
        Kind::Command { returns, .. } => returns.as_deref() == Some(name),
        Kind::Builtin(_) | Kind::Enum { .. } | Kind::Event { .. } | Kind::Include(_) => false,
    })
}

fn builtin(json: Json) -> &'static str {
    match json {
        Json::String => "String",
        Json::Number => "f64",
        Json::Int {
            unsigned: false,
            bits: 8,
        } => "i8",
        Json::Int {
            unsigned: false,
            bits: 16,
        } => "i16",
        Json::Int {
            unsigned: false,
            bits: 32,
        } => "i32",
        Json::Int {
            unsigned: false, ..
        } => "i64",
        Json::Int {
            unsigned: true,
            bits: 8,
        } => "u8",
        Json::Int {
            unsigned: true,
            bits: 16,
        } => "u16",
        Json::Int {
            unsigned: true,
            bits: 32,
        } => "u32",
        Json::Int { unsigned: true, .. } => "u64",
        Json::Boolean => "bool",
        Json::Value => "Value",
        Json::Null => "()",
    }
}

/// The types that can be reached from themselves without an array between.
fn recursive<'s>(context: &Context<'s>) -> BTreeSet<&'s str> {
    let contained = |name: &str| -> Vec<&'s str> {
        match context.schema.get(name).map(|entity| &entity.kind) {
            Some(Kind::Object(object)) => {
                let members = context
                    .schema
                    .members(object)
                    .into_iter()
                    .map(|member| member.of.as_str());
                let variants = object
                    .variants
                    .iter()
                    .flat_map(|variants| &variants.branches);
                members
                    .chain(variants.map(|branch| branch.of.as_str()))
                    .collect()
            }
            Some(Kind::Alternate { branches }) => {
                branches.iter().map(|branch| branch.of.as_str()).collect()
            }
            _ => Vec::new(),
        }
    };
    let mut recursive = BTreeSet::new();
    for name in context.types.keys() {
        let mut known = BTreeSet::new();
        let mut queue = contained(name);
        while let Some(next) = queue.pop() {
            if known.insert(next) {
                queue.extend(contained(next));
            }
        }
        if known.contains(name) {
            recursive.insert(*name);
        }
    }
    recursive
}

/// Lints that are for people who write code: here they would only make the generator longer.
const ALLOWED: [&str; 9] = [
    "clippy::all",
    "clippy::pedantic",
    "missing_docs",
    "non_camel_case_types",
    "non_upper_case_globals",
    "rustdoc::all",
    "unreachable_code",
    "unused_imports",
    "unused_variables",
];

fn root(context: &Context<'_>) -> String {
    let mut out = Code::new("The commands, events and types of the schema.");
    out.line(0, "\n#![allow(");
    out.line(1, &ALLOWED.join(",\n    "));
    out.line(0, ")]\n");
    out.line(0, "mod commands;\nmod events;\nmod tables;\nmod types;\n");
    out.line(
        0,
        "pub use commands::{Commands, OobCommands, dispatch, dispatch_oob};",
    );
    out.line(0, "pub use events::Event;\npub use types::*;");
    let (mut commands, mut events) = (Code(String::new()), Code(String::new()));
    for entity in context.entities() {
        let name = &entity.name;
        match &entity.kind {
            Kind::Command { flags, .. } => {
                let (oob, response, preconfig) = (
                    flags.allow_oob,
                    flags.success_response,
                    flags.allow_preconfig,
                );
                commands.line(
                    1,
                    &format!(
                        "super::visit::CommandInfo {{ name: {name:?}, allow_oob: {oob}, \
                     success_response: {response}, allow_preconfig: {preconfig} }},"
                    ),
                );
            }
            Kind::Event { .. } => {
                events.line(1, &format!("super::visit::EventInfo {{ name: {name:?} }},"))
            }
            _ => {}
        }
    }
    for (title, name, of, list) in [
        ("All commands", "COMMANDS", "CommandInfo", commands),
        ("All events", "EVENTS", "EventInfo", events),
    ] {
        out.line(
            0,
            &format!("\n/// {title}, in the order of the schema.\n#[rustfmt::skip]"),
        );
        out.line(0, &format!("pub const {name}: &[super::visit::{of}] = &["));
        out.0.push_str(&list.0);
        out.line(0, "];");
    }
    out.line(0, "\n/// What `query-qmp-schema` returns, as JSON.");
    out.line(
        0,
        "pub const INTROSPECTION: &str = include_str!(\"introspection.json\");",
    );
    out.0
}

/// Text that grows line by line.
struct Code(String);

impl Code {
    fn new(title: &str) -> Code {
        Code(format!(
            "//! {title} Generated by `rr qapi gen`: do not edit.\n"
        ))
    }

    fn line(&mut self, indent: usize, text: &str) {
        // A string takes everything.
        let _ = writeln!(self.0, "{:1$}{text}", "", indent * 4);
    }
}
