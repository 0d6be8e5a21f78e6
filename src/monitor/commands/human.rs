//! The command lines of `human-monitor-command`: a table, and the output of each.

use super::main_loop::{OnMainLoop, icount};
use super::memory::{Format, Space};
use super::registers;
use crate::error::chain;
use crate::monitor::generated::{OobCommands, ReplayMode};
use crate::monitor::session::version;
use crate::monitor::visit::CommandError;
use crate::session::control::Request;
use machine::{Icount, Machine};
use serde_json::Value;
use std::fmt::Write;

/// The words of a command line: its arguments, and the hart that it is about.
struct Words<'w> {
    rest: &'w str,
    hart: u8,
}

/// The output of a command line. An error of the line is output, too; `Err` is for other errors.
type Printed = Result<String, CommandError>;

/// A command line in the table: its name, its arguments, its help text, and its function.
type Line = (
    &'static str,
    &'static str,
    &'static str,
    fn(&mut OnMainLoop<'_>, &Words<'_>) -> Printed,
);

const LINES: &[Line] = &[
    ("c|cont", "", "go on", |on, _| ask(on, Request::Go)),
    ("delvm", "tag", "delete a snapshot", |on, words| {
        name(on, words, Request::Delete)
    }),
    ("help|?", "", "show this", |_, _| Ok(help(""))),
    ("info cpus", "", "list the harts", cpus),
    ("info name", "", "the name of the machine", |_, _| {
        Ok(String::new())
    }),
    (
        "info registers",
        "[-a]",
        "registers of a hart, or of all",
        registers,
    ),
    ("info replay", "", "where the run is", replay),
    ("info snapshots", "", "list the snapshots", snapshots),
    ("info status", "", "whether the guest executes", status),
    ("info version", "", "who this is", |_, _| {
        let version = version();
        let qemu = version.qemu;
        Ok(format!(
            "{}.{}.{} ({})\r\n",
            qemu.major, qemu.minor, qemu.micro, version.package
        ))
    }),
    ("loadvm", "tag", "go back to a snapshot", |on, words| {
        name(on, words, Request::Load)
    }),
    ("q|quit", "", "end the run", |on, _| ask(on, Request::Quit)),
    ("replay_break", "icount", "stop there", |on, words| {
        on.only_in_replay()?;
        count(on, words, |at| Request::StopAt(Some(at)))
    }),
    ("replay_delete_break", "", "do not stop there", |on, _| {
        on.only_in_replay()?;
        ask(on, Request::StopAt(None))
    }),
    ("replay_seek", "icount", "go there", |on, words| {
        count(on, words, Request::Seek)
    }),
    ("s|stop", "", "stop the guest", |on, _| {
        ask(on, Request::Stop)
    }),
    ("savevm", "tag", "take a snapshot", |on, words| {
        name(on, words, |name| Request::Save {
            name,
            replace: true,
        })
    }),
    ("system_reset", "", "reset the machine", |on, _| {
        ask(on, Request::Reset)
    }),
    (
        "x",
        "/fmt addr",
        "show memory as the hart sees it",
        |on, words| dump(on, words, Space::Virtual(words.hart)),
    ),
    ("xp", "/fmt addr", "show physical memory", |on, words| {
        dump(on, words, Space::Physical)
    }),
];

/// Executes a command line.
pub(super) fn execute(on: &mut OnMainLoop<'_>, line: &str, hart: u8) -> Printed {
    let line = line.trim();
    if line.is_empty() {
        return Ok(String::new());
    }
    if line == "info" {
        return Ok(help("info "));
    }
    let Some((known, rest)) = find(line) else {
        let word = line
            .split_whitespace()
            .take(if line.starts_with("info ") { 2 } else { 1 });
        let word = word.collect::<Vec<_>>().join(" ");
        return Ok(format!("unknown command: '{word}'\r\n"));
    };
    let (.., run) = known;
    match run(on, &Words { rest, hart }) {
        Ok(text) => Ok(text),
        Err(error) => Ok(format!("Error: {error}\r\n")),
    }
}

