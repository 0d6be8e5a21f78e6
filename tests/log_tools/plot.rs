//! The marks of `rr inspect --plot`. export.rs tests plots without marks.

use crate::harness::{Dir, ROOT, Ran, ndjson, sample};
use std::path::Path;

/// Records the guest that idles, prints and reads, or another.
fn recorded(guest: &str, more: &[&str]) -> Dir {
    let dir = Dir::new();
    let kernel = Path::new(ROOT).join(format!("samples/bin/{guest}.elf"));
    let input = std::fs::read(Path::new(ROOT).join("samples/heisenbug/input.txt")).unwrap();
    let mut command = dir.command();
    command.args(["record", "--quiet", "-o", "rec.rr", "--icount", "sleep=off"]);
    command.args(more).arg("--kernel").arg(kernel);
    command.write_stdin(input).output().unwrap();
    dir
}

/// Draws a plot. Returns it, and the result of the command.
#[track_caller]
fn drawn(dir: &Dir, input: &str, code: i32) -> (String, Ran) {
    let ran = dir.rr(&["inspect", input, "--plot", "run.svg", "--overwrite"]);
    assert_eq!(ran.code, code, "{}", ran.err);
    let drawing = std::fs::read_to_string(dir.path("run.svg")).unwrap();
    assert_eq!(drawing.matches("http").count(), 1);
    assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
    (drawing, ran)
}

fn is_timed(drawing: &str) -> bool {
    drawing.contains(">virtual time</text>")
}

/// The text of the mark where a run ends early, and the red text below the facts.
fn ending(drawing: &str) -> Option<(&str, &str)> {
    let between = |start: &str, end: &str| drawing.split(start).nth(1)?.split(end).next();
    let mark = between("<g><title>", "</title>")?;
    let line = drawing.split("<text class=\"bad\"").nth(1)?;
    Some((mark, line.split('>').nth(1)?.split('<').next()?))
}

fn thousands(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    let groups = digits.rchunks(3).rev().map(|group| group.iter().collect());
    groups.collect::<Vec<String>>().join(",")
}

