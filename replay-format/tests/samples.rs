//! What QEMU recorded, read, counted a second time, written again, cut.
#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use std::collections::BTreeMap;

use common::{Picks, samples};
use replay_format::{
    AsyncEvent, Checkpoint, Completeness, Event, Index, Kind, Log, Position, ShutdownCause, Table,
    Writer,
};

#[test]
fn every_sample_is_complete_under_the_table_of_its_qemu() {
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect(&name);
        let expected = if name.starts_with("v7") { "7" } else { "12" };
        assert_eq!(log.table().key(), expected, "{name}");
        assert_eq!(
            log.completeness(),
            Completeness::Complete,
            "{name}: {:?}",
            log.error()
        );
        let last = log.events().last().expect("events").expect("no error");
        assert_eq!(last.event, Event::End, "{name}");
        assert_eq!(
            last.offset + u64::from(last.len),
            bytes.len() as u64,
            "{name}"
        );
    }
}

#[test]
fn serial_sample_event_by_event() {
    let bytes = &samples()
        .into_iter()
        .find(|(n, _)| n == "v7-serial.bin")
        .expect("there")
        .1;
    let log = Log::parse(bytes).expect("a log");
    let mut expected = vec![
        Event::Checkpoint(Checkpoint::Init),
        Event::Checkpoint(Checkpoint::Reset),
        Event::Checkpoint(Checkpoint::ResetRequested),
    ];
    let typed = b"ahello\nxyz";
    expected.extend(typed.chunks(1).map(|data| Event::Async {
        checkpoint: Some(Checkpoint::ResetRequested),
        event: AsyncEvent::CharRead { device: 0, data },
    }));
    expected.push(Event::Shutdown(ShutdownCause::HostQmp));
    expected.push(Event::End);
    let read: Vec<_> = log.events().map(|r| r.expect("no error").event).collect();
    assert_eq!(read, expected);
}

/// Counts of events and bytes by name, and instructions.
type Count = (BTreeMap<String, (u64, u64)>, u64);

/// Counts without any of the crate: ids and sizes as literals, for version 7 of QEMU 2.12 and
/// version 12 from QEMU 7.2.
fn count_by_hand(log: &[u8]) -> Count {
    let be = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("4 bytes"));
    let causes7 = "NONE HOST_ERROR HOST_QMP HOST_SIGNAL HOST_UI GUEST_SHUTDOWN GUEST_RESET \
                   GUEST_PANIC _MAX";
    let causes12 = "NONE HOST_ERROR HOST_QMP_QUIT HOST_QMP_SYSTEM_RESET HOST_SIGNAL HOST_UI \
                    GUEST_SHUTDOWN GUEST_RESET GUEST_PANIC SUBSYSTEM_RESET SNAPSHOT_LOAD _MAX";
    let checkpoints = "CLOCK_WARP_START CLOCK_WARP_ACCOUNT RESET_REQUESTED SUSPEND_REQUESTED \
                       CLOCK_VIRTUAL CLOCK_HOST CLOCK_VIRTUAL_RT INIT RESET";
    let nth = |list: &str, n: u8| {
        list.split(' ')
            .nth(n.into())
            .expect("in the list")
            .to_owned()
    };
    let cp = |n: u8| format!("EVENT_CHECKPOINT_{}", nth(checkpoints, n));
    let down = |list: &str, n: u8| format!("EVENT_SHUTDOWN_{}", nth(list, n));
    let name = |name: &str| name.to_owned();
    let input = |at: usize| match (be(at), be(at + 4)) {
        (0, 0) => 4 + 4 + 8 + 1,
        (0, 1) => 4 + 4 + 4 + 1,
        (1, _) => 4 + 4 + 1,
        (2 | 3, _) => 4 + 4 + 8,
        (4, _) => 4 + 4 + 8 + 8 + 4 + 8,
        other => panic!("input {other:?}"),
    };
    let seven = log[3] == 7;
    let mut kinds = BTreeMap::<String, (u64, u64)>::new();
    let (mut at, mut instructions) = (12, 0);
    loop {
        let id = log[at];
        let (event, len) = match (id, seven) {
            (0, _) => {
                instructions += u64::from(be(at + 1));
                (name("EVENT_INSTRUCTION"), 5)
            }
            (1, _) => (name("EVENT_INTERRUPT"), 1),
            (2, _) => (name("EVENT_EXCEPTION"), 1),
            (3, true) => match log[at + 2] {
                0 => (name("REPLAY_ASYNC_EVENT_BH"), 3 + 8),
                1 => (name("REPLAY_ASYNC_EVENT_INPUT"), 3 + input(at + 3)),
                2 => (name("REPLAY_ASYNC_EVENT_INPUT_SYNC"), 3),
                3 => (
                    name("REPLAY_ASYNC_EVENT_CHAR_READ"),
                    3 + 1 + 4 + be(at + 4) as usize,
                ),
                4 => (name("REPLAY_ASYNC_EVENT_BLOCK"), 3 + 8),
                5 => (
                    name("REPLAY_ASYNC_EVENT_NET"),
                    3 + 1 + 4 + 4 + be(at + 8) as usize,
                ),
                other => panic!("async kind {other}"),
            },
            (4..=12, true) => (down(causes7, id - 4), 1),
            (13, true) => (name("EVENT_CHAR_WRITE"), 9),
            (14, true) => (name("EVENT_CHAR_READ_ALL"), 5 + be(at + 1) as usize),
            (15, true) => (name("EVENT_CHAR_READ_ALL_ERROR"), 5),
            (16, true) => (name("EVENT_AUDIO_OUT"), 5),
            (17, true) => (name("EVENT_AUDIO_IN"), 9 + 16 * be(at + 1) as usize),
            (18, true) => (name("EVENT_CLOCK_HOST"), 9),
            (19, true) => (name("EVENT_CLOCK_VIRTUAL_RT"), 9),
            (20..=28, true) => (cp(id - 20), 1),
            (3, false) => (name("REPLAY_ASYNC_EVENT_BH"), 9),
            (4, false) => (name("REPLAY_ASYNC_EVENT_BH_ONESHOT"), 9),
            (5, false) => (name("REPLAY_ASYNC_EVENT_INPUT"), 1 + input(at + 1)),
            (6, false) => (name("REPLAY_ASYNC_EVENT_INPUT_SYNC"), 1),
            (7, false) => (
                name("REPLAY_ASYNC_EVENT_CHAR_READ"),
                6 + be(at + 2) as usize,
            ),
            (8, false) => (name("REPLAY_ASYNC_EVENT_BLOCK"), 9),
            (9, false) => (name("REPLAY_ASYNC_EVENT_NET"), 10 + be(at + 6) as usize),
            (10..=21, false) => (down(causes12, id - 10), 1),
            (22, false) => (name("EVENT_CHAR_WRITE"), 9),
            (23, false) => (name("EVENT_CHAR_READ_ALL"), 5 + be(at + 1) as usize),
            (24, false) => (name("EVENT_CHAR_READ_ALL_ERROR"), 5),
            (27, false) => (name("EVENT_RANDOM"), 9 + be(at + 5) as usize),
            (28, false) => (name("EVENT_CLOCK_HOST"), 9),
            (29, false) => (name("EVENT_CLOCK_VIRTUAL_RT"), 9),
            (30..=38, false) => (cp(id - 30), 1),
            (29, true) | (39, false) => (name("EVENT_END"), 1),
            other => panic!("id {other:?} at {at}"),
        };
        let end = event == "EVENT_END";
        let count = kinds.entry(event).or_default();
        count.0 += 1;
        count.1 += len as u64;
        at += len;
        if end {
            assert_eq!(at, log.len());
            return (kinds, instructions);
        }
    }
}

