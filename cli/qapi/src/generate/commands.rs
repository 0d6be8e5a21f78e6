//! `commands.rs`: a trait method for each command, and what calls them.

use crate::schema::{Entity, Kind};
use crate::{Flags, Member};

use super::{Code, Context, docs, names, tables};

/// A command, as its method sees it.
struct Command<'s> {
    entity: &'s Entity,
    flags: Flags,
    /// The type of the arguments, if there are any.
    of: Option<&'s str>,
    /// The arguments one by one, unless they come as one struct.
    members: Vec<&'s Member>,
    returns: Option<&'s str>,
}

/// The file.
pub(super) fn commands(context: &Context<'_>) -> String {
    let commands: Vec<Command<'_>> = context
        .entities()
        .filter_map(|entity| command(context, entity))
        .collect();
    let mut body = Code(String::new());
    let groups = [
        (
            false,
            "pub trait Commands {",
            "What runs in band: one after the other, in order.",
        ),
        (
            true,
            "pub trait OobCommands: Sync {",
            "What may run out of band too: at once, on the monitor's thread.",
        ),
    ];
    for (oob, head, title) in groups {
        let mut group = commands
            .iter()
            .filter(|command| command.flags.allow_oob == oob)
            .peekable();
        body.line(0, &format!("\n/// {title}\n#[rustfmt::skip]"));
        if group.peek().is_none() {
            body.line(0, &format!("{head}}}"));
            continue;
        }
        body.line(0, head);
        for (index, command) in group.enumerate() {
            if index > 0 {
                body.0.push('\n');
            }
            method(context, &mut body, command);
        }
        body.line(0, "}");
    }
    let dispatches = [
        (
            false,
            "dispatch",
            "commands: &mut dyn Commands, oob: &dyn OobCommands, ",
            "Runs a command in band. `None`: there is no such command.",
        ),
        (
            true,
            "dispatch_oob",
            "oob: &dyn OobCommands, ",
            "Runs a command out of band. `None`: there is none that may.",
        ),
    ];
    for (oob, name, parameters, title) in dispatches {
        body.line(0, &format!("\n/// {title}"));
        body.line(0, "#[allow(unused_variables)]");
        body.line(0, "#[rustfmt::skip]");
        body.line(0, &format!("pub fn {name}({parameters}name: &str, arguments: Option<Map<String, Value>>) -> Option<Result<Value, CommandError>> {{"));
        body.line(1, "Some(match name {");
        for command in commands
            .iter()
            .filter(|command| command.flags.allow_oob == oob)
        {
            arm(context, &mut body, command);
        }
        let rest = if oob {
            "None"
        } else {
            "dispatch_oob(oob, name, arguments)"
        };
        body.line(2, &format!("_ => return {rest},"));
        body.line(1, "})");
        body.line(0, "}");
    }
    let mut out = Code::new("The commands.");
    out.line(0, "\nuse serde_json::{Map, Value};\n");
    let helpers = ["decode", "decode_none", "encode", "nothing"];
    let used = helpers
        .into_iter()
        .filter(|name| body.0.contains(&format!("{name}(")));
    let used: Vec<&str> = ["CommandError"].into_iter().chain(used).collect();
    out.import("super::super::visit", &used);
    if body.0.contains("&tables::") {
        out.line(0, "use super::tables;");
    }
    if body.0.contains("types::") {
        out.line(0, "use super::types::{self, *};");
    } else if !context.types.is_empty() {
        out.line(0, "use super::types::*;");
    }
    out.0.push_str(&body.0);
    out.0
}

fn command<'s>(context: &Context<'s>, entity: &'s Entity) -> Option<Command<'s>> {
    let Kind::Command {
        arguments,
        returns,
        flags,
    } = &entity.kind
    else {
        return None;
    };
    let arguments = context.arguments(arguments.as_deref());
    Some(Command {
        entity,
        flags: *flags,
        of: arguments.map(|(name, _)| name),
        members: match arguments {
            Some((_, object)) if !flags.boxed => context.members(object),
            _ => Vec::new(),
        },
        returns: returns.as_deref(),
    })
}

fn method(context: &Context<'_>, out: &mut Code, command: &Command<'_>) {
    let name = &command.entity.name;
    docs::of_entity(
        out,
        1,
        context.schema,
        command.entity,
        &format!("`{name}`."),
    );
    let described = context.schema.doc(command.entity);
    if !command.members.is_empty() && described.is_some() && command.flags.generate {
        out.line(1, "///");
        out.line(1, "/// # Arguments");
        for member in &command.members {
            let mut text = Code(String::new());
            docs::of_part(&mut text, 0, described, &member.name, "");
            let text = text.0.replace("/// ", "").replace('\n', " ");
            let line = format!("/// * `{}`: {}", member.name, text.trim());
            out.line(1, line.trim_end_matches([':', ' ']));
        }
    }
    let receiver = if command.flags.allow_oob {
        "&self"
    } else {
        "&mut self"
    };
    let mut parameters = vec![receiver.to_owned()];
    let mut returns = match command.returns {
        Some(name) => context.rust(name),
        None => "()".to_owned(),
    };
    if !command.flags.generate {
        parameters.push("arguments: Map<String, Value>".to_owned());
        returns = "Value".to_owned();
    } else if command.flags.boxed {
        let of = command
            .of
            .map(|name| format!("arguments: {}", context.rust(name)));
        parameters.extend(of);
    } else {
        let one = |member: &&Member| {
            format!(
                "{}: {}",
                names::snake(&member.name),
                context.member_type(member)
            )
        };
        parameters.extend(command.members.iter().map(one));
    }
    let head = format!("fn {}(", names::snake(name));
    let tail = format!(") -> Result<{returns}, CommandError>;");
    let line = format!("{head}{}{tail}", parameters.join(", "));
    if line.len() + 4 <= 100 {
        out.line(1, &line);
        return;
    }
    out.line(1, &head);
    for parameter in parameters {
        out.line(2, &format!("{parameter},"));
    }
    out.line(1, &tail);
}

fn arm(context: &Context<'_>, out: &mut Code, command: &Command<'_>) {
    let name = &command.entity.name;
    let receiver = if command.flags.allow_oob {
        "oob"
    } else {
        "commands"
    };
    let call = format!("{receiver}.{}", names::snake(name));
    let result = match command.returns {
        Some(_) => ".and_then(|result| encode(&result))",
        None => ".map(|()| nothing())",
    };
    let body = match command.of {
        _ if !command.flags.generate => format!("{call}(arguments.unwrap_or_default())"),
        None => format!("decode_none(arguments).and_then(|()| {call}()){result}"),
        Some(of) => {
            let table = tables::table(of);
            let rust = context.rust(of);
            let decode = format!("decode(arguments, &tables::{table})");
            if command.flags.boxed {
                format!("{decode}.and_then(|arguments: types::{rust}| {call}(arguments)){result}")
            } else {
                let fields: Vec<String> = command
                    .members
                    .iter()
                    .map(|member| names::snake(&member.name))
                    .collect();
                let fields = fields.join(", ");
                format!(
                    "{decode}.and_then(|types::{rust} {{ {fields} }}| {call}({fields})){result}"
                )
            }
        }
    };
    out.line(2, &format!("{name:?} => {body},"));
}
