//! `commands.rs`: a trait method for each command, and what calls them.

use crate::schema::{Entity, Kind};
use crate::{Flags, Member};

use super::{Code, Context, Error, docs, names};

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
pub(super) fn commands(context: &Context<'_>) -> Result<String, Error> {
    let commands: Vec<Command<'_>> = context
        .entities()
        .filter_map(|entity| command(context, entity))
        .collect();
    let all = commands.iter().map(|command| command.entity.name.as_str());
    names::distinct(all, names::snake)?;
    let mut out = Code::new("The commands.");
    out.line(0, "\nuse serde_json::{Map, Value};\n");
    out.line(
        0,
        "use super::super::visit::{CommandError, decode, decode_none, encode, nothing};",
    );
    out.line(0, "use super::tables;\nuse super::types::{self, *};");
    let traits = [
        (
            "Commands",
            "What runs in band: one after the other, in order.",
        ),
        (
            "OobCommands: Sync",
            "What may run out of band too: at once, on the monitor's thread.",
        ),
    ];
    for (oob, (name, title)) in [false, true].into_iter().zip(traits) {
        out.line(0, &format!("\n/// {title}\n#[rustfmt::skip]"));
        out.line(0, &format!("pub trait {name} {{"));
        for command in commands
            .iter()
            .filter(|command| command.flags.allow_oob == oob)
        {
            method(context, &mut out, command);
        }
        out.line(0, "}");
    }
    let dispatches = [
        (
            "dispatch(commands: &mut dyn Commands, ",
            "dispatch_oob(oob, name, arguments)",
            "Runs a command in band. `None`: there is no such command.",
        ),
        (
            "dispatch_oob(",
            "None",
            "Runs a command out of band. `None`: there is none that may.",
        ),
    ];
    for (oob, (head, rest, title)) in [false, true].into_iter().zip(dispatches) {
        out.line(0, &format!("\n/// {title}\n#[rustfmt::skip]"));
        out.line(
            0,
            &format!(
                "pub fn {head}oob: &dyn OobCommands, name: &str, arguments: \
            Option<Map<String, Value>>)"
            ),
        );
        out.line(0, "    -> Option<Result<Value, CommandError>>\n{");
        out.line(1, "Some(match name {");
        for command in commands
            .iter()
            .filter(|command| command.flags.allow_oob == oob)
        {
            arm(context, &mut out, command);
        }
        out.line(2, &format!("_ => return {rest},"));
        out.line(1, "})");
        out.line(0, "}");
    }
    Ok(out.0)
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
            let rust = context.rust(of);
            let decode = format!("decode(arguments, &tables::{rust})");
            let fields = command
                .members
                .iter()
                .map(|member| names::snake(&member.name));
            let given = match command.flags.boxed {
                true => "arguments".to_owned(),
                false => fields
                    .map(|field| format!("arguments.{field}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            format!("{decode}.and_then(|arguments: types::{rust}| {call}({given})){result}")
        }
    };
    out.line(2, &format!("{name:?} => {body},"));
}