#[test]
fn counts_agree_with_a_count_by_hand() {
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect(&name);
        let by_hand = count_by_hand(&bytes);

        let summary = log.summary();
        let named = |(k, events, bytes): (Kind, u64, u64)| (k.name().to_owned(), (events, bytes));
        let folded: Count = (summary.kinds().map(named).collect(), summary.instructions());
        assert_eq!(folded, by_hand, "{name}: the summary");

        let mut iterated: Count = Default::default();
        for record in log.events() {
            let record = record.expect("no error");
            let count = iterated
                .0
                .entry(record.event.kind().name().to_owned())
                .or_default();
            count.0 += 1;
            count.1 += u64::from(record.len);
            iterated.1 = record.icount;
        }
        assert_eq!(iterated, by_hand, "{name}: the events");
        assert_eq!(summary.end.offset, bytes.len() as u64);
        assert_eq!(
            summary.end.index,
            by_hand.0.values().map(|c| c.0).sum::<u64>()
        );
    }
}

#[test]
fn written_again_they_are_the_same_bytes() {
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect(&name);
        let mut raw = Writer::with_table(Vec::new(), log.table()).expect("memory");
        let mut timed = Writer::with_table(Vec::new(), log.table()).expect("memory");
        for record in log.events() {
            let record = record.expect("no error");
            raw.event(&record.event).expect("the same table");
            if !matches!(record.event, Event::Instruction { .. }) {
                timed
                    .at(record.icount, &record.event)
                    .expect("the same table");
            }
        }
        assert_eq!(raw.bytes(), bytes.len() as u64);
        assert_eq!(raw.icount(), log.summary().instructions());
        assert!(raw.into_inner() == bytes, "{name}: event by event");
        assert!(timed.into_inner() == bytes, "{name}: by icount");
    }
}

