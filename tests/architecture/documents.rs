//! Checks of the documents: they exist, and name only what exists.

use crate::{assert_none, root};
use std::fs;

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn they_are_there() {
    let wanted = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "replay-format/FORMAT.md",
        "samples/README.md",
        "samples/logs/README.md",
        ".ci/run",
    ];
    let missing: Vec<String> = wanted
        .iter()
        .filter(|file| !root().join(file).is_file())
        .map(|file| (*file).to_owned())
        .collect();
    assert_none(&missing, "missing:");
}

/// The first code block of the README has the commands to run first.
#[test]
fn the_readme_begins_with_two_commands() {
    let readme = read("README.md");
    let block = readme.split("```").nth(1).unwrap_or_default();
    let commands: Vec<&str> = block
        .lines()
        .filter(|line| line.starts_with("cargo "))
        .collect();
    assert!(
        commands
            .first()
            .is_some_and(|line| line.starts_with("cargo run --release -- demo")),
        "{block}"
    );
    assert!(
        commands
            .get(1)
            .is_some_and(|line| line.starts_with("cargo test")),
        "{block}"
    );
}

/// The documents whose paths are checked, with the text that is checked. The docs of two modules
/// are among them: they list the threads, and the hand-overs between threads.
fn with_paths() -> Vec<(&'static str, String)> {
    let documents = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut all: Vec<_> = documents.iter().map(|file| (*file, read(file))).collect();
    for module in ["src/session/lock.rs", "src/sync/mod.rs"] {
        let text = read(module);
        let docs = text.lines().map_while(|line| line.strip_prefix("//!"));
        all.push((module, docs.collect::<Vec<_>>().join("\n")));
    }
    all
}

/// Every path in backquotes exists, from the root or from a folder that the paragraph names.
#[test]
fn the_paths_in_the_documents_exist() {
    let mut missing = Vec::new();
    for (file, text) in with_paths() {
        let (checked, wrong) = paths(&without_blocks(&text));
        missing.extend(wrong.iter().map(|name| format!("{file}: {name}")));
        assert!(checked > 0, "{file}: no path was found");
    }
    let drawn = drawn_paths(&read("ARCHITECTURE.md"));
    assert!(drawn.len() > 20, "only {} paths are drawn", drawn.len());
    for path in drawn.iter().filter(|path| !root().join(path).is_file()) {
        missing.push(format!("ARCHITECTURE.md, in a drawing: {path}"));
    }
    assert_none(&missing, "named in a document, and not there:");
}

/// The number of paths that a text names in backquotes, and those that do not exist.
fn paths(text: &str) -> (usize, Vec<String>) {
    let mut missing = Vec::new();
    let mut checked = 0;
    for paragraph in text.split("\n\n") {
        let names: Vec<&str> = paragraph.split('`').skip(1).step_by(2).collect();
        let folders: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| name.ends_with('/'))
            .collect();
        for name in names.iter().filter(|name| is_path(name)) {
            checked += 1;
            let from_root = root().join(name).exists();
            let from_folder = |folder: &&str| {
                // In a folder named before, or beside it: "the bus (`bus.rs`)" of
                // `machine/src/device/`.
                let folder = root().join(folder);
                folder.join(name).exists() || folder.join("..").join(name).exists()
            };
            if !from_root && !folders.iter().any(from_folder) {
                missing.push((*name).to_owned());
            }
        }
    }
    (checked, missing)
}

/// A document without its code blocks, whose backquotes do not enclose names.
fn without_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The paths of Rust files in a document's code blocks, where drawings stand.
fn drawn_paths(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2);
    let words = blocks.flat_map(str::split_whitespace);
    let paths = words.filter(|word| word.ends_with(".rs") && word.contains('/'));
    paths.map(str::to_owned).collect()
}

/// The parts of the map, in order.
const PARTS: [&str; 8] = [
    "## Bird's-eye view",
    "## Concepts",
    "## Where to begin reading",
    "## Three trips",
    "## The rooms",
    "## Recipes",
    "## Deliberately absent",
    "## Decisions that surprise",
];

/// The concepts that the map explains.
const CONCEPTS: [&str; 11] = [
    "icount",
    "moment",
    "place",
    "driver",
    "step",
    "period",
    "arrival",
    "checkpoint",
    "digest",
    "snapshot",
    "overlay",
];

#[test]
fn the_map_has_its_parts() {
    let map = read("ARCHITECTURE.md");
    let parts: Vec<&str> = map.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(parts, PARTS);
    let missing: Vec<String> = CONCEPTS
        .iter()
        .map(|concept| format!("- **{concept}**: "))
        .filter(|line| !map.contains(line.as_str()))
        .collect();
    assert_none(&missing, "concepts that ARCHITECTURE.md does not explain:");
    let recipes = map.lines().filter(|line| line.starts_with("### Add a"));
    assert_eq!(recipes.count(), 5, "the recipes of ARCHITECTURE.md");
}

