//! The rules of ARCHITECTURE.md, as far as a program can check them. Each test reports everything
//! that breaks its rule.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod documents;
mod house;
mod imports;
mod rooms;
mod rooms_rules;
mod sources;
mod tokens;
mod widths;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Fails with everything that breaks a rule.
#[track_caller]
fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}\n  {}", wrong.join("\n  "));
}

/// Each package of the workspace, with the packages of the workspace that it depends on.
/// Dependencies of tests and build scripts are not counted.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let ours: Vec<String> = packages.iter().map(name).collect();
    let dependencies = |package: &serde_json::Value| {
        list(&package["dependencies"])
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(name)
            .filter(|name| ours.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), dependencies(package)))
        .collect()
}

/// The packages that each package may know. A new package needs a row here.
const MAY_KNOW: &[(&str, &[&str])] = &[
    (
        "rr-cli",
        &["rr", "machine", "riscv-isa", "replay-format", "rr-qapi"],
    ),
    ("rr-qapi", &[]),
    ("rr", &["machine", "riscv-isa", "replay-format"]),
    ("machine", &["riscv-isa", "softfloat", "machine-jit"]),
    ("machine-jit", &["riscv-isa"]),
    ("riscv-isa", &[]),
    ("softfloat", &[]),
    ("replay-format", &[]),
];

#[test]
fn the_arrows_only_go_down() {
    let mut wrong = Vec::new();
    let arrows = arrows();
    for (package, dependencies) in &arrows {
        match MAY_KNOW.iter().find(|(name, _)| name == package) {
            None => wrong.push(format!(
                "{package} is not in the table of tests/architecture/main.rs"
            )),
            Some((_, known)) => wrong.extend(
                dependencies
                    .iter()
                    .filter(|dependency| !known.contains(&dependency.as_str()))
                    .map(|dependency| format!("{package} depends on {dependency}")),
            ),
        }
    }
    assert_none(&wrong, "dependencies that point up or sideways:");
    // Shows that the table was compared with real dependencies.
    assert!(arrows["rr-cli"].contains(&"rr".to_owned()));
    assert!(arrows["rr"].contains(&"machine".to_owned()));
}

/// Only `cli` uses `anyhow`.
#[test]
fn libraries_have_typed_errors() {
    let manifests = [
        "Cargo.toml",
        "cli/qapi/Cargo.toml",
        "machine/Cargo.toml",
        "replay-format/Cargo.toml",
    ];
    let wrong: Vec<String> = manifests
        .iter()
        .filter(|file| {
            let text = std::fs::read_to_string(root().join(file)).unwrap();
            text.lines()
                .any(|line| line.starts_with("anyhow.workspace"))
        })
        .map(|file| (*file).to_owned())
        .collect();
    assert_none(&wrong, "anyhow in a library:");
}

/// The folders of the repository, and the usual files beside them.
#[test]
fn the_top_level_is_what_the_design_says() {
    const ROOMS: &[&str] = &["src", "cli", "replay-format", "machine", "samples", "tests"];
    const USUAL: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "clippy.toml",
        "rustfmt.toml",
        "rust-toolchain.toml",
    ];
    let entries = std::fs::read_dir(root()).unwrap();
    let names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let known = |name: &String| [ROOMS, USUAL].concat().contains(&name.as_str());
    let strange: Vec<String> = names.iter().filter(|name| !known(name)).cloned().collect();
    assert_none(&strange, "on the top level, and not in the design:");
    let missing: Vec<String> = ROOMS
        .iter()
        .filter(|room| !root().join(room).is_dir())
        .map(|room| (*room).to_owned())
        .collect();
    assert_none(&missing, "missing on the top level:");
}
