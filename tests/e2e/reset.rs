//! A guest that resets its machine: RAM keeps its content where no image covers it.

use crate::guest::{A0, A1, HERE, T0, T1, T2, ZERO};
use crate::guest::{addi, auipc, bge_over, elf, lui, lw, sb, sw};
use crate::harness::Dir;

/// Prints the number of the boot, and resets the machine until the third boot.
fn counts_boots() -> Vec<u8> {
    elf(&[
        auipc(T0, 0x100), // 1 MiB behind the code: RAM that no image covers.
        lw(T1, T0),
        addi(T1, T1, 1),
        sw(T1, T0),
        lui(T2, 0x10000), // The UART.
        addi(A0, T1, u32::from(b'0')),
        sb(A0, T2),
        addi(A0, ZERO, u32::from(b'\n')),
        sb(A0, T2),
        lui(A1, 0x100), // The test finisher.
        addi(A0, ZERO, 3),
        bge_over(T1, A0, 5),
        lui(A0, 0x7),
        addi(A0, A0, 0x777), // Reset.
        sw(A0, A1),
        HERE,
        lui(A0, 0x5),
        addi(A0, A0, 0x555), // Power off.
        sw(A0, A1),
        HERE,
    ])
}

#[test]
fn memory_survives_and_the_replay_resets_too() {
    let dir = Dir::new();
    dir.write("guest.elf", counts_boots());
    for every in ["10000000", "1", "7"] {
        let machine = [
            "--kernel",
            "guest.elf",
            "--digest-every",
            every,
            "--overwrite",
        ];
        let recorded = dir.round_trip(&machine, b"").code(0);
        assert_eq!(recorded.text(), "1\n2\n3\n");
        let dump = dir.rr(&["dump", "rec.rr"]).code(0).text();
        assert_eq!(
            dump.matches("EVENT_SHUTDOWN_GUEST_RESET").count(),
            2,
            "{dump}"
        );
        assert_eq!(dump.matches("EVENT_CHECKPOINT_RESET_REQUESTED").count(), 2);
    }
    let run = dir.rr(&["run", "--kernel", "guest.elf"]).code(0);
    assert_eq!(run.text(), "1\n2\n3\n");
}

/// Cut anywhere, even at the resets, the recording replays to its last whole event.
#[test]
fn killed_around_a_reset() {
    let dir = Dir::new();
    dir.write("guest.elf", counts_boots());
    dir.rr(&["record", "--kernel", "guest.elf", "-o", "rec.rr"])
        .code(0);
    let log = dir.read("rec.rr/replay.bin");
    let digests = dir.read("rec.rr/digests.bin");
    dir.write("rec.rr/digests.bin", &digests[..16]);
    dir.unseal("rec.rr");
    for len in 12..log.len() {
        dir.write("rec.rr/replay.bin", &log[..len]);
        let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
        assert!("1\n2\n3\n".starts_with(&replayed.text()), "{len}");
    }
}

/// A guest's failure is its exit status, in a run and in a recording, but not in a replay.
#[test]
fn failure() {
    let dir = Dir::new();
    let code = [
        lui(A1, 0x100),
        lui(A0, 0x2a3),
        addi(A0, A0, 0x333),
        sw(A0, A1),
        HERE,
    ];
    dir.write("guest.elf", elf(&code));
    let run = dir.rr(&["run", "--kernel", "guest.elf"]).code(3);
    assert!(
        run.err.contains("the guest reported failure, code 42"),
        "{}",
        run.err
    );
    dir.round_trip(&["--kernel", "guest.elf"], b"").code(3);
}