#[test]
fn snapshots_are_marked() {
    let dir = recorded("heisenbug", &["--snapshot-every", "200k"]);
    let list = dir.rr(&["snapshot", "list", "rec.rr", "--json"]).fine();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let list = list["snapshots"].as_array().unwrap();
    assert!(list.len() > 5, "{list:?}");
    let (drawing, _) = drawn(&dir, "rec.rr", 0);
    assert!(is_timed(&drawing) && ending(&drawing).is_none());
    for snapshot in list {
        let (name, icount) = (&snapshot["name"], &snapshot["icount"]);
        let what = format!(
            "snapshot {}: icount {}, ",
            name.as_str().unwrap(),
            thousands(&icount.to_string())
        );
        assert!(drawing.contains(&what), "{what}");
    }
    let total = |text: String| format!(">{text}</text>");
    assert!(drawing.contains(&total(list.len().to_string())));
    // The marks in the order of time, and the one in the legend.
    let marks = drawing.split("<path class=\"snapshot\" d=\"M").skip(1);
    let places: Vec<f64> = marks
        .map(|mark| mark.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let (_, places) = places.split_last().unwrap();
    assert!(places.is_sorted() && places[0] == 230.0, "{places:?}");
    assert!(
        places.last().is_some_and(|last| *last <= 1090.0),
        "{places:?}"
    );

    let name = list[2]["name"].as_str().unwrap();
    dir.write(&format!("rec.rr/snapshots/{name}/snapshot.json"), b"{");
    let (drawing, _) = drawn(&dir, "rec.rr", 0);
    let damaged = format!("{} + 1 damaged<title>", list.len() - 1);
    assert!(drawing.contains(&damaged));
    assert!(drawing.contains(&format!("snapshots/{name}/snapshot.json: is damaged: ")));
}

/// Removes the seal, by which changed files are noticed before a replay.
fn unseal(dir: &Dir) {
    std::fs::remove_file(dir.path("rec.rr/seal.json")).unwrap();
}

/// An event is of another kind: everything before it is drawn.
#[test]
fn where_the_replay_leaves_the_recording_is_marked() {
    let dir = recorded("heisenbug", &[]);
    let whole = drawn(&dir, "rec.rr", 0).0;
    let dump = [
        "dump",
        "rec.rr",
        "--format",
        "ndjson",
        "--kind",
        "EVENT_INTERRUPT",
    ];
    let interrupts = ndjson(&dir.rr(&dump).fine());
    let offset = interrupts[interrupts.len() / 2]["offset"].as_u64().unwrap() as usize;
    let mut log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    log[offset] = 2; // EVENT_EXCEPTION
    dir.write("rec.rr/replay.bin", &log);
    unseal(&dir);
    let (drawing, ran) = drawn(&dir, "rec.rr", 1);
    assert!(is_timed(&drawing));
    let said = ran.err.strip_prefix("rr: ").unwrap().trim_end();
    let icount = said.strip_prefix("the replay diverged at icount ");
    let icount = icount.unwrap_or_else(|| panic!("{said}"));
    let icount = thousands(icount.split(',').next().unwrap());
    let (mark, line) = ending(&drawing).unwrap();
    let said = said.replace('"', "&quot;");
    let short = format!("the replay diverges at icount {icount}");
    assert_eq!(mark, format!("{short}\n{said}"));
    assert!(said.starts_with(line.trim_end_matches('…')), "{line}");
    assert!(drawing.contains("; as far as it replays: "));
    assert!(
        drawing.contains(&format!(">{short}</text>")),
        "in the legend"
    );
    assert!(drawing.contains(">char-read</text>") && drawing.contains(">idle<title>"));
    assert_ne!(drawing, whole);
}

#[test]
fn a_digest_that_differs_is_marked() {
    let dir = recorded("mix", &["--append", "n=4", "--digest-every", "100000"]);
    let path = dir.path("rec.rr/digests.bin");
    let mut digests = std::fs::read(&path).unwrap();
    // The second digest: its last byte, after the header and one record.
    digests[16 + 32 + 31] ^= 1;
    std::fs::write(&path, digests).unwrap();
    unseal(&dir);
    let (drawing, _) = drawn(&dir, "rec.rr", 1);
    let (mark, _) = ending(&drawing).unwrap();
    assert!(
        mark.starts_with("the replay diverges at icount 200,000\n"),
        "{mark}"
    );
    assert!(mark.contains("expected state digest "), "{mark}");
    assert!(drawing.contains("; as far as it replays: 800 µs of virtual time"));
}

#[test]
fn where_a_log_ends_is_marked() {
    let dir = recorded("heisenbug", &[]);
    let log = std::fs::read(dir.path("rec.rr/replay.bin")).unwrap();
    let digests = std::fs::read(dir.path("rec.rr/digests.bin")).unwrap();
    dir.write("rec.rr/replay.bin", &log[..log.len() / 2]);
    // It is not the log with which the recording ended: the user is told, and nothing is replayed.
    let (untimed, ran) = drawn(&dir, "rec.rr", 2);
    let said = "the recording is replayed for this: rec.rr/replay.bin: is damaged: ";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(!is_timed(&untimed));
    unseal(&dir);
    // The recording went on: the user is told, and the events have their virtual time.
    let (drawing, ran) = drawn(&dir, "rec.rr", 0);
    assert!(
        ran.err.contains("and the recording went on to"),
        "{}",
        ran.err
    );
    let (mark, line) = ending(&drawing).unwrap();
    assert!(mark.starts_with("the log is cut off here\n"), "{mark}");
    assert!(line.starts_with("truncated at offset "), "{line}");
    assert!(is_timed(&drawing));
    // A killed recording: its end is unknown.
    dir.write("rec.rr/digests.bin", &digests[..16]);
    let (again, ran) = drawn(&dir, "rec.rr", 0);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert_eq!(again, drawing);

    let mut bare = sample("lx-q7.bin");
    let middle = bare.len() / 2;
    bare[middle..middle + 8].fill(0xee);
    dir.write("log", &bare);
    let (drawing, ran) = drawn(&dir, "log", 2);
    let (mark, line) = ending(&drawing).unwrap();
    assert!(mark.starts_with("the log is damaged here\n"), "{mark}");
    assert!(ran.err.contains(line), "{line}: {}", ran.err);
    assert!(!is_timed(&drawing));
}

/// A recording that cannot be replayed is drawn all the same, with the known facts.
#[test]
fn without_its_image() {
    let dir = Dir::new();
    let kernel = Path::new(ROOT).join("samples/bin/heisenbug.elf");
    std::fs::copy(kernel, dir.path("guest.elf")).unwrap();
    let input = std::fs::read(Path::new(ROOT).join("samples/heisenbug/input.txt")).unwrap();
    let mut command = dir.command();
    command.args(["record", "-o", "rec.rr", "--kernel", "guest.elf"]);
    command.write_stdin(input).output().unwrap();
    std::fs::remove_file(dir.path("guest.elf")).unwrap();
    let (drawing, ran) = drawn(&dir, "rec.rr", 0);
    assert!(ran.err.contains("the kernel is missing"), "{}", ran.err);
    assert!(
        ran.err.ends_with("; drawn over instructions\n"),
        "{}",
        ran.err
    );
    assert!(!is_timed(&drawing) && ending(&drawing).is_none());
    assert!(drawing.contains("snapshot start: icount 0, "));
    assert!(drawing.contains("instructions / CPU second"));
}

/// A slice has the time of its parent, in a plot and in a trace.
#[test]
fn a_slice_has_the_time_of_its_parent() {
    let dir = recorded("heisenbug", &[]);
    let part = [
        "slice", "rec.rr", "--from", "50%", "--to", "end", "-o", "part.rr", "-q",
    ];
    dir.rr(&part).fine();
    let end = |rec: &str| {
        let trace = format!("{rec}.json");
        dir.rr(&["export", rec, "--chrome-trace", &trace, "-q"])
            .fine();
        let trace = std::fs::read(dir.path(&trace)).unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&trace).unwrap();
        let entries = trace["traceEvents"].as_array().unwrap();
        let end = entries.iter().rfind(|entry| entry["name"] == "END");
        end.unwrap()["ts"].as_f64().unwrap()
    };
    assert_eq!(end("part.rr"), end("rec.rr"));
    let (drawing, _) = drawn(&dir, "part.rr", 0);
    // The axis begins above 0, at the first of its marks.
    assert!(is_timed(&drawing) && !drawing.contains(">0</text>"));
    assert!(drawing.contains("<path class=\"snapshot\" d=\"M230.0 "));
}