/// Finds the entry of a line in the table, and the line's arguments. As in QEMU, `x` may be
/// followed directly by the slash.
fn find(line: &str) -> Option<(&'static Line, &str)> {
    LINES.iter().find_map(|entry| {
        entry.0.split('|').find_map(|name| {
            let mut rest = line;
            for word in name.split(' ') {
                rest = rest.trim_start().strip_prefix(word)?;
                if !rest.is_empty() && !rest.starts_with([' ', '\t', '/']) {
                    return None;
                }
            }
            Some((entry, rest.trim()))
        })
    })
}

fn help(prefix: &str) -> String {
    let mut text = String::new();
    for (name, arguments, what, _) in LINES.iter().filter(|line| line.0.starts_with(prefix)) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name} {arguments} -- {what}\r\n");
    }
    text
}

/// Sends a request to the vCPU thread. Its answer comes later as a text, and is not what this
/// returns.
fn ask(on: &mut OnMainLoop<'_>, ask: Request) -> Printed {
    on.ask_then(ask, |result| {
        Ok(Value::String(match result {
            Ok(()) => String::new(),
            Err(error) => format!("Error: {error}\r\n"),
        }))
    });
    Ok(String::new())
}

fn name(on: &mut OnMainLoop<'_>, words: &Words<'_>, with: impl Fn(String) -> Request) -> Printed {
    match words.rest {
        "" => Err(CommandError::generic("the name of a snapshot is missing")),
        name => ask(on, with(name.to_owned())),
    }
}

fn count(on: &mut OnMainLoop<'_>, words: &Words<'_>, with: impl Fn(Icount) -> Request) -> Printed {
    let at = words.rest.parse();
    let at: i64 = at.map_err(|_| CommandError::generic("an instruction count is missing"))?;
    ask(on, with(icount(at)?))
}

fn cpus(on: &mut OnMainLoop<'_>, words: &Words<'_>) -> Printed {
    let mut text = String::new();
    for hart in 0..on.background.options.harts {
        let mark = if hart == words.hart { '*' } else { ' ' };
        let thread = std::process::id();
        let _ = write!(text, "{mark} CPU #{hart}: thread_id={thread}\r\n");
    }
    Ok(text)
}

fn registers(on: &mut OnMainLoop<'_>, words: &Words<'_>) -> Printed {
    let machine = on.machine()?;
    match words.rest {
        "-a" => Ok(machine.harts().iter().map(registers::show).collect()),
        "" => Ok(machine
            .hart(words.hart)
            .map(registers::show)
            .unwrap_or_default()),
        other => Err(CommandError::generic(format!(
            "`{other}`: expected -a or nothing"
        ))),
    }
}

fn replay(on: &mut OnMainLoop<'_>, _: &Words<'_>) -> Printed {
    let info = on.oob.query_replay()?;
    let doing = match info.mode {
        ReplayMode::None => return Ok("Record/replay is not active\r\n".to_owned()),
        ReplayMode::Record => "Recording",
        ReplayMode::Play => "Replaying",
    };
    let file = info.filename.unwrap_or_default();
    Ok(format!(
        "{doing} execution '{file}': instruction count = {}\r\n",
        info.icount
    ))
}

