//! `rr monitor`: an interactive prompt for the monitor of a running rr.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use anyhow::{Context, anyhow};
use rr::host::small;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Editor, ExternalPrinter, Helper};
use serde_json::{Map, Value};

use crate::output;
use crate::qmp::schema::Schema;
use crate::qmp::{self, Asker, Hearer, Line, Refusal, words};

const PROMPT: &str = "(rr) ";
const HELP: &str = "\
COMMAND KEY=VALUE...  a command of the monitor; the Tab key completes names, keys and values
oob COMMAND ...       the same, out of band: at once, even while others wait
{ ... }               a request as it is
LINE                  anything else goes to human-monitor-command: info status, savevm NAME, \
                      x /4xw 0x80000000, help
Ctrl-D                leaves this prompt; quit ends the run
";

/// A prompt for the monitor of a running rr
///
/// Commands are written COMMAND KEY=VALUE...; the Tab key completes them from the monitor's own
/// schema. Lines that begin with no command go to human-monitor-command: info status, info
/// registers, x /4xw 0x80000000. Events are shown as they come. Commands can be piped in, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The monitor: PATH, unix:PATH or tcp:127.0.0.1:PORT, as in --qmp
    #[arg(value_name = "PATH")]
    place: String,
}

/// Completes commands, keys and values from the schema.
struct Completing(Schema);

impl Completer for Completing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..cursor).unwrap_or(line);
        let (before, line) = match line.strip_prefix("oob ") {
            Some(rest) => (4, rest),
            None => (0, line),
        };
        let (start, candidates) = words::complete(&self.0, line);
        let pair = |text: String| Pair {
            display: text.trim_end().to_owned(),
            replacement: text,
        };
        Ok((before + start, candidates.into_iter().map(pair).collect()))
    }
}

impl Hinter for Completing {
    type Hint = String;
}
impl Highlighter for Completing {}
impl Validator for Completing {}
impl Helper for Completing {}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (mut asker, mut hearer) = qmp::connect(&args.place)?;
    asker.ask("query-qmp-schema", None, false)?;
    let schema = match hearer.answer(&mut |_| {})? {
        Ok(entities) => Schema::new(&entities),
        Err(refusal) => return Err(anyhow!("{refusal}").context("query-qmp-schema")),
    };
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Completing, FileHistory> =
        Editor::with_config(config).context("the terminal cannot be used")?;
    editor.set_helper(Some(Completing(schema)));
    let history = history();
    if let Some(history) = &history {
        // There is no history at the first start. A file that is none is left alone.
        let _ = small::read(history, small::DESCRIPTION).map(|_| editor.load_history(history));
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let show: Box<dyn FnMut(String) + Send> = match editor.create_external_printer() {
        Ok(mut printer) if terminal => Box::new(move |text| drop(printer.print(text))),
        _ => Box::new(|text| eprint!("{text}")),
    };
    let (sender, answers) = channel();
    thread::spawn(move || hear(hearer, &sender, show));
    if terminal {
        output::note("Tab completes, `help` explains, Ctrl-D leaves");
    }
    let ended = prompt(&mut editor, &mut asker, &answers);
    if let Some(history) = &history {
        // The command succeeds even if the history cannot be written.
        let _ = history.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(history);
    }
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Path of the history file (XDG Base Directory Specification, "state").
fn history() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|state| !state.is_empty());
    let state = state.map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("rr/monitor_history"))
}

/// Reads all replies and events. Replies go to the prompt, and events are printed.
fn hear(
    mut hearer: Hearer,
    answers: &Sender<Result<Value, Refusal>>,
    mut show: Box<dyn FnMut(String) + Send>,
) {
    loop {
        match hearer.line() {
            Ok(Some(Line::Event(event))) => {
                let name = event["event"].as_str().unwrap_or_default();
                match event.get("data") {
                    Some(data) => show(format!("[{name} {data}]\n")),
                    None => show(format!("[{name}]\n")),
                }
            }
            Ok(Some(Line::Answer(answer))) => {
                if answers.send(answer).is_err() {
                    return;
                }
            }
            Ok(None) => return show("[the run has ended]\n".to_owned()),
            Err(error) => return show(format!("[{error:#}]\n")),
        }
    }
}

/// Reads lines until the end of the input, or of the monitor.
fn prompt(
    editor: &mut Editor<Completing, FileHistory>,
    asker: &mut Asker,
    answers: &Receiver<Result<Value, Refusal>>,
) -> anyhow::Result<()> {
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error).context("cannot read the line"),
        };
        if let Err(TryRecvError::Disconnected) = answers.try_recv() {
            return Ok(());
        }
        let schema = editor.helper().map(|helper| &helper.0);
        let Some(schema) = schema.filter(|_| !line.trim().is_empty()) else {
            continue;
        };
        match request(schema, line.trim()) {
            Ok(None) => output::write(|out| out.write_all(HELP.as_bytes()))?,
            Ok(Some(request)) => {
                if asker.send(&request).is_err() {
                    return Ok(());
                }
                match answers.recv() {
                    Ok(Ok(value)) => output::write(|out| answer(out, &value))?,
                    Ok(Err(refusal)) => output::complain(&refusal.to_string()),
                    Err(_) => return Ok(()),
                }
            }
            Err(error) => output::complain(&error),
        }
    }
}

/// Parses a line into a request; `None`: the line asked for help.
fn request(schema: &Schema, line: &str) -> Result<Option<Value>, String> {
    if line == "help" || line == "?" {
        return Ok(None);
    }
    if line.starts_with('{') {
        let request = serde_json::from_str(line);
        return request
            .map(Some)
            .map_err(|error| format!("no JSON: {error}"));
    }
    let mut words = words::split(line)?;
    let oob = words.first().is_some_and(|word| word == "oob");
    if oob {
        words.remove(0);
    }
    let mut request = Map::new();
    let command = words.first().cloned().unwrap_or_default();
    let arguments = if schema.arguments(&command).is_some() {
        request.insert(
            if oob { "exec-oob" } else { "execute" }.into(),
            command.as_str().into(),
        );
        words::arguments(schema, &command, &words[1..])?
    } else {
        request.insert("execute".into(), "human-monitor-command".into());
        Some(Map::from_iter([("command-line".to_owned(), line.into())]))
    };
    if let Some(arguments) = arguments {
        request.insert("arguments".into(), arguments.into());
    }
    Ok(Some(request.into()))
}

/// Prints the result of a command: a string as it is, and an empty object as nothing.
fn answer(out: &mut dyn Write, value: &Value) -> std::io::Result<()> {
    match value {
        Value::String(text) => write!(out, "{}", text.replace("\r\n", "\n")),
        Value::Object(nothing) if nothing.is_empty() => Ok(()),
        value => writeln!(out, "{value:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmp::schema::tests::small;
    use serde_json::json;

    #[test]
    fn requests() {
        let request = |line| request(&small(), line).unwrap().unwrap();
        assert_eq!(request("stop"), json!({"execute": "stop"}));
        assert_eq!(
            request("oob go to=1"),
            json!({"exec-oob": "go", "arguments": {"to": 1}})
        );
        assert_eq!(request("{\"x\": 1}"), json!({"x": 1}));
        let human = json!({
            "execute": "human-monitor-command",
            "arguments": {"command-line": "info  status"}
        });
        assert_eq!(request("info  status"), human);
    }
}