/// The source folders of all crates.
const CRATES: [&str; 8] = [
    "src",
    "machine/src",
    "machine/isa/src",
    "machine/jit/src",
    "machine/softfloat/src",
    "replay-format/src",
    "cli/src",
    "cli/qapi/src",
];

/// The map has an item for every room, which begins with the room's path.
#[test]
fn the_map_names_every_room() {
    let map = read("ARCHITECTURE.md");
    let items = items(&map);
    let mut missing = Vec::new();
    let mut found = 0;
    for folder in CRATES {
        for room in rooms(folder) {
            found += 1;
            let named = |item: &&str| item.contains(&format!("`{room}`"));
            if !items.iter().any(named) {
                missing.push(room);
            }
        }
    }
    assert_none(
        &missing,
        "rooms that ARCHITECTURE.md does not name in its lists:",
    );
    assert!(found > 60, "only {found} rooms were found");
}

/// The items of a document's lists, each up to its colon.
fn items(text: &str) -> Vec<&str> {
    let items = text.split("\n- ").skip(1);
    items.map(|item| item.split(": ").next().unwrap()).collect()
}

/// The rooms of a crate: the files and folders in its source folder, without its root and tests.
fn rooms(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut rooms: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let beside = path.is_dir() && path.with_extension("rs").is_file();
            match (name, path.is_dir()) {
                ("lib.rs" | "main.rs" | "tests" | "tests.rs", _) => None,
                // A folder of a room that also has a file of that name.
                (_, true) if beside => None,
                (_, true) => Some(format!("{folder}/{name}/")),
                (_, false) => name.ends_with(".rs").then(|| format!("{folder}/{name}")),
            }
        })
        .collect();
    rooms.sort();
    rooms
}

/// CONTRIBUTING.md has a row for each script of CI.
#[test]
fn every_script_of_ci_is_listed() {
    let text = read("CONTRIBUTING.md");
    let entries = fs::read_dir(root().join(".ci")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<String> = names
        .map(|name| format!("| `.ci/{name}` | "))
        .filter(|row| !text.contains(row.as_str()))
        .collect();
    assert_none(&missing, "scripts without a row in CONTRIBUTING.md:");
}

/// The README shows every subcommand.
#[test]
fn the_readme_has_every_command() {
    let readme = read("README.md");
    let entries = fs::read_dir(root().join("cli/src/cmd")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let commands = names.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned));
    let missing: Vec<String> = commands
        .filter(|name| name != "mod")
        .filter(|name| {
            !readme.contains(&format!("`rr {name} ")) && !readme.contains(&format!("`rr {name}`"))
        })
        .collect();
    assert_none(&missing, "commands that README.md does not name:");
}

/// The changelog has the form of Keep a Changelog: the unreleased changes come first.
#[test]
fn the_changelog_has_its_form() {
    let text = read("CHANGELOG.md");
    let versions: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    assert_eq!(versions.first(), Some(&"## [Unreleased]"));
    assert!(
        versions.iter().all(|line| line.starts_with("## [")),
        "{versions:?}"
    );
    let kinds = [
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    ];
    let strange: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|kind| !kinds.contains(kind))
        .map(str::to_owned)
        .collect();
    assert_none(&strange, "no kinds of changes:");
}

/// The prose of the documents is at most as wide as the code; tables may be wider.
#[test]
fn documents_are_at_most_100_wide() {
    let mut wide = Vec::new();
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        for (number, line) in without_code(&read(file)) {
            if line.chars().count() > 100 && !line.starts_with('|') {
                wide.push(format!("{file}:{number}"));
            }
        }
    }
    assert_none(&wide, "lines of documents that are wider than 100:");
}

/// The lines of a document outside of code blocks, with their numbers.
fn without_code(text: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}

fn is_path(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let file = [".rs", ".md", ".toml"]
        .iter()
        .any(|end| name.ends_with(end));
    name.chars().all(plain) && (file || name.contains('/'))
}

/// Links in the documents lead to existing files and headings.
#[test]
fn links_lead_somewhere() {
    let mut missing = Vec::new();
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "samples/README.md",
        "replay-format/FORMAT.md",
    ] {
        let text = read(file);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or_default();
            let folder = root().join(file).parent().unwrap().to_owned();
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                missing.push(format!("{file}: {link}"));
            }
        }
    }
    assert_none(&missing, "links that lead nowhere:");
}
