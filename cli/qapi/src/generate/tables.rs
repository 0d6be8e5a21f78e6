//! `tables.rs`: what arguments are checked against; only types that commands' arguments lead to.

use std::collections::BTreeSet;

use crate::schema::{EMPTY, Json, Kind, Object};

use super::{Code, Context};

/// The file.
pub(super) fn tables(context: &Context<'_>) -> String {
    let mut queue: Vec<&str> = Vec::new();
    for entity in context.entities() {
        if let Kind::Command {
            arguments, flags, ..
        } = &entity.kind
            && flags.generate
            && let Some((name, _)) = context.arguments(arguments.as_deref())
        {
            queue.push(name);
        }
    }
    queue.reverse();
    let mut known = BTreeSet::new();
    let mut out = Code::new("What arguments are checked against.");
    out.line(
        0,
        "\nuse super::super::visit::{Alternate, EMPTY, Member, Object, Type};",
    );
    while let Some(name) = queue.pop() {
        if !known.insert(name) || name == EMPTY {
            continue;
        }
        let Some(entity) = context.schema.get(name) else {
            continue;
        };
        match &entity.kind {
            Kind::Array { element } => queue.push(element),
            Kind::Object(object) => self::object(context, &mut out, name, object, &mut queue),
            Kind::Alternate { branches } => {
                out.line(0, "\n#[rustfmt::skip]");
                out.line(
                    0,
                    &format!(
                        "pub(super) static {}: Alternate = Alternate {{",
                        context.rust(name)
                    ),
                );
                out.line(1, &format!("name: {name:?},"));
                out.line(1, "branches: &[");
                for branch in branches
                    .iter()
                    .filter(|b| context.there(b.condition.as_ref()))
                {
                    out.line(2, &format!("{},", of(context, &branch.of)));
                    queue.push(&branch.of);
                }
                out.line(1, "],");
                out.line(0, "};");
            }
            _ => {}
        }
    }
    out.0
}

fn object<'s>(
    context: &Context<'s>,
    out: &mut Code,
    name: &str,
    object: &'s Object,
    queue: &mut Vec<&'s str>,
) {
    out.line(0, "\n#[rustfmt::skip]");
    out.line(
        0,
        &format!(
            "pub(super) static {}: Object = Object {{",
            context.rust(name)
        ),
    );
    out.line(1, "members: &[");
    for member in context.members(object) {
        let of = of(context, &member.of);
        out.line(
            2,
            &format!(
                "Member {{ name: {:?}, optional: {}, of: {of} }},",
                member.name, member.optional
            ),
        );
        queue.push(&member.of);
    }
    out.line(1, "],");
    match &object.variants {
        None => out.line(1, "variants: None,"),
        Some(variants) => {
            out.line(1, &format!("variants: Some(({:?}, &[", variants.tag));
            for branch in variants
                .branches
                .iter()
                .filter(|b| context.there(b.condition.as_ref()))
            {
                let table = if branch.of == EMPTY {
                    "EMPTY".to_owned()
                } else {
                    context.rust(&branch.of)
                };
                out.line(2, &format!("({:?}, &{table}),", branch.name));
                queue.push(&branch.of);
            }
            out.line(1, "])),");
        }
    }
    out.line(0, "};");
}

/// A type, as an expression.
fn of(context: &Context<'_>, name: &str) -> String {
    let Some(entity) = context.schema.get(name) else {
        return "Type::Any".to_owned();
    };
    match &entity.kind {
        Kind::Builtin(json) => match json {
            Json::String => "Type::Str".to_owned(),
            Json::Number => "Type::Number".to_owned(),
            Json::Int {
                unsigned: false,
                bits,
            } => format!("Type::Int {{ bits: {bits} }}"),
            Json::Int {
                unsigned: true,
                bits,
            } => format!("Type::UInt {{ bits: {bits} }}"),
            Json::Boolean => "Type::Bool".to_owned(),
            Json::Value => "Type::Any".to_owned(),
            Json::Null => "Type::Null".to_owned(),
        },
        Kind::Enum { values, .. } => {
            let there = values
                .iter()
                .filter(|value| context.there(value.condition.as_ref()));
            let names: Vec<String> = there.map(|value| format!("{:?}", value.name)).collect();
            format!("Type::Enum(&[{}])", names.join(", "))
        }
        Kind::Array { element } => format!("Type::Array(&{})", of(context, element)),
        Kind::Object(_) if name == EMPTY => "Type::Object(&EMPTY)".to_owned(),
        Kind::Object(_) => format!("Type::Object(&{})", context.rust(name)),
        Kind::Alternate { .. } => format!("Type::Alternate(&{})", context.rust(name)),
        Kind::Command { .. } | Kind::Event { .. } | Kind::Include(_) => "Type::Any".to_owned(),
    }
}
