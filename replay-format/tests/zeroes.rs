//! Zeroes at the end of a log, as a crash of the system leaves them, are no events.
#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use common::{Picks, samples};
use replay_format::diff::{Diff, Edit};
use replay_format::{
    Checkpoint, Completeness, Error, Event, Index, Log, Record, Salvage, Seek, Slice, Table, Writer,
};

fn events<'a>(log: &Log<'a>) -> Vec<Record<'a>> {
    log.events().map_while(Result::ok).collect()
}

/// The first bytes of a log, and zeroes behind them.
fn crashed(log: &[u8], cut: usize, zeroes: usize) -> Vec<u8> {
    let mut bytes = log.get(..cut).expect("a place in the log").to_vec();
    bytes.resize(cut + zeroes, 0);
    bytes
}

/// Checks a log that was cut there, and goes on with zeroes. They are more than its longest event
/// takes.
fn check(whole: &[u8], table: &'static Table, cut: usize, zeroes: usize) {
    let bytes = crashed(whole, cut, zeroes);
    let what = format!("{} cut at {cut}, {zeroes} zeroes", table.name());
    let whole = Log::with_table(whole, table).expect("a log");
    let all = events(&whole);
    let ends = all
        .iter()
        .map(|record| record.offset + u64::from(record.len));
    let fit = ends.take_while(|end| *end <= cut as u64).count();

    let log = Log::with_table(&bytes, table).expect("a log");
    let found = events(&log);
    assert_eq!(found, all[..found.len()], "{what}: made up");
    // Whether an event whose last bytes are zero is whole cannot be seen.
    let last = usize::try_from(
        all[..fit]
            .last()
            .map_or(12, |r| r.offset + u64::from(r.len)),
    );
    let hidden = usize::from(bytes[last.expect("an offset") - 1] == 0);
    assert!(
        found.len() == fit || found.len() + hidden == fit,
        "{what}: {} of {fit}",
        found.len()
    );

    let content = bytes.len()
        - bytes[12..]
            .iter()
            .rev()
            .take_while(|byte| **byte == 0)
            .count();
    let at = log.end();
    let expected = Error::Zeroes {
        at,
        zeroes: (bytes.len() - content) as u64,
        behind: 0,
    };
    assert_eq!(log.error(), Some(&expected), "{what}");
    assert_eq!(log.events().find_map(Result::err), Some(expected), "{what}");
    let whole_events_end = at.offset;
    assert_eq!(
        log.completeness(),
        Completeness::Truncated { whole_events_end },
        "{what}"
    );

    // No other way leads behind the end.
    for seek in [
        Seek::Event(u64::MAX),
        Seek::Icount(u64::MAX),
        Seek::Offset(u64::MAX),
    ] {
        assert_eq!(log.seek(seek), at, "{what}");
    }
    assert_eq!(Index::build(&log, 2).end, at, "{what}");
    assert!(log.events_from(at.offset + 1, at.icount).is_err(), "{what}");
    let mut sliced = Vec::new();
    let slice = Slice::new(&log, Seek::Event(0), Seek::Event(u64::MAX));
    slice.write(&mut sliced).expect("memory");
    let sliced = Log::with_table(&sliced, table).expect("a log");
    assert_eq!(sliced.end().icount, at.icount, "{what}");
    let differ = Diff::new(&log, &log).filter(|edit| !matches!(edit, Edit::Both(..)));
    assert_eq!(differ.count(), 0, "{what}");

    let salvage = Salvage::with_table(&bytes, table).expect("a log");
    let mut repaired = Vec::new();
    let len = salvage.write(&mut repaired).expect("memory");
    assert_eq!(len, at.offset + 1, "{what}");
    let repaired = Log::with_table(&repaired, table).expect("a log");
    assert_eq!(repaired.completeness(), Completeness::Complete, "{what}");
    assert_eq!(events(&repaired)[..found.len()], found, "{what}");
}

#[test]
fn small_logs_cut_at_every_byte() {
    let mut checked = 0;
    for (name, bytes) in samples() {
        let table = Log::parse(&bytes).expect(&name).table();
        let cuts: Vec<usize> = match bytes.len() {
            0..1_000 => (12..bytes.len()).collect(),
            len => {
                let mut picks = Picks(len as u64);
                (0..30).map(|_| 12 + picks.below(len - 12)).collect()
            }
        };
        for cut in cuts {
            for zeroes in [70_000, 70_001, 70_004] {
                check(&bytes, table, cut, zeroes);
                checked += 1;
            }
        }
    }
    println!("{checked} logs with zeroes");
}

