//! The documents: they are there, and name what exists.

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

/// The first code block of the README is what to run first.
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

/// Every path in backquotes exists: from the root, or from a folder that the paragraph is about.
#[test]
fn the_paths_in_architecture_exist() {
    let mut missing = Vec::new();
    let text = read("ARCHITECTURE.md");
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
    assert_none(&missing, "named in ARCHITECTURE.md, and not there:");
    assert!(checked > 20, "only {checked} paths were found");
}

fn is_path(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let file = [".rs", ".md", ".toml"]
        .iter()
        .any(|end| name.ends_with(end));
    name.chars().all(plain) && (file || name.contains('/'))
}

/// Links in the documents lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut missing = Vec::new();
    for file in [
        "README.md",
        "ARCHITECTURE.md",
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
