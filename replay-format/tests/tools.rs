//! Seek, repair, slice and diff, against what reading event by event gives.
#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use common::{Picks, samples};
use proptest::prelude::*;
use replay_format::diff::{Diff, Edit, Tally};
use replay_format::{
    AsyncEvent, Checkpoint, Completeness, Event, Kind, Log, Position, Salvage, Seek, Slice, Table,
    Writer,
};

/// What happens and when: all but the counts of instructions.
fn happenings<'a>(log: &Log<'a>) -> Vec<(u64, Event<'a>)> {
    let all = log.events().map_while(Result::ok);
    all.map(|record| (record.icount, record.event))
        .filter(|(_, event)| event.kind() != Kind::Instruction)
        .collect()
}

fn small() -> Vec<Vec<u8>> {
    let all = samples().into_iter().map(|(_, bytes)| bytes);
    all.filter(|bytes| bytes.len() < 12_000).collect()
}

/// The repaired log is whole, of that table, and holds the events of `left` that can be read.
fn check_repair(left: &[u8], salvage: &Salvage<'_>) {
    let mut repaired = Vec::new();
    let bytes = salvage.write(&mut repaired).expect("memory");
    assert_eq!(bytes, repaired.len() as u64);
    let log = Log::parse(&repaired).expect("a log");
    assert_eq!(log.completeness(), Completeness::Complete);
    assert_eq!(log.table(), salvage.table());
    assert_eq!(log.end().icount, salvage.end().icount);
    let Ok(cut) = Log::with_table(left, salvage.table()) else {
        assert_eq!(log.end().index, 1, "nothing but EVENT_END");
        return;
    };
    let saved: Vec<_> = cut.events().map_while(Result::ok).collect();
    assert_eq!(saved.len() as u64, salvage.end().index);
    let mut found: Vec<_> = log.events().map_while(Result::ok).collect();
    if found.len() > saved.len() {
        assert_eq!(found.pop().map(|last| last.event), Some(Event::End));
    }
    assert_eq!(found, saved);
    // Repair has nothing to do twice.
    let again = Salvage::of(&repaired).expect("a log");
    assert!(again.was_whole());
    let mut twice = Vec::new();
    again.write(&mut twice).expect("memory");
    assert_eq!(twice, repaired);
}

#[test]
fn small_logs_cut_at_every_byte() {
    for bytes in small() {
        let whole = Log::parse(&bytes).expect("a sample");
        for len in 0..bytes.len() {
            let left = &bytes[..len];
            let salvage = Salvage::of(left).expect("repairable");
            check_repair(left, &salvage);
            // By its own table whatever is left; by itself it can look like an older version.
            let own = Salvage::with_table(left, whole.table()).expect("repairable");
            check_repair(left, &own);
            assert!(!own.was_whole());
            assert!(salvage.loss().is_some());
        }
        let salvage = Salvage::of(&bytes).expect("a sample");
        assert!(salvage.was_whole() && salvage.lost() == 0 && salvage.loss().is_none());
        check_repair(&bytes, &salvage);
    }
}

#[test]
fn every_sample_cut_and_without_its_version() {
    let mut picks = Picks(11);
    for (name, mut bytes) in samples() {
        let table = Log::parse(&bytes).expect("a sample").table();
        let expected = Log::parse(&bytes).expect("a sample").end();
        bytes[..4].fill(0);
        let salvage = Salvage::of(&bytes).expect("repairable");
        assert_eq!(
            (salvage.table(), salvage.end()),
            (table, expected),
            "{name}"
        );
        assert!(!salvage.was_whole());
        check_repair(&bytes, &salvage);
        for _ in 0..40 {
            let left = &bytes[..12 + picks.below(bytes.len() - 12)];
            check_repair(left, &Salvage::of(left).expect("repairable"));
        }
    }
}

