//! The options --from, --to, --kind and --limit.

use serde_json::Value;

use crate::harness::{Dir, ndjson, record, sample};

const LOG: &str = "xv6-ft-q10.bin";

struct Xv6 {
    dir: Dir,
    all: Vec<Value>,
}

impl Xv6 {
    fn new() -> Xv6 {
        let dir = Dir::new();
        dir.write(LOG, &sample(LOG));
        let all = ndjson(&dir.rr(&["dump", LOG, "--format", "ndjson"]).fine());
        Xv6 { dir, all }
    }

    fn dump(&self, options: &[&str]) -> Vec<Value> {
        let mut arguments = vec!["dump", LOG, "--format", "ndjson"];
        arguments.extend(options);
        ndjson(&self.dir.rr(&arguments).fine())
    }

    #[track_caller]
    fn check(&self, options: &[&str], keep: impl Fn(&Value) -> bool) {
        let expected: Vec<_> = self.all.iter().filter(|line| keep(line)).cloned().collect();
        assert!(!expected.is_empty(), "{options:?}: nothing to compare");
        assert_eq!(self.dump(options), expected, "{options:?}");
    }
}

fn icount(line: &Value) -> u64 {
    line["icount"].as_u64().unwrap()
}

fn index(line: &Value) -> u64 {
    line["index"].as_u64().unwrap()
}

#[test]
fn places() {
    let xv6 = Xv6::new();
    let total = icount(xv6.all.last().unwrap());
    let half = total / 2;
    xv6.check(&["--from", "start", "--to", "end"], |_| true);
    xv6.check(&["--from", "50%"], |line| icount(line) >= half);
    xv6.check(&["--to", "50%"], |line| icount(line) <= half);
    xv6.check(&["--from", "400M", "--to", "3.3G"], |line| {
        (400_000_000..=3_300_000_000).contains(&icount(line))
    });
    xv6.check(&["--from", "event#5", "--to", "event#17"], |line| {
        (5..=17).contains(&index(line))
    });
    xv6.check(&["--to", "start"], |line| icount(line) == 0);
    xv6.check(&["--from", "end"], |line| icount(line) == total);
    // The event's own icount leads to it.
    let some = &xv6.all[xv6.all.len() / 3];
    let place = icount(some).to_string();
    let at = xv6.dump(&["--from", &place, "--to", &place]);
    assert!(at.contains(some), "{at:?}");
    // There is nothing between a place and an earlier one.
    assert!(xv6.dump(&["--from", "50%", "--to", "40%"]).is_empty());
}

/// As in other commands, `@NAME` is the place of a snapshot, and a slice has its own start and
/// middle.
#[test]
fn places_of_recordings() {
    let dir = Dir::new();
    record(&dir, "clock", &["--append", "n=3 ms=1"], "");
    dir.rr(&["-q", "snapshot", "save", "rec.rr", "mid", "--at", "70%"])
        .fine();
    let dump = |name: &str, options: &[&str]| {
        let dump = ["dump", name, "--format", "ndjson"];
        ndjson(&dir.rr(&[&dump[..], options].concat()).fine())
    };
    let all = dump("rec.rr", &[]);
    let mid = icount(all.last().unwrap()) * 70 / 100;
    let (first, last): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|line| icount(line) < mid);
    assert!(first.len() > 2 && last.len() > 2, "{all:?}");
    assert_eq!(dump("rec.rr", &["--from", "@mid"]), last);
    let to_mid = dump("rec.rr", &["--to", "@mid"]);
    assert_eq!(
        to_mid,
        all.iter()
            .filter(|line| icount(line) <= mid)
            .cloned()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        dump("rec.rr", &["--to", "@start"]),
        dump("rec.rr", &["--to", "start"])
    );

    dir.rr(&["-q", "slice", "rec.rr", "--from", "@mid", "-o", "part.rr"])
        .fine();
    let part = dump("part.rr", &[]);
    let end = icount(part.last().unwrap());
    let half = mid + (end - mid) / 2;
    let from_half = part.iter().filter(|line| icount(line) >= half).cloned();
    assert_eq!(
        dump("part.rr", &["--from", "50%"]),
        from_half.collect::<Vec<_>>()
    );
    assert_eq!(icount(&dump("part.rr", &["--from", "start"])[0]), mid);

    let said = dir.rr(&["dump", "rec.rr", "--from", "@nope"]).complaint();
    assert_eq!(
        said,
        "rec.rr/replay.bin: --from: @nope: no snapshot of this name; there are: start, mid"
    );
    for command in [&["dump"][..], &["slice", "-o", "x"]] {
        for option in ["--from", "--to"] {
            let whole = [command, &["rec.rr/replay.bin", option, "@mid"]].concat();
            let said = dir.rr(&whole).complaint();
            let expected = "@mid: a bare log has no snapshots; name the directory of its recording";
            assert_eq!(said, format!("rec.rr/replay.bin: {option}: {expected}"));
        }
    }
}

#[test]
fn kinds_and_limits() {
    let xv6 = Xv6::new();
    let is = |line: &Value, kinds: &[&str]| kinds.iter().any(|kind| line["event"] == *kind);
    xv6.check(&["--kind", "char_write"], |line| {
        is(line, &["EVENT_CHAR_WRITE"])
    });
    xv6.check(&["--kind", "EVENT_CHAR_WRITE,end"], |line| {
        is(line, &["EVENT_CHAR_WRITE", "EVENT_END"])
    });
    xv6.check(
        &["--kind", "char-read", "--kind", "EVENT_CHECKPOINT*"],
        |line| {
            is(line, &["REPLAY_ASYNC_EVENT_CHAR_READ"])
                || line["event"]
                    .as_str()
                    .unwrap()
                    .starts_with("EVENT_CHECKPOINT_")
        },
    );
    let writes = xv6.dump(&["--kind", "char_write"]);
    assert_eq!(
        xv6.dump(&["--kind", "char_write", "--limit", "3"]),
        writes[..3]
    );
    assert_eq!(
        xv6.dump(&["--limit", "3", "--from", "event#7"]),
        xv6.all[7..10]
    );
    assert!(xv6.dump(&["--limit", "0"]).is_empty());
    // A known kind that is not in this log: no events, and no error.
    assert!(xv6.dump(&["--kind", "audio_in"]).is_empty());
}

#[test]
fn an_empty_selection_is_an_empty_table() {
    let xv6 = Xv6::new();
    assert_eq!(xv6.dir.rr(&["dump", LOG, "--limit", "0"]).fine(), "");
    let table = xv6
        .dir
        .rr(&["dump", LOG, "--limit", "0", "--format", "table"])
        .fine();
    assert!(
        table.contains("index") && table.lines().count() < 5,
        "{table}"
    );
}