fn snapshots(on: &mut OnMainLoop<'_>, _: &Words<'_>) -> Printed {
    let store = on.control.snapshots();
    let listed = store.and_then(|store| store.list());
    let listed = listed.map_err(|error| CommandError::generic(chain(&error)))?;
    if listed.is_empty() {
        return Ok("There is no snapshot available.\r\n".to_owned());
    }
    let mut text = format!(
        "{:<9} {:<20} {:>10} {:>15} {:>15}\r\n",
        "ID", "TAG", "VM SIZE", "VM CLOCK", "ICOUNT"
    );
    for (place, snapshot) in listed.iter().enumerate() {
        let (id, tag) = (place + 1, &snapshot.name);
        let _ = match &snapshot.snapshot {
            Ok(found) => {
                let size = format!("{} KiB", snapshot.on_disk >> 10);
                let clock = clock(found.virtual_time);
                write!(
                    text,
                    "{id:<9} {tag:<20} {size:>10} {clock:>15} {:>15}\r\n",
                    found.icount
                )
            }
            Err(error) => write!(text, "{id:<9} {tag:<20} {}\r\n", chain(error)),
        };
    }
    Ok(text)
}

/// Formats a virtual time (ns) as hours, minutes, seconds.
fn clock(ns: u64) -> String {
    let millis = ns / 1_000_000;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
}

fn status(on: &mut OnMainLoop<'_>, _: &Words<'_>) -> Printed {
    let info = on.oob.query_status()?;
    let what = if info.running { "running" } else { "paused" };
    let status = info.status.name();
    let why = match status {
        "running" | "paused" => String::new(),
        other => format!(" ({other})"),
    };
    Ok(format!("VM status: {what}{why}\r\n"))
}

fn dump(on: &mut OnMainLoop<'_>, words: &Words<'_>, space: Space) -> Printed {
    let (format, address) = match words.rest.strip_prefix('/') {
        Some(rest) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        None => ("", words.rest),
    };
    let format = Format::parse(format)
        .ok_or_else(|| CommandError::generic(format!("invalid format '/{format}'")))?;
    let machine = on.machine()?;
    let address = parse(&machine, words.hart, address)
        .ok_or_else(|| CommandError::generic(format!("invalid address '{}'", address.trim())))?;
    Ok(format.show(&machine, space, address))
}

/// Evaluates numbers and `$registers` with `+` and `-` between them.
fn parse(machine: &Machine, hart: u8, text: &str) -> Option<u64> {
    let mut sum: u64 = 0;
    let mut minus = false;
    for piece in text.split_inclusive(['+', '-']) {
        let name = piece.trim_end_matches(['+', '-']);
        let value = term(machine, hart, name)?;
        sum = match minus {
            true => sum.wrapping_sub(value),
            false => sum.wrapping_add(value),
        };
        minus = piece.ends_with('-');
    }
    (!text.is_empty() && !text.ends_with(['+', '-'])).then_some(sum)
}

fn term(machine: &Machine, hart: u8, text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix('$') {
        return registers::value(machine.hart(hart)?, name);
    }
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found() {
        let name = |line| find(line).map(|(entry, rest)| (entry.0, rest));
        assert_eq!(name("info  status"), Some(("info status", "")));
        assert_eq!(name("x/2xw 0x10"), Some(("x", "/2xw 0x10")));
        assert_eq!(name("xp /2xw 0x10"), Some(("xp", "/2xw 0x10")));
        assert_eq!(name("savevm  a b"), Some(("savevm", "a b")));
        assert_eq!(name("c"), Some(("c|cont", "")));
        for unknown in ["infostatus", "info foo", "xyz", "stopp"] {
            assert!(name(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn addresses() {
        let machine = Machine::new(&machine::Config::new(1 << 20), Default::default()).unwrap();
        let parse = |text| parse(&machine, 0, text);
        assert_eq!(parse("0x10"), Some(16));
        assert_eq!(parse(" 0x10 + 4-2"), Some(18));
        assert_eq!(parse("$pc+4"), Some(0x1004));
        assert_eq!(
            (parse("$a0"), parse("$zero"), parse("$fp")),
            (Some(0), Some(0), Some(0))
        );
        for wrong in ["", "0x", "$nope", "1+", "+1", "q"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn help_has_all() {
        assert_eq!(help("").lines().count(), LINES.len());
        assert!(help("info ").lines().all(|line| line.starts_with("info ")));
    }
}
