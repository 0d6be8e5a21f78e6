//! Whatever a schema file holds: it is refused or it goes all the way, and nothing panics.
#![allow(clippy::unwrap_used, reason = "what is not as expected fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rr_qapi::{Schema, dump, generate, introspect, markdown};
use serde_json::Value;

/// Loads `text` as a schema; a good one goes through everything that reads schemas.
fn whole_way(text: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    fs::write(&file, text).unwrap();
    let Ok(schema) = Schema::load(&file) else {
        return false;
    };
    for symbols in [
        BTreeSet::new(),
        BTreeSet::from(["A".to_owned(), "B".to_owned()]),
    ] {
        closed(&introspect::introspect(&schema, &symbols));
        let _ = markdown::markdown(&schema, &symbols);
        // Names that Rust cannot tell apart are no fault of the schema.
        let _ = generate::generate(&schema, &symbols);
    }
    assert!(dump::dump(&schema).starts_with("module ./builtin\n"));
    true
}

/// Each type that an entry of the introspection names has an entry, unless its own condition hides
/// it.
fn closed(infos: &Value) {
    let infos = infos.as_array().unwrap();
    let mut names = BTreeSet::new();
    for info in infos {
        assert!(
            names.insert(info["name"].as_str().unwrap()),
            "twice: {info}"
        );
        assert!(info["meta-type"].is_string(), "{info}");
    }
}

/// Schemas to start from: the cases.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let json = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"));
    // An include would lead out of the folder.
    json.map(|path| fs::read(path).unwrap())
        .filter(|text| !text.windows(7).any(|w| w == b"include"))
        .collect()
}

#[test]
fn the_good_cases_go_all_the_way() {
    let good = seeds().iter().filter(|text| whole_way(text)).count();
    assert!(good > 10, "{good}");
}

#[test]
fn files_that_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    fs::write(&file, b"{ 'command': '\xff' }").unwrap();
    let error = Schema::load(&file).unwrap_err().to_string();
    assert!(
        error.contains("UTF-8") && error.contains("schema.json"),
        "{error}"
    );
    assert!(
        Schema::load(folder.path())
            .unwrap_err()
            .to_string()
            .contains("directory")
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bytes(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        whole_way(&text);
    }

    /// A case with a piece of another in the place of one of its own.
    #[test]
    fn spliced(
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        cuts in any::<[prop::sample::Index; 4]>(),
    ) {
        let seeds = seeds();
        let (one, other) = (one.get(&seeds), other.get(&seeds));
        let cut = |index: &prop::sample::Index, text: &[u8]| index.index(text.len() + 1);
        let (from, to) = (cut(&cuts[0], one), cut(&cuts[1], one));
        let (start, end) = (cut(&cuts[2], other), cut(&cuts[3], other));
        let piece = &other[start.min(end)..start.max(end)];
        let text = [&one[..from.min(to)], piece, &one[from.max(to)..]].concat();
        whole_way(&text);
    }
}
