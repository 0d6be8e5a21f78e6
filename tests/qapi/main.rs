//! End to end: `rr qapi` of the real binary. The language itself is tested in `cli/qapi/tests`.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

const SCHEMA: &str = "schema/monitor.json";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("qapi/tests")
}

/// Runs `rr qapi` in the folder of the schemas. Returns status, standard output, standard error.
fn qapi(arguments: &[&str]) -> (i32, String, String) {
    let mut rr = Command::cargo_bin("rr").unwrap();
    let output = rr
        .arg("qapi")
        .args(arguments)
        .current_dir(tests())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_good_schema_is_nothing_to_talk_about() {
    assert_eq!(qapi(&["check", SCHEMA]), (0, String::new(), String::new()));
}

#[test]
fn the_dump_is_data() {
    let expected = fs::read_to_string(tests().join("cases/unions.out")).unwrap();
    let (status, out, err) = qapi(&["check", "--dump", "cases/unions.json"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, expected);
}

#[test]
fn a_fault_with_all_that_leads_to_it() {
    let (status, out, err) = qapi(&["check", "--dump", "cases/include-deep-fault.json"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "In file included from cases/include-deep-fault.json:1:\n\
         In file included from cases/parts/deep.json:1:\n\
         cases/parts/deeper.json: In command 'a':\n\
         cases/parts/deeper.json:1:1: parameter 'b' uses unknown type 'Nothing'\n"
    );
    for action in ["check", "introspect"] {
        assert_eq!(qapi(&[action, "cases/json-no-comma.json"]).0, 1, "{action}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_trouble() {
    let (status, out, err) = qapi(&["check", "no-such-schema.json"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "rr: can't read schema file 'no-such-schema.json': No such file or directory\n"
    );
}

/// The names of commands in an introspection.
fn commands(symbols: &[&str]) -> Vec<String> {
    let mut arguments = vec!["introspect", SCHEMA];
    arguments.extend(symbols.iter().flat_map(|symbol| ["-D", symbol]));
    let (status, out, err) = qapi(&arguments);
    assert_eq!((status, err.as_str()), (0, ""));
    let infos: Vec<Value> = serde_json::from_str(&out).unwrap();
    let commands = infos.iter().filter(|info| info["meta-type"] == "command");
    commands
        .map(|info| info["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn symbols_decide_what_is_there() {
    let conditional = |symbols: &[&str]| commands(symbols).contains(&"conditional".to_owned());
    assert!(!conditional(&[]));
    assert!(conditional(&["CONFIG_A"]));
    assert!(!conditional(&["CONFIG_A", "CONFIG_B"]));
    assert_eq!(commands(&[]).len() + 1, commands(&["CONFIG_A"]).len());
}

#[test]
fn generated_files() {
    let folder = tempfile::tempdir().unwrap();
    let (output, doc) = (
        folder.path().join("new/output"),
        folder.path().join("reference.md"),
    );
    let (output_name, doc_name) = (output.to_str().unwrap(), doc.to_str().unwrap());
    let nothing = (0, String::new(), String::new());
    assert_eq!(
        qapi(&["gen", SCHEMA, "-o", output_name, "--doc", doc_name]),
        nothing
    );
    let mut names: Vec<_> = fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "commands.rs",
            "events.rs",
            "introspection.json",
            "mod.rs",
            "tables.rs",
            "types.rs"
        ]
    );
    let types = |symbols: &[&str]| {
        qapi(&[&["gen", SCHEMA, "-o", output_name], symbols].concat());
        fs::read_to_string(output.join("types.rs")).unwrap()
    };
    assert!(!types(&[]).contains("PipeBackend"));
    assert!(types(&["-D", "CONFIG_PIPE"]).contains("pub struct PipeBackend {"));
    assert!(
        fs::read_to_string(&doc)
            .unwrap()
            .contains("\n### query-status\n")
    );
}

#[test]
fn stale_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let check = ["gen", SCHEMA, "-o", output, "--check"];
    assert_eq!(qapi(&check).0, 1);
    assert!(!folder.path().join("mod.rs").exists());
    assert_eq!(qapi(&["gen", SCHEMA, "-o", output]).0, 0);
    assert_eq!(qapi(&check), (0, String::new(), String::new()));
    fs::write(folder.path().join("events.rs"), "").unwrap();
    let stale = format!("rr: {output}/events.rs is stale: run the same without --check\n");
    assert_eq!(qapi(&check), (1, String::new(), stale));
}

#[test]
fn what_cannot_be_generated() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("clash.json");
    fs::write(&schema, "{ 'enum': 'Twin', 'data': [ 'a1', 'a-1' ] }\n").unwrap();
    let schema = schema.to_str().unwrap();
    let out = folder.path().join("out");
    let (status, _, err) = qapi(&["gen", schema, "-o", out.to_str().unwrap()]);
    assert_eq!(status, 2);
    assert_eq!(
        err,
        "rr: 'a1' and 'a-1' are both called A1 in Rust: rename one of them\n"
    );
    assert!(!out.exists());
    // A file where the directory must be.
    let (status, _, err) = qapi(&["gen", SCHEMA, "-o", schema]);
    assert_eq!(status, 2);
    assert!(err.contains("clash.json"), "{err}");
    // Neither code nor documentation is asked for.
    assert_eq!(qapi(&["gen", SCHEMA]).0, 2);
}
