//! `rr COMMAND --help` fits the terminal's width, and its paragraphs are filled.

use crate::harness::Dir;

fn help(dir: &Dir, command: &[&str], width: usize) -> String {
    let mut help = dir.command();
    help.args(command)
        .arg("--help")
        .env("COLUMNS", width.to_string());
    String::from_utf8(help.output().unwrap().stdout).unwrap()
}

/// The commands in a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| !line.is_empty());
    let entries = list.filter(|line| !line.starts_with("   "));
    let names = entries.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Checks the help of a command and of its subcommands. Returns their number.
fn check(dir: &Dir, command: &[&str]) -> usize {
    for width in [80, 100] {
        let help = help(dir, command, width);
        let lines: Vec<&str> = help.lines().collect();
        for line in &lines {
            let fits = line.chars().count() <= width || line.starts_with("Usage:");
            assert!(fits, "{command:?}, {width}: {line}");
        }
        // A single word between a full line and another line is the rest of a line that was too
        // long.
        for window in lines.windows(3) {
            let &[before, line, after] = window else {
                continue;
            };
            let full = before.chars().count() + 16 > width && indent(before) <= indent(line);
            let alone = line.split_whitespace().count() == 1;
            let goes_on = indent(after) == indent(line) && !after.trim().is_empty();
            assert!(
                !(full && alone && goes_on),
                "{command:?}, {width}: {window:#?}"
            );
        }
    }
    let below = commands(&help(dir, command, 100));
    let below = below
        .iter()
        .map(|name| check(dir, &[command, &[name]].concat()));
    1 + below.sum::<usize>()
}

#[test]
fn every_command_wraps_well() {
    let count = check(&Dir::new(), &[]);
    assert!(count > 20, "{count} commands");
}
