//! The generated code in the repository matches the schema.

use rr_qapi::{Schema, generate};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn generated_code_is_fresh() {
    let monitor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/monitor");
    let schema = Schema::load(&monitor.join("schema/monitor.json")).unwrap();
    let files = generate::generate(&schema, &BTreeSet::new()).unwrap();
    assert!(files.len() > 4);
    for file in files {
        let there = fs::read_to_string(monitor.join("generated").join(file.name));
        assert!(
            there.is_ok_and(|text| text == file.text),
            "src/monitor/generated/{} is stale: cargo run -p rr-cli -- qapi gen \
             src/monitor/schema/monitor.json -o src/monitor/generated",
            file.name
        );
    }
}