/// The table is found as without the zeroes, whether the header names a version or not.
#[test]
fn the_table_is_the_same() {
    for (name, mut bytes) in samples().into_iter().filter(|(_, bytes)| bytes.len() > 400) {
        let expected = Log::parse(&bytes).expect(&name).table().key();
        let mut picks = Picks(11);
        for round in 0..20 {
            if round == 10 {
                bytes[..4].fill(0);
            }
            let cut = 200 + picks.below(bytes.len() - 200);
            for zeroes in [5, 512, 4096] {
                let crashed = crashed(&bytes, cut, zeroes);
                let log = Log::parse(&crashed).expect(&name);
                assert_eq!(
                    log.table().key(),
                    expected,
                    "{name}: {cut}, {zeroes} zeroes"
                );
            }
        }
    }
}

fn rr(events: &[(u64, Event<'_>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    for (icount, event) in events {
        writer.at(*icount, event).expect("in order");
    }
    writer.into_inner()
}

#[test]
fn any_number_of_zeroes() {
    let init = Event::Checkpoint(Checkpoint::Init);
    let log = rr(&[
        (0, init),
        (0, Event::Checkpoint(Checkpoint::Reset)),
        (77, Event::Interrupt),
    ]);
    let count = events(&Log::parse(&log).expect("a log")).len();
    for zeroes in 0..600 {
        let bytes = crashed(&log, log.len(), zeroes);
        let found = Log::parse(&bytes).expect("a log");
        assert_eq!(events(&found).len(), count, "{zeroes} zeroes");
        assert_eq!(found.end().offset, log.len() as u64, "{zeroes} zeroes");
        let zero = matches!(found.error(), Some(Error::Zeroes { .. }));
        assert_eq!(zero, zeroes >= 5, "{:?}", found.error());
    }
}

/// Blocks of zeroes before the end: the log ends before them, unless they lie within one event.
#[test]
fn holes() {
    let mut holes = 0;
    for (name, whole) in samples()
        .into_iter()
        .filter(|(_, bytes)| bytes.len() > 3000)
    {
        let table = Log::parse(&whole).expect(&name).table();
        let sound = Log::with_table(&whole, table).expect(&name);
        let sound = events(&sound);
        let mut picks = Picks(whole.len() as u64);
        for round in 0..40 {
            let len = [512, 600, 1024, 2048][round % 4];
            let start = 12 + picks.below(whole.len() - 12 - len);
            let mut bytes = whole.clone();
            bytes[start..start + len].fill(0);
            let log = Log::with_table(&bytes, table).expect(&name);
            let found = events(&log);
            let what = format!("{name}: {len} zeroes at {start}");
            let none = Event::Instruction { count: 0 };
            assert!(!found.iter().any(|record| record.event == none), "{what}");
            if let Some(Error::Zeroes { at, zeroes, behind }) = log.error() {
                assert_eq!(found, sound[..found.len()], "{what}: made up");
                assert!(at.offset <= start as u64 && *zeroes >= len as u64, "{what}");
                assert!(
                    *behind > 0 && log.events().last() == Some(Err(log.error().unwrap().clone()))
                );
                holes += 1;
            }
        }
    }
    assert!(holes > 50, "{holes}");
}

/// Bytes in the middle are left as they are, and so are zeroes that an event holds.
#[test]
fn zeroes_elsewhere() {
    // Behind EVENT_END nothing may follow.
    for (name, bytes) in samples() {
        let table = Log::parse(&bytes).expect(&name).table();
        for zeroes in [1, 5, 4096] {
            let bytes = crashed(&bytes, bytes.len(), zeroes);
            let log = Log::parse(&bytes).expect(&name);
            assert_eq!(log.table(), table, "{name}");
            let trailing = zeroes as u64;
            let at = log.end();
            assert_eq!(
                log.error(),
                Some(&Error::AfterEnd { at, trailing }),
                "{name}"
            );
            assert!(Salvage::of(&bytes).expect(&name).lost() == trailing);
        }
    }
    let sample = samples()
        .into_iter()
        .find(|(name, _)| name == "v7-serial.bin");
    let (_, good) = sample.expect("the sample");
    // Instructions that are none, with events behind them.
    let mut bytes = good[..good.len() - 1].to_vec();
    bytes.extend([0; 20]);
    bytes.extend(&good[good.len() - 1..]);
    let log = Log::parse(&bytes).expect("a log");
    assert_eq!(log.error(), None);
    // An array of zeroes that was cut by a kill.
    let input = Event::CharReadAll(&[0; 600]);
    let log = rr(&[(0, input), (0, Event::End)]);
    let parsed = Log::with_table(&log, Table::RR).expect("a log");
    assert_eq!(parsed.error(), None);
    for cut in 12..log.len() - 1 {
        let parsed = Log::with_table(&log[..cut], Table::RR).expect("a log");
        assert_eq!(
            parsed.end().offset,
            if cut < 12 + 605 { 12 } else { 12 + 605 }
        );
    }
    // Nothing but zeroes is no log, whatever the header says of itself.
    assert!(matches!(Log::parse(&[0; 4096]), Err(Error::NotALog { .. })));
    let log = crashed(&good, 12, 4096);
    assert_eq!(Log::parse(&log).expect("a header").end().index, 0);
}
