//! The prebuilt samples match their sources.

use std::process::Command;

#[test]
fn the_checked_in_files_are_reproduced() {
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/check");
    let compiler = Command::new("riscv64-unknown-elf-gcc")
        .arg("-dumpversion")
        .output();
    match compiler {
        // Another version of the compiler makes other code. That is no fault of the sources.
        Ok(output) if output.stdout.starts_with(b"12.2") => {}
        found => {
            let version = found.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let required = std::env::var_os("RR_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(
                !required,
                "gcc-riscv64-unknown-elf 12.2 is required, found {version:?}"
            );
            eprintln!("skipped: gcc-riscv64-unknown-elf 12.2 is needed, found {version:?}");
            return;
        }
    }
    let output = Command::new(check).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bin = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/bin");
    let checked_in = std::fs::read_dir(bin).unwrap().count();
    let same = said.lines().filter(|line| line.starts_with("same "));
    assert_eq!(same.count(), checked_in, "{said}");
}