/// A thousand cuts of a log of Linux: what is saved is what is there, and the end.
#[test]
fn a_large_log_cut_anywhere() {
    let mut picks = Picks(23);
    let all = samples();
    let (_, bytes) = all
        .iter()
        .find(|(name, _)| name.starts_with("lio"))
        .expect("a sample");
    let table = Log::parse(bytes).expect("a sample").table();
    for _ in 0..1_000 {
        let left = &bytes[..100 + picks.below(bytes.len() - 100)];
        let salvage = Salvage::of(left).expect("repairable");
        assert_eq!(salvage.table(), table);
        let mut saved = Vec::new();
        salvage.write(&mut saved).expect("memory");
        let end = saved.len() - 1;
        assert_eq!(end as u64, salvage.end().offset);
        assert_eq!(saved[..end], left[..end]);
        let log = Log::parse(&saved).expect("a log");
        assert_eq!(log.completeness(), Completeness::Complete);
        assert!(left.len() - end < 1_600, "one event at most is lost");
    }
}

#[test]
fn what_is_no_log_is_not_repaired() {
    for bytes in [&b"Dear diary, today I wrote a log."[..], &[0; 100], b"xy"] {
        assert!(Salvage::of(bytes).is_err());
    }
    let newer = [0, 0xe0, 0x20, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert!(Salvage::of(&newer).is_err());
    // Nothing is left, and it is still known which version it was to be.
    let salvage = Salvage::of(&[0, 0xe0, 0x20, 0x0c, 0]).expect("the start of a log");
    assert_eq!(salvage.table().key(), "12");
}

/// The place that a log's events, read one by one, give.
fn seek_slowly(log: &Log<'_>, to: Seek) -> Position {
    let mut place = log.start();
    let mut events = log.events();
    while let Some(Ok(record)) = events.next() {
        let next = events.position();
        let passes = match to {
            Seek::Offset(offset) => next.offset <= offset,
            Seek::Event(index) => record.index < index,
            Seek::Icount(icount) => record.icount < icount,
        };
        if !passes {
            break;
        }
        place = next;
    }
    place
}

#[test]
fn seek_finds_what_reading_finds() {
    let mut picks = Picks(5);
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes[..bytes.len() - picks.below(3)]).expect("a sample");
        let end = log.end();
        let mut pick = |bound: u64| picks.below(bound as usize + 2) as u64;
        for _ in 0..30 {
            for to in [
                Seek::Offset(pick(end.offset)),
                Seek::Event(pick(end.index)),
                Seek::Icount(pick(end.icount)),
            ] {
                let found = log.seek(to);
                assert_eq!(found, seek_slowly(&log, to), "{name}: {to:?}");
                let half = log.seek(Seek::Event(found.index / 2));
                assert_eq!(log.seek_from(half, to), Ok(found), "{name}: {to:?}");
            }
        }
        assert_eq!(log.seek(Seek::Icount(0)), log.start());
        assert_eq!(log.seek(Seek::Icount(u64::MAX)), end);
    }
}

#[test]
fn a_slice_has_nothing_of_what_follows_the_end() {
    for bytes in small() {
        let trailing = [&bytes[..], b"more"].concat();
        let log = Log::parse(&trailing).expect("a sample");
        assert!(log.error().is_some());
        let mut written = Vec::new();
        let all = Slice::new(&log, Seek::Icount(0), Seek::Icount(u64::MAX));
        all.write(&mut written).expect("memory");
        assert_eq!(written, bytes);
    }
}

