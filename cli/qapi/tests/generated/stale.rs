//! The checked-in output is that of the generator.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rr_qapi::{Schema, generate};

#[test]
fn the_output_is_what_the_generator_writes() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let schema = Schema::load(&tests.join("schema/monitor.json")).unwrap();
    let files = generate::generate(&schema, &BTreeSet::new()).unwrap();
    assert!(files.len() > 4);
    for file in files {
        let there = fs::read_to_string(tests.join("generated/output").join(file.name));
        assert!(
            there.as_ref().is_ok_and(|text| *text == file.text),
            "{} is stale: cargo run -p rr-cli -- qapi gen cli/qapi/tests/schema/monitor.json -o cli/qapi/tests/generated/output",
            file.name
        );
    }
}
