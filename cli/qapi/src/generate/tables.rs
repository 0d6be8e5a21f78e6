//! `tables.rs`: what arguments are checked against; only types that commands' arguments lead to.

use std::collections::BTreeSet;

use crate::schema::{EMPTY, Json, Kind, Object};

use super::{Code, Context, names};

/// The name of the table of an object or alternate.
pub(super) fn table(name: &str) -> String {
    match name.strip_prefix("q_obj_") {
        Some(implicit) => format!("OF_{}", names::constant(implicit)),
        None => names::constant(name),
    }
}

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
    let mut body = Code(String::new());
    while let Some(name) = queue.pop() {
        if !known.insert(name) || name == EMPTY {
            continue;
        }
        let Some(entity) = context.schema.get(name) else {
            continue;
        };
        match &entity.kind {
            Kind::Array { element } => queue.push(element),
            Kind::Object(object) => self::object(context, &mut body, name, object, &mut queue),
            Kind::Alternate { branches } => {
                body.line(0, "\n#[rustfmt::skip]");
                body.line(
                    0,
                    &format!(
                        "pub(super) static {}: Alternate = Alternate {{",
                        table(name)
                    ),
                );
                body.line(1, &format!("name: {name:?},"));
                body.line(1, "branches: &[");
                for branch in branches
                    .iter()
                    .filter(|b| context.there(b.condition.as_ref()))
                {
                    body.line(2, &format!("{},", of(context, &branch.of)));
                    queue.push(&branch.of);
                }
                body.line(1, "],");
                body.line(0, "};");
            }
            _ => {}
        }
    }
    let mut out = Code::new("What arguments are checked against.");
    let helpers = ["Alternate", "EMPTY", "Member", "Object", "Type"].into_iter();
    let used = helpers.filter(|name| {
        let uses = [
            format!("{name} {{"),
            format!("{name}::"),
            format!("&{name})"),
        ];
        uses.iter().any(|text| body.0.contains(text))
    });
    out.0.push('\n');
    out.import("super::super::visit", &used.collect::<Vec<_>>());
    out.0.push_str(&body.0);
    out.0
}

fn object<'s>(
    context: &Context<'s>,
    body: &mut Code,
    name: &str,
    object: &'s Object,
    queue: &mut Vec<&'s str>,
) {
    body.line(0, "\n#[rustfmt::skip]");
    body.line(
        0,
        &format!("pub(super) static {}: Object = Object {{", table(name)),
    );
    body.line(1, "members: &[");
    for member in context.members(object) {
        let of = of(context, &member.of);
        body.line(
            2,
            &format!(
                "Member {{ name: {:?}, optional: {}, of: {of} }},",
                member.name, member.optional
            ),
        );
        queue.push(&member.of);
    }
    body.line(1, "],");
    match &object.variants {
        None => body.line(1, "variants: None,"),
        Some(variants) => {
            body.line(1, &format!("variants: Some(({:?}, &[", variants.tag));
            for branch in variants
                .branches
                .iter()
                .filter(|b| context.there(b.condition.as_ref()))
            {
                let table = if branch.of == EMPTY {
                    "EMPTY".to_owned()
                } else {
                    table(&branch.of)
                };
                body.line(2, &format!("({:?}, &{table}),", branch.name));
                queue.push(&branch.of);
            }
            body.line(1, "])),");
        }
    }
    body.line(0, "};");
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
        Kind::Object(_) => format!("Type::Object(&{})", table(name)),
        Kind::Alternate { .. } => format!("Type::Alternate(&{})", table(name)),
        Kind::Command { .. } | Kind::Event { .. } | Kind::Include(_) => "Type::Any".to_owned(),
    }
}
