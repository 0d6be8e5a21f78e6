//! The engine also serves other programs than the command line: it names no option and no
//! subcommand, and an error's path is that of a real file.

use crate::rooms::File;
use crate::tokens::{Token, tokens};
use crate::{assert_none, sources};

#[test]
fn the_engine_does_not_speak_of_the_command_line() {
    let wrong: Vec<String> = engine().iter().flat_map(words).collect();
    let rule = "options and subcommands in the engine; say it in cli/src/output/words.rs:";
    assert_none(&wrong, rule);
}

#[test]
fn errors_name_no_file_that_is_none() {
    let wrong: Vec<String> = engine().iter().flat_map(invented).collect();
    assert_none(
        &wrong,
        "errors of files that are none; use Error::Host for what the host refuses:",
    );
}

/// The sources of the engine, without tests.
fn engine() -> Vec<File> {
    let files: Vec<File> = sources::written_files()
        .iter()
        .map(|file| sources::read(file))
        .filter(|(path, _)| path.starts_with("src/") && !is_test(path))
        .map(|(path, text)| (path, without_tests(&text)))
        .collect();
    assert!(files.len() > 50, "the engine was not found");
    files
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| ["tests", "tests.rs"].contains(&part))
}

/// The text of a file up to its module of tests, which comes last.
fn without_tests(text: &str) -> String {
    let starts =
        |line: &&str| line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
    let lines: Vec<&str> = text.lines().take_while(|line| !starts(line)).collect();
    lines.join("\n")
}

/// String literals that name an option, or a subcommand of rr.
fn words((path, text): &File) -> Vec<String> {
    let found = tokens(text).into_iter().filter_map(|(line, token)| {
        let Token::Quoted(text) = token else {
            return None;
        };
        let said = names_an_option(&text) || names_a_subcommand(&text);
        said.then(|| format!("{path}:{line}: {text}"))
    });
    found.collect()
}

fn names_an_option(text: &str) -> bool {
    let mut rest = text.split("--").skip(1);
    rest.any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// True for `rr x` in backquotes, or "rr snapshot x".
fn names_a_subcommand(text: &str) -> bool {
    text.contains("`rr ") || text.contains("rr snapshot ")
}

/// Places where the path of an [`Error::File`] is a literal.
fn invented((path, text): &File) -> Vec<String> {
    let tokens = tokens(text);
    let after = |at: usize| tokens.get(at).map(|(_, token)| token);
    let word = |at: usize, wanted: &str| after(at).is_some_and(|token| token.is_word(wanted));
    let mut found = Vec::new();
    for (at, (line, _)) in tokens.iter().enumerate() {
        if !word(at, "Error") || after(at + 1) != Some(&Token::Path) {
            continue;
        }
        // Error::file("x", Error::file("x".as_ref(), Error::file(Path::new("x"), and the variant.
        let first = match () {
            () if word(at + 2, "file") => at + 4,
            () if word(at + 2, "File") => {
                match word(at + 4, "path") && after(at + 5).is_some_and(|token| token.is(':')) {
                    true => at + 6,
                    false => continue,
                }
            }
            () => continue,
        };
        let until = |token: &Token| token.is(',') || token.is('}');
        let argument = tokens.iter().skip(first).map(|(_, token)| token);
        let mut argument = argument.take_while(|token| !until(token));
        if argument.any(|token| matches!(token, Token::Quoted(_))) {
            found.push(format!("{path}:{line}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{invented, words};

    fn file(text: &str) -> (String, String) {
        ("x.rs".to_owned(), text.to_owned())
    }

    #[test]
    fn literals_are_looked_at_and_comments_are_not() {
        for said in ["pass --overwrite", "use `rr record`", "rr snapshot save"] {
            let text = format!("// {said}\nlet a = \"{said}\";");
            assert_eq!(words(&file(&text)), [format!("x.rs:2: {said}")]);
        }
        for fine in ["a -- b", "this rr reads", "a--"] {
            assert!(words(&file(&format!("f(\"{fine}\")"))).is_empty(), "{fine}");
        }
    }

    #[test]
    fn literals_as_paths() {
        for wrong in [
            "Error::file(\"x\", \"do\")",
            "Error::file(\"x\".as_ref(), \"do\")",
            "Error::file(Path::new(\"x\"), \"do\")",
            "Error::File { path: \"x\".into(), doing }",
        ] {
            assert_eq!(invented(&file(wrong)), ["x.rs:1"], "{wrong}");
        }
        for fine in [
            "Error::file(&path, \"do\")",
            "Error::host(\"do\")",
            "Error::File { path, doing: \"x\" }",
        ] {
            assert!(invented(&file(fine)).is_empty(), "{fine}");
        }
    }
}
