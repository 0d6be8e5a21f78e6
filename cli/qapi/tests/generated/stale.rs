//! The checked-in output is that of the generator.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rr_qapi::{Schema, generate, markdown};

const AGAIN: &str = "cargo run -p rr-cli -- qapi gen cli/qapi/tests/schema/monitor.json \
    -o cli/qapi/tests/generated/output --doc cli/qapi/tests/schema/monitor.md";

#[test]
fn the_output_is_what_the_generator_writes() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let schema = Schema::load(&tests.join("schema/monitor.json")).unwrap();
    let files = generate::generate(&schema, &BTreeSet::new()).unwrap();
    assert_eq!(files.len(), 6);
    let output = tests.join("generated/output");
    let mut expected: Vec<_> = files
        .into_iter()
        .map(|file| (output.join(file.name), file.text))
        .collect();
    let reference = markdown::markdown(&schema, &BTreeSet::new());
    expected.push((tests.join("schema/monitor.md"), reference));
    for (file, text) in expected {
        let there = fs::read_to_string(&file).unwrap_or_default();
        assert!(there == text, "{} is stale: {AGAIN}", file.display());
    }
}
