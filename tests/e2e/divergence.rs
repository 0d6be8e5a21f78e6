//! Replays that diverge: the place, the expected event, and the event that happened.

use crate::harness::{Dir, sample};
use std::fs;

/// Records `hello`, changes its kernel, and replays it with `--allow-changed-images`.
fn diverge(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let dir = Dir::new();
    fs::copy(sample("hello"), dir.path("guest.elf")).unwrap();
    dir.rr(&["record", "--kernel", "guest.elf", "-o", "rec.rr"])
        .code(0);
    let mut kernel = dir.read("guest.elf");
    change(&mut kernel);
    dir.write("guest.elf", kernel);
    // Without the option, the changed kernel is refused.
    dir.rr(&["replay", "rec.rr"]).code(2);
    let ran = dir
        .rr(&["replay", "rec.rr", "--allow-changed-images"])
        .code(1);
    ran.error(&dir)
}

fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes
        .windows(text.len())
        .position(|window| window == text)
        .unwrap()
}

/// Offset of the first instruction: the samples' entry is the start of their first segment.
fn entry(kernel: &[u8]) -> usize {
    let word = |at: usize| u64::from_le_bytes(kernel[at..at + 8].try_into().unwrap());
    let (headers, entry) = (word(32) as usize, word(24));
    (0..4)
        .map(|header| headers + 56 * header)
        .find(|&at| kernel[at] == 1 && word(at + 16) == entry)
        .map(|at| word(at + 8) as usize)
        .unwrap()
}

#[test]
fn another_instruction() {
    let report = diverge(|kernel| {
        let at = entry(kernel);
        kernel[at..at + 4].fill(0);
    });
    assert!(
        report.starts_with("the replay diverged at icount 6, hart 0, pc 0x80000000 ("),
        "{report}"
    );
    let end = "expected EVENT_CHAR_WRITE of 64 bytes, result 64 at icount 9671 (event 3, offset \
               0x13), found exception 2 (illegal instruction)";
    assert!(report.ends_with(end), "{report}");
}

#[test]
fn another_instruction_is_shown_disassembled() {
    let report = diverge(|kernel| {
        let at = entry(kernel);
        kernel[at..at + 4].copy_from_slice(&0x0000_3003_u32.to_le_bytes());
    });
    assert!(
        report.contains("pc 0x80000000 (ld zero,0(zero))"),
        "{report}"
    );
    assert!(
        report.contains("found exception 5 (load access fault)"),
        "{report}"
    );
}

/// The guest waits instead. Nothing happens any more, which is noticed at once.
#[test]
fn a_machine_that_waits() {
    let report = diverge(|kernel| {
        let at = entry(kernel);
        kernel[at..at + 4].copy_from_slice(&0x1050_0073_u32.to_le_bytes());
    });
    assert!(
        report.contains("expected EVENT_CHAR_WRITE of 64 bytes"),
        "{report}"
    );
    assert!(report.ends_with("found a machine that waits"), "{report}");
}

/// The guest loops instead. The expected event does not happen, which is noticed.
#[test]
fn a_machine_that_loops() {
    let report = diverge(|kernel| {
        let at = entry(kernel);
        kernel[at..at + 4].copy_from_slice(&0x0000_006f_u32.to_le_bytes());
    });
    assert!(report.contains("at icount 967"), "{report}");
    assert!(
        report.contains("expected EVENT_CHAR_WRITE of 64 bytes"),
        "{report}"
    );
}

/// Another text of the same length makes the same events. Only the state differs.
#[test]
fn a_difference_that_only_a_digest_sees() {
    let report = diverge(|kernel| {
        let at = find(kernel, b"Goodbye");
        kernel[at] = b'W';
    });
    // The guest waits there to be switched off, at the end of the run.
    let place = "pc 0x80000070 (wfi): expected state digest ";
    assert!(report.contains(place), "{report}");
}

/// The first difference is reported. With digests every 100 instructions, it is reported within 100
/// instructions.
#[test]
fn digests_close_in() {
    let dir = Dir::new();
    fs::copy(sample("hello"), dir.path("guest.elf")).unwrap();
    let args = [
        "record",
        "--kernel",
        "guest.elf",
        "-o",
        "rec.rr",
        "--digest-every",
        "100",
    ];
    dir.rr(&args).code(0);
    let mut kernel = dir.read("guest.elf");
    let at = find(&kernel, b"Goodbye");
    kernel[at] = b'W';
    dir.write("guest.elf", kernel);
    let ran = dir
        .rr(&["replay", "rec.rr", "--allow-changed-images"])
        .code(1);
    let report = ran.error(&dir);
    assert!(
        report.starts_with("the replay diverged at icount 100, "),
        "{report}"
    );
}

/// Images that differ in size, or are missing, when the check is off.
#[test]
fn an_image_that_does_not_matter() {
    let dir = Dir::new();
    fs::copy(sample("hello"), dir.path("guest.elf")).unwrap();
    let recorded = dir
        .rr(&["record", "--kernel", "guest.elf", "-o", "rec.rr"])
        .code(0);
    let mut kernel = dir.read("guest.elf");
    kernel.push(0); // Behind all that is loaded.
    dir.write("guest.elf", kernel);
    let ran = dir
        .rr(&["replay", "rec.rr", "--allow-changed-images"])
        .code(0);
    assert_eq!(ran.text(), recorded.text());
}