#[test]
fn slices_hold_what_is_in_the_range() {
    let mut picks = Picks(7);
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect("a sample");
        let all = happenings(&log);
        for round in 0..30 {
            let mut icounts =
                [0, 0].map(|_: u64| picks.below(log.end().icount as usize + 1) as u64);
            icounts.sort_unstable();
            if round == 0 {
                icounts = [0, log.end().icount];
            }
            let [from, to] = icounts;
            let slice = Slice::new(&log, Seek::Icount(from), Seek::Icount(to));
            assert_eq!(slice.icounts(), (from, to));
            let mut written = Vec::new();
            let count = slice.write(&mut written).expect("memory");
            assert_eq!(count, written.len() as u64);
            let cut = Log::parse(&written).expect("a log");
            assert_eq!(cut.completeness(), Completeness::Complete, "{name}");
            assert_eq!((cut.table(), cut.end().icount), (log.table(), to), "{name}");
            let inside = all
                .iter()
                .filter(|(icount, _)| (from..=to).contains(icount));
            let mut expected: Vec<_> = inside.copied().collect();
            if !slice.has_end() {
                expected.push((to, Event::End));
            }
            assert_eq!(happenings(&cut), expected, "{name}: {from} to {to}");
            if round == 0 {
                assert!(slice.has_end());
                assert_eq!(written, bytes, "{name}: all of it is the log itself");
            }
            // A slice of a slice is a slice.
            let inner = Slice::new(&cut, Seek::Icount(from), Seek::Icount(to));
            let mut again = Vec::new();
            inner.write(&mut again).expect("memory");
            assert_eq!(happenings(&Log::parse(&again).expect("a log")), expected);
        }
        let last = log.end().index - 1;
        for _ in 0..20 {
            let from = picks.below(last as usize + 1) as u64;
            let to = from + picks.below((last - from) as usize + 1) as u64;
            let slice = Slice::new(&log, Seek::Event(from), Seek::Event(to));
            assert_eq!(slice.events(), to - from + 1);
            let mut written = Vec::new();
            slice.write(&mut written).expect("memory");
            let cut = Log::parse(&written).expect("a log");
            let range = log.events().flatten();
            let range = range.filter(|record| (from..=to).contains(&record.index));
            let mut expected: Vec<_> = range.map(|record| (record.icount, record.event)).collect();
            expected.retain(|(_, event)| event.kind() != Kind::Instruction);
            if to != last {
                expected.push((cut.end().icount, Event::End));
            }
            assert_eq!(happenings(&cut), expected, "{name}: event {from} to {to}");
        }
    }
}

/// The edits, put together again, are the two logs.
fn check_diff(one: &[u8], two: &[u8]) -> Tally {
    let (a, b) = (
        Log::parse(one).expect("a log"),
        Log::parse(two).expect("a log"),
    );
    let diff = Diff::new(&a, &b);
    let skipped = diff.skipped();
    let mut tally = Tally::new(&skipped);
    let before = |log: &Log<'_>| {
        let early = log.events().map_while(Result::ok);
        let early = early.take_while(|record| record.index < skipped.to.index);
        early
            .filter(|record| record.event.kind() != Kind::Instruction)
            .count()
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut icount = 0;
    for edit in diff {
        tally.add(&edit);
        let at = match edit {
            Edit::Both(x, y) => {
                assert_eq!((x.icount, x.event), (y.icount, y.event));
                first.push((x.icount, x.event));
                second.push((y.icount, y.event));
                x.icount
            }
            Edit::First(x) => {
                first.push((x.icount, x.event));
                x.icount
            }
            Edit::Second(y) => {
                second.push((y.icount, y.event));
                y.icount
            }
        };
        assert!(at >= icount, "in order of the icount");
        icount = at;
    }
    let (x, y) = (happenings(&a), happenings(&b));
    assert_eq!(first, x[before(&a)..]);
    assert_eq!(second, y[before(&b)..]);
    assert_eq!(tally.both() + tally.first(), x.len() as u64);
    assert_eq!(tally.both() + tally.second(), y.len() as u64);
    // The first difference is where the two lists part.
    let common = x.iter().zip(&y).take_while(|(x, y)| x == y).count();
    let part = [x.get(common), y.get(common)]
        .into_iter()
        .flatten()
        .map(|(icount, _)| *icount)
        .min();
    assert_eq!(tally.part, part);
    assert_eq!(tally.places == 0, x == y);
    let tail = x
        .iter()
        .rev()
        .zip(y.iter().rev())
        .take_while(|(x, y)| x == y)
        .count() as u64;
    assert!(tally.tail <= tail || x == y);
    tally
}

