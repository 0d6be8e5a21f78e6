//! Any bytes as a log: a slice of it is whole and has what happens in its range; a comparison goes
//! through every event of two logs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replay_format::diff::{Diff, Edit};
use replay_format::{Completeness, Event, Kind, Log, Seek, Slice, Table};

/// What happens and when: all but the counts of instructions.
fn happenings<'a>(log: &Log<'a>) -> Vec<(u64, Event<'a>)> {
    let all = log.events().map_while(Result::ok);
    let all = all.map(|record| (record.icount, record.event));
    all.filter(|(_, event)| event.kind() != Kind::Instruction)
        .collect()
}

/// The part of the instructions that a byte says.
fn share(log: &Log<'_>, byte: u8) -> u64 {
    log.end().icount / 255 * u64::from(byte)
}

fn slice(log: &Log<'_>, from: u64, to: u64) {
    let slice = Slice::new(log, Seek::Icount(from), Seek::Icount(to));
    let mut bytes = Vec::new();
    let len = slice.write(&mut bytes).expect("memory");
    assert_eq!(len, bytes.len() as u64);
    let part = Log::with_table(&bytes, log.table()).expect("a log");
    assert_eq!(part.completeness(), Completeness::Complete);
    assert_eq!((slice.icounts(), part.end().icount), ((from, to), to));
    let mut expected = happenings(log);
    expected.retain(|(icount, _)| (from..=to).contains(icount));
    if !slice.has_end() {
        expected.push((to, Event::End));
    }
    assert_eq!(happenings(&part), expected);
}

fn diff(one: &Log<'_>, two: &Log<'_>) {
    let edits = Diff::new(one, two);
    let skipped = edits.skipped().events.iter().sum::<u64>() as usize;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for edit in edits {
        let (in_first, in_second) = match edit {
            Edit::Both(one, two) => (Some(one), Some(two)),
            Edit::First(one) => (Some(one), None),
            Edit::Second(two) => (None, Some(two)),
        };
        first.extend(in_first.map(|record| (record.icount, record.event)));
        second.extend(in_second.map(|record| (record.icount, record.event)));
    }
    assert_eq!(happenings(one)[skipped..], first);
    assert_eq!(happenings(two)[skipped..], second);
}

fuzz_target!(|input: ([u8; 2], u16, u8, &[u8])| {
    let (ends, at, change, bytes) = input;
    let mut changed = bytes.to_vec();
    if let Some(byte) = changed.get_mut(usize::from(at)) {
        *byte ^= change;
    }
    for table in Table::ALL {
        let logs = [bytes, &changed].map(|bytes| Log::with_table(bytes, table));
        let [Ok(log), Ok(other)] = logs else {
            return;
        };
        let ends = ends.map(|end| share(&log, end));
        slice(&log, ends[0].min(ends[1]), ends[0].max(ends[1]));
        diff(&log, &other);
    }
});
