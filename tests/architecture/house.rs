//! The rooms of each crate, what each may know, and the exceptions of today.

use crate::rooms::{File, Rooms, broken};
use crate::{assert_none, sources};

/// The machine: rooms that only hold state are below rooms that change it.
const MACHINE: Rooms = Rooms {
    folder: "machine/src",
    may_know: &[
        ("units", ""),
        ("inputs", "units"),
        ("clock", "units"),
        ("probe", "units"),
        ("ram", "board probe units"),
        ("board", "units"),
        ("device", "board inputs units"),
        ("virtio", "board device inputs ram units"),
        ("bus", "board device inputs probe ram units virtio"),
        ("fdt", "board device units"),
        ("cpu", "board bus clock device inputs probe ram units"),
        ("schedule", "cpu"),
        ("sbi", "board bus cpu device inputs ram units"),
        (
            "machine",
            "board bus clock cpu device probe ram sbi schedule units virtio",
        ),
        ("ecall", "inputs machine sbi units"),
        ("outside", "inputs machine probe virtio"),
        (
            "run",
            "board bus cpu device ecall inputs machine probe units",
        ),
        ("state", "bus clock cpu machine ram schedule units virtio"),
        (
            "debug",
            "board bus cpu inputs machine probe ram state units",
        ),
        ("boot", "board bus fdt machine units"),
    ],
    exceptions: &[],
};

/// The translator. `lib` stands for the items of the root itself.
const JIT: Rooms = Rooms {
    folder: "machine/jit/src",
    may_know: &[
        ("tlb", ""),
        ("arena", ""),
        ("block", ""),
        ("frame", "lib tlb"),
        ("host", "block frame"),
        ("cache", "arena block frame host lib"),
        ("none", "block frame host"),
        ("x64", "block frame host tlb"),
    ],
    exceptions: &[],
};

/// The command line: subcommands may know all rooms, and no shared room may know a subcommand.
const CLI: Rooms = Rooms {
    folder: "cli/src",
    may_know: &[
        ("output", ""),
        ("qmp", ""),
        ("args", "output"),
        ("events", "output"),
        ("replayed", "output"),
        ("segments", "output"),
        ("diff", "args events output"),
        ("export", "events"),
        ("plot", "args export output replayed"),
        (
            "cmd",
            "args diff events export output plot qmp replayed segments",
        ),
    ],
    exceptions: &[],
};

/// The engine: from the host and the recording's files up to the front ends.
const ENGINE: Rooms = Rooms {
    folder: "src",
    may_know: &[
        ("notes", ""),
        ("sync", ""),
        ("divergence", ""),
        ("host", "notes"),
        ("error", "divergence host"),
        ("recording", "error host notes"),
        ("run", "divergence error host notes recording sync"),
        ("timeline", "divergence error host notes recording run"),
        (
            "session",
            "divergence error host notes recording run sync timeline",
        ),
        (
            "analysis",
            "divergence error host notes recording run timeline",
        ),
        (
            "monitor",
            "error host notes recording run session sync timeline",
        ),
    ],
    exceptions: &[],
};

#[test]
fn rooms_know_what_they_may() {
    let files: Vec<File> = sources::files()
        .iter()
        .map(|file| sources::read(file))
        .collect();
    let mut wrong = Vec::new();
    for rooms in [MACHINE, JIT, CLI, ENGINE] {
        wrong.extend(broken(&rooms, &files));
    }
    assert_none(
        &wrong,
        "rooms that know what they are not to (the table is tests/architecture/house.rs):",
    );
}
