//! `events.rs`: a constructor for each event.

use crate::Member;
use crate::schema::Kind;

use super::{Code, Context, Error, docs, names};

/// The file.
pub(super) fn events(context: &Context<'_>) -> Result<String, Error> {
    let all = context
        .entities()
        .filter(|entity| matches!(entity.kind, Kind::Event { .. }));
    names::distinct(all.map(|entity| entity.name.as_str()), names::event)?;
    let (mut list, mut name_arms, mut data_arms) = (
        Code(String::new()),
        Code(String::new()),
        Code(String::new()),
    );
    for entity in context.entities() {
        let Kind::Event { arguments, boxed } = &entity.kind else {
            continue;
        };
        let (name, rust) = (&entity.name, names::event(&entity.name));
        docs::of_entity(&mut list, 1, context.schema, entity, &format!("`{name}`."));
        match context.arguments(arguments.as_deref()) {
            None => {
                list.line(1, &format!("{rust},"));
                name_arms.line(3, &format!("Event::{rust} => {name:?},"));
                data_arms.line(3, &format!("Event::{rust} => None,"));
            }
            Some((of, _)) if *boxed => {
                list.line(1, &format!("{rust}({}),", context.rust(of)));
                name_arms.line(3, &format!("Event::{rust}(_) => {name:?},"));
                data_arms.line(3, &format!("Event::{rust}(data) => visit::member(data),"));
            }
            Some((_, object)) => {
                let members = context.members(object);
                let doc = context.schema.doc(entity);
                list.line(1, &format!("{rust} {{"));
                for member in &members {
                    let name = &member.name;
                    docs::of_part(&mut list, 2, doc, name, &format!("Member `{name}`."));
                    list.line(
                        2,
                        &format!("{}: {},", names::snake(name), context.member_type(member)),
                    );
                }
                list.line(1, "},");
                name_arms.line(3, &format!("Event::{rust} {{ .. }} => {name:?},"));
                let fields: Vec<String> = members.iter().map(|m| names::snake(&m.name)).collect();
                let parts: Vec<String> = members.iter().copied().map(part).collect();
                data_arms.line(
                    3,
                    &format!(
                        "Event::{rust} {{ {} }} => Some(visit::object([{}])),",
                        fields.join(", "),
                        parts.join(", ")
                    ),
                );
            }
        }
    }
    let mut out = Code::new("The events.");
    out.line(0, "\nuse serde_json::Value;\n");
    out.line(0, "use super::super::visit;\nuse super::types::*;");
    out.line(0, "\n/// An event, with its data.\n#[rustfmt::skip]");
    out.line(0, "#[derive(Debug, Clone, PartialEq)]");
    out.line(0, "pub enum Event {");
    out.0.push_str(&list.0);
    out.line(0, "}");
    out.line(0, "\n#[rustfmt::skip]\nimpl Event {");
    let functions = [
        ("As on the wire.", "name(&self) -> &'static str", &name_arms),
        (
            "What goes with it, if anything does.",
            "data(&self) -> Option<Value>",
            &data_arms,
        ),
    ];
    for (index, (title, head, arms)) in functions.into_iter().enumerate() {
        if index > 0 {
            out.0.push('\n');
        }
        out.line(1, &format!("/// {title}"));
        out.line(1, "#[must_use]");
        out.line(1, &format!("pub fn {head} {{"));
        // A schema without events has an enum without values.
        out.line(
            2,
            if arms.0.is_empty() {
                "match *self {"
            } else {
                "match self {"
            },
        );
        out.0.push_str(&arms.0);
        out.line(2, "}");
        out.line(1, "}");
    }
    out.line(0, "}");
    Ok(out.0)
}

fn part(member: &Member) -> String {
    let rust = names::snake(&member.name);
    match member.optional {
        true => format!(
            "({:?}, {rust}.as_ref().and_then(visit::member))",
            member.name
        ),
        false => format!("({:?}, visit::member({rust}))", member.name),
    }
}