#[test]
fn a_log_and_itself() {
    for (name, bytes) in samples() {
        let tally = check_diff(&bytes, &bytes);
        assert_eq!((tally.first(), tally.second()), (0, 0), "{name}");
        let cut = check_diff(&bytes, &bytes[..bytes.len() - 1]);
        assert_eq!((cut.first(), cut.second(), cut.places), (1, 0, 1), "{name}");
    }
}

#[test]
fn samples_against_each_other() {
    let all = samples();
    for (_, one) in &all {
        for (_, two) in &all {
            let there = check_diff(one, two);
            let back = check_diff(two, one);
            assert_eq!((there.part, there.both()), (back.part, back.both()));
        }
    }
}

/// The same events in two versions of the format are the same, but for what one cannot say.
#[test]
fn versions_do_not_differ() {
    let mut logs = Vec::new();
    for key in ["7", "10", "11", "12", "13"] {
        let table = Table::from_key(key).expect("a table");
        let checkpoint = table
            .has_async_checkpoint()
            .then_some(Checkpoint::ClockVirtual);
        let event = AsyncEvent::CharRead {
            device: 0,
            data: b"x",
        };
        let mut writer = Writer::with_table(Vec::new(), table).expect("memory");
        for (icount, event) in [
            (10, Event::Interrupt),
            (20, Event::Async { checkpoint, event }),
            (30, Event::End),
        ] {
            writer.at(icount, &event).expect("all have it");
        }
        logs.push(writer.into_inner());
    }
    for one in &logs {
        for two in &logs {
            let a = Log::parse(one).expect("a log");
            let b = Log::parse(two).expect("a log");
            assert!(Diff::new(&a, &b).all(|edit| matches!(edit, Edit::Both(..))));
        }
    }
}

/// Icounts and events of a small alphabet, so that much is alike.
fn stream() -> impl Strategy<Value = Vec<(u64, u8)>> {
    prop::collection::vec((0..3u64, 0..4u8), 0..60)
}

fn written(stream: &[(u64, u8)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    let mut icount = 0;
    for &(step, event) in stream {
        icount += step;
        let event = match event {
            0 => Event::Interrupt,
            1 => Event::Exception,
            _ => Event::CharWrite {
                result: event.into(),
                offset: 1,
            },
        };
        writer.at(icount, &event).expect("in order");
    }
    writer.at(icount, &Event::End).expect("in order");
    writer.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_two_streams(one in stream(), two in stream()) {
        check_diff(&written(&one), &written(&two));
    }

    #[test]
    fn one_change_is_one_place(
        stream in stream(),
        at in any::<prop::sample::Index>(),
        event in 0..4u8,
    ) {
        prop_assume!(!stream.is_empty());
        let mut changed = stream.clone();
        let at = at.index(stream.len());
        changed.insert(at, (0, event));
        let tally = check_diff(&written(&stream), &written(&changed));
        prop_assert_eq!((tally.first(), tally.second(), tally.places), (0, 1, 1));
        let mut gone = stream.clone();
        let (step, _) = gone.remove(at);
        if let Some(next) = gone.get_mut(at) {
            next.0 += step;
        }
        let tally = check_diff(&written(&stream), &written(&gone));
        // The last event gone, the end is earlier, too.
        let ends = u64::from(at == gone.len() && step > 0);
        prop_assert_eq!((tally.first(), tally.second()), (1 + ends, ends));
    }

    #[test]
    fn any_bytes_are_repaired(version in 5..14u8, body in prop::collection::vec(0..40u8, 0..300)) {
        let mut bytes = vec![0, 0xe0, 0x20, version, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(&body);
        check_repair(&bytes, &Salvage::of(&bytes).expect("a header"));
        bytes[..4].fill(0);
        if let Ok(salvage) = Salvage::of(&bytes) {
            check_repair(&bytes, &salvage);
        }
    }
}
