//! Golden cases: each `cases/NAME.json` with `NAME.out`, its dump, or `NAME.err`, what is wrong
//! with it. Write them with `UPDATE_GOLDEN=1 cargo test -p rr-qapi --test cases`, then look at what
//! `git diff` says.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rr_qapi::{Problem, Schema, dump};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    cases.sort();
    cases
}

/// Says what is different, or writes what there is.
fn compare(file: &Path, text: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, text).unwrap();
    } else if fs::read_to_string(file).ok().as_deref() != Some(text) {
        wrong.push(format!("{} should be\n{text}", file.display()));
    }
}

#[test]
fn every_case() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 150);
    for case in cases {
        let folder = format!("{}/", case.parent().unwrap().display());
        let (text, kept, gone) = match Schema::load(&case) {
            Ok(schema) => (dump::dump(&schema), "out", "err"),
            Err(error) => (format!("{error}\n").replace(&folder, ""), "err", "out"),
        };
        compare(&case.with_extension(kept), &text, &mut wrong);
        if case.with_extension(gone).exists() {
            wrong.push(format!(
                "{} should not be there",
                case.with_extension(gone).display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each problem that there is, is the problem of a case.
#[test]
fn every_problem() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let mut error = Schema::load(&case).err().map(Box::new);
        while let Some(problem) = error {
            seen.insert(problem.problem.name());
            error = problem.other;
        }
    }
    let missing = Schema::load(Path::new("no such schema")).unwrap_err();
    seen.insert(missing.problem.name());
    let unseen: Vec<_> = Problem::NAMES
        .iter()
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(unseen.is_empty(), "problems without a case: {unseen:?}");
}
