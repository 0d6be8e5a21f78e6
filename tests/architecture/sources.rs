//! Rules for the text of the sources.

use crate::rooms::File;
use crate::{assert_none, root};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file that is no test.
pub(crate) struct Source {
    pub(crate) path: String,
    /// Its lines without comments, string literals and test modules, with their numbers.
    code: Vec<(usize, String)>,
    lines: usize,
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// All Rust files of the repository.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for room in ["src", "cli", "replay-format", "machine", "tests"] {
        walk(&root().join(room), &mut found);
    }
    found.sort();
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The Rust files that people wrote. Generated code is as long and as wide as its schema.
pub(crate) fn written_files() -> Vec<PathBuf> {
    let generated = |file: &PathBuf| {
        file.components()
            .any(|part| part.as_os_str() == "generated")
    };
    files()
        .into_iter()
        .filter(|file| !generated(file))
        .collect()
}

/// The path of a file from the root, and its text.
pub(crate) fn read(file: &Path) -> File {
    let path = file.strip_prefix(root()).unwrap().display().to_string();
    (path, fs::read_to_string(file).unwrap())
}

fn is_test(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts
        .iter()
        .any(|part| ["tests", "tests.rs", "testing.rs", "benches"].contains(part))
}

/// The sources of the product.
fn sources() -> Vec<Source> {
    let files = files().into_iter();
    files
        .map(|file| {
            let (path, text) = read(&file);
            Source {
                path,
                code: code(&text),
                lines: text.lines().count(),
            }
        })
        .filter(|source| !is_test(&source.path))
        .collect()
}

/// The code of a file, up to its module of tests, which comes last.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate();
    lines
        .take_while(|(_, line)| {
            !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test")
        })
        .map(|(number, line)| (number + 1, without_text(line)))
        .collect()
}

/// A line without a comment at its end, and without the text in double quotes.
fn without_text(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    let pieces = line.split('"');
    let code: Vec<&str> = pieces.step_by(2).collect();
    code.join("\"")
}

fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// The places where one of these words stands in the code of the sources that `of` picks.
fn places(words: &[&str], of: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| of(&source.path)) {
        for (number, line) in &source.code {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    found
}

#[test]
fn words_are_found() {
    assert!(has_word("    unsafe { x }", "unsafe"));
    assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
    assert!(!has_word(
        &without_text("x(\"unsafe\"); // unsafe"),
        "unsafe"
    ));
    // This file has one, so the search works.
    assert!(!places(&["unsafe"], |path| path == "src/host/map.rs").is_empty());
}

/// Only some rooms have `unsafe` code: a rule of ARCHITECTURE.md.
#[test]
fn unsafe_code_has_its_places() {
    let allowed = |path: &str| {
        path.starts_with("machine/jit/")
            || ["machine/src/ram.rs", "src/host/map.rs"].contains(&path)
    };
    assert_none(
        &places(&["unsafe"], |path| !allowed(path)),
        "unsafe outside its places:",
    );
}

/// The machine does not know the host. This checks more than clippy.toml of the machine does.
#[test]
fn the_machine_knows_nothing_of_the_host() {
    let words = [
        "std::time",
        "std::fs",
        "std::thread",
        "std::env",
        "std::net",
        "std::process",
        "std::io",
        "std::os",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "RandomState",
        "thread_local",
    ];
    let of = |path: &str| {
        ["machine/src/", "machine/isa/src/", "machine/softfloat/src/"]
            .iter()
            .any(|room| path.starts_with(room))
    };
    assert_none(&places(&words, of), "the host in the machine:");
}

#[test]
fn no_file_is_two_ideas() {
    let mut long: Vec<String> = Vec::new();
    for file in &written_files() {
        let lines = fs::read_to_string(file).unwrap().lines().count();
        if lines > 800 {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert_none(&long, "files of more than 800 lines:");
    assert!(sources().iter().any(|source| source.lines > 100));
}

/// Every file begins with a `//!` line that says what it is.
#[test]
fn every_file_says_what_it_is() {
    let mut silent = Vec::new();
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            silent.push(file.display().to_string());
        }
    }
    assert_none(&silent, "files that do not begin with a `//!` line:");
}
