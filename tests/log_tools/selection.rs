//! --from, --to, --kind, --limit.

use serde_json::Value;

use crate::harness::{Dir, ndjson, sample};

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
    // An event's own icount leads to it.
    let some = &xv6.all[xv6.all.len() / 3];
    let place = icount(some).to_string();
    let at = xv6.dump(&["--from", &place, "--to", &place]);
    assert!(at.contains(some), "{at:?}");
    // Nothing lies between a place and an earlier one.
    assert!(xv6.dump(&["--from", "50%", "--to", "40%"]).is_empty());
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
    // Known, but not in this log: no events, no error.
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