/// What must hold of any prefix of a good log.
fn assert_cut(
    name: &str,
    bytes: &[u8],
    table: &'static Table,
    whole: &[(u64, u32, Event<'_>)],
    cut: usize,
) {
    let prefix = &bytes[..cut];
    let log = match Log::parse(prefix) {
        Ok(log) => log,
        Err(error) => {
            assert!(
                cut < 12 && error.is_truncated(),
                "{name} cut at {cut}: {error}"
            );
            return;
        }
    };
    assert!(
        log.error().is_some_and(|e| e.is_truncated()),
        "{name} cut at {cut}"
    );
    // The first event that tells QEMU 7.1 from 7.2 is the random seed of the guest, 60 bytes in.
    assert!(
        cut < 80 || log.table() == table,
        "{name} cut at {cut}: {}",
        log.table().name()
    );
    let log = Log::with_table(prefix, table).expect("it parsed");
    let good = whole
        .iter()
        .take_while(|(o, l, _)| o + u64::from(*l) <= cut as u64)
        .count();
    let mut events = log.events();
    for (offset, len, event) in &whole[..good] {
        let record = events.next().expect("an event").expect("whole");
        assert_eq!(
            (record.offset, record.len, record.event),
            (*offset, *len, *event),
            "{name}"
        );
    }
    let error = events.next().expect("the cut").expect_err("it is cut");
    assert!(error.is_truncated(), "{name} cut at {cut}: {error}");
    assert_eq!(Some(&error), log.error());
    assert!(events.next().is_none());
    let whole_events_end = whole[..good]
        .last()
        .map_or(12, |(o, l, _)| o + u64::from(*l));
    assert_eq!(
        log.completeness(),
        Completeness::Truncated { whole_events_end }
    );
}

#[test]
fn a_cut_costs_only_what_is_behind_it() {
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect(&name);
        let whole: Vec<_> = log
            .events()
            .map(|r| r.expect("good"))
            .map(|r| (r.offset, r.len, r.event))
            .collect();
        if bytes.len() < 10_000 {
            (0..bytes.len()).for_each(|cut| assert_cut(&name, &bytes, log.table(), &whole, cut));
        } else {
            let mut picks = Picks(bytes.len() as u64);
            for _ in 0..20 {
                assert_cut(&name, &bytes, log.table(), &whole, picks.below(bytes.len()));
            }
        }
    }
}

#[test]
fn a_killed_recording_with_a_zero_header_is_read_by_the_right_table() {
    for (name, mut bytes) in samples() {
        let expected = Log::parse(&bytes).expect(&name).table().key();
        bytes[..4].fill(0);
        let log = Log::parse(&bytes).expect(&name);
        assert!(log.header().is_unfinished());
        assert_eq!(log.table().key(), expected, "{name}: whole");

        let mut picks = Picks(7);
        for _ in 0..20 {
            // Before something tells the versions apart, any that reads the bytes is as good.
            let from = if bytes.len() < 200 { continue } else { 200 };
            let cut = from + picks.below(bytes.len() - from);
            let log = Log::parse(&bytes[..cut]).expect(&name);
            assert_eq!(log.table().key(), expected, "{name}: cut at {cut}");
        }
    }
}

#[test]
fn an_index_finds_what_a_scan_finds() {
    for (name, bytes) in samples() {
        let log = Log::parse(&bytes).expect(&name);
        let all: Vec<_> = log.events().map(|r| r.expect("good")).collect();
        for every in [1, 7, 1000] {
            let index = Index::build(&log, every);
            assert_eq!(index.end, log.end());
            let mut picks = Picks(every);
            for _ in 0..20 {
                let record = all[picks.below(all.len())];
                let found = index.event(&log, record.index).expect("this log");
                assert_eq!(found, Some(record), "{name}");

                let target = record.icount;
                let first = all.iter().find(|r| r.icount >= target).copied();
                assert_eq!(
                    index.at_icount(&log, target).expect("this log"),
                    first,
                    "{name}"
                );
                assert!(index.before_event(record.index).index + every > record.index);

                // What comes from a point on is the tail of the whole.
                let point = index.before_icount(target);
                let tail: Vec<_> = log.events_at(point).expect("this log").flatten().collect();
                assert_eq!(tail[..], all[point.index as usize..], "{name}");
            }
            assert_eq!(index.event(&log, all.len() as u64).expect("this log"), None);
            assert_eq!(index.before_fraction(0.0), log.start());
            assert_eq!(index.icount_at(1.0), log.end().icount);
        }
        assert_eq!(log.events_at(log.end()).expect("the end").count(), 0);
        assert!(log.events_from(11, 0).is_err());
        assert!(log.events_from(bytes.len() as u64 + 1, 0).is_err());
        let start = Position {
            offset: 12,
            index: 0,
            icount: 0,
        };
        assert_eq!(log.start(), start);
    }
}

#[test]
fn a_forced_table_reads_what_it_can() {
    let (name, bytes) = samples().swap_remove(0);
    let seven = Table::from_key("7").expect("a table");
    let log = Log::with_table(&bytes, seven).expect(&name);
    assert_eq!(log.table(), seven);
    assert!(
        matches!(log.completeness(), Completeness::Damaged { .. }),
        "{:?}",
        log.error()
    );
    assert_eq!(
        log.events().last().and_then(Result::err).as_ref(),
        log.error()
    );
}
