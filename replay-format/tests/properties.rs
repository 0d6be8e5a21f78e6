//! Any events round trip through any table; any bytes are read without a panic, in bounded steps.
#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use common::{Picks, samples};
use proptest::prelude::*;
use replay_format::{
    AsyncEvent, Checkpoint, Clock, Completeness, Event, FRAME_BYTES, Index, InputEvent, Kind, Log,
    ShutdownCause, Table, Version, WriteError, Writer,
};

/// An event that owns its bytes: a kind, numbers for its arguments, data.
type Seed = (usize, u64, u64, Vec<u8>);

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let number = prop_oneof![0..4u64, any::<u64>()];
    let data = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((0..Kind::COUNT, number.clone(), number, data), 0..40)
}

fn pick<T: Copy>(set: &[T], n: u64) -> T {
    set[(n % set.len() as u64) as usize]
}

fn input(a: u64, b: u64) -> InputEvent {
    let (word, down, value) = (b as u32, a & 8 == 0, b as i64);
    match a % 6 {
        0 => InputEvent::KeyNumber { value: b, down },
        1 => InputEvent::KeyQcode { qcode: word, down },
        2 => InputEvent::Button { button: word, down },
        3 => InputEvent::Relative {
            axis: a as u32,
            value,
        },
        4 => InputEvent::Absolute {
            axis: a as u32,
            value,
        },
        _ => InputEvent::MultiTouch {
            touch: word,
            slot: value,
            tracking_id: a as i64,
            axis: 1,
            value: -value.wrapping_abs(),
        },
    }
}

/// The event of this kind that the table can express. Written out, not derived: a second opinion.
fn event<'a>(table: &Table, (kind, a, b, data): &'a Seed) -> Event<'a> {
    let (a, b) = (*a, *b);
    let wide = table.version() >= Version::V8;
    let count = if wide { a } else { a & 0xffff_ffff };
    let carried = |event| Event::Async {
        checkpoint: (table.version() <= Version::V10).then(|| pick(Checkpoint::ALL, a)),
        event,
    };
    let kind = Kind::ALL[*kind];
    let named = kind.name();
    let checkpoint = Checkpoint::ALL.iter().find(|checkpoint| {
        let upper = checkpoint.name().to_uppercase().replace('-', "_");
        named.strip_prefix("EVENT_CHECKPOINT_") == Some(&upper)
    });
    match named {
        "EVENT_INSTRUCTION" => Event::Instruction { count: a as u32 },
        "EVENT_INTERRUPT" => Event::Interrupt,
        "EVENT_EXCEPTION" => Event::Exception,
        "REPLAY_ASYNC_EVENT_BH" => carried(AsyncEvent::Bh { id: a }),
        "REPLAY_ASYNC_EVENT_BH_ONESHOT" => carried(AsyncEvent::BhOneshot { id: a }),
        "REPLAY_ASYNC_EVENT_INPUT" => carried(AsyncEvent::Input(input(a, b))),
        "REPLAY_ASYNC_EVENT_INPUT_SYNC" => carried(AsyncEvent::InputSync),
        "REPLAY_ASYNC_EVENT_CHAR_READ" => carried(AsyncEvent::CharRead {
            device: b as u8,
            data,
        }),
        "REPLAY_ASYNC_EVENT_BLOCK" => carried(AsyncEvent::Block { id: b }),
        "REPLAY_ASYNC_EVENT_NET" => carried(AsyncEvent::Net {
            device: a as u8,
            flags: b as u32,
            data,
        }),
        "EVENT_CHAR_WRITE" => Event::CharWrite {
            result: a as i32,
            offset: b as u32,
        },
        "EVENT_CHAR_READ_ALL" => Event::CharReadAll(data),
        "EVENT_CHAR_READ_ALL_ERROR" => Event::CharReadAllError(a as i32),
        "EVENT_AUDIO_OUT" => Event::AudioOut { samples: count },
        "EVENT_AUDIO_IN" => {
            let samples = data.len() / FRAME_BYTES;
            Event::AudioIn {
                samples: samples as u64,
                write_position: (table.version() <= Version::V12).then_some(count),
                frames: &data[..samples * FRAME_BYTES],
            }
        }
        "EVENT_RANDOM" => Event::Random {
            result: a as i32,
            data,
        },
        "EVENT_CLOCK_HOST" => Event::Clock {
            clock: Clock::Host,
            value: a as i64,
        },
        "EVENT_CLOCK_VIRTUAL_RT" => Event::Clock {
            clock: Clock::VirtualRt,
            value: a as i64,
        },
        "EVENT_SHUTDOWN_GUEST_PANIC" => Event::Shutdown(ShutdownCause::GuestPanic),
        "EVENT_SHUTDOWN_HOST_QMP" => Event::Shutdown(ShutdownCause::HostQmp),
        "EVENT_SHUTDOWN_SNAPSHOT_LOAD" => Event::Shutdown(ShutdownCause::SnapshotLoad),
        "EVENT_SHUTDOWN__MAX" => Event::Shutdown(ShutdownCause::Max),
        _ => checkpoint.map_or(Event::Interrupt, |checkpoint| {
            Event::Checkpoint(*checkpoint)
        }),
    }
}

/// Reads to the end, and holds the iterator to its promises.
fn read(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(log) = Log::parse(bytes) else {
        return Ok(());
    };
    for table in Table::ALL {
        // An event has at least one byte, so there are no more steps than bytes; the error is one
        // more.
        let log = Log::with_table(bytes, table).expect("the header is there");
        let (mut offset, mut index, mut bytes_of_kinds) = (12, 0, 0);
        let mut error = None;
        for item in log.events() {
            prop_assert!(error.is_none(), "something after an error");
            match item {
                Ok(record) => {
                    prop_assert_eq!((record.offset, record.index), (offset, index));
                    prop_assert!(record.len > 0);
                    offset += u64::from(record.len);
                    index += 1;
                }
                Err(found) => error = Some(found),
            }
        }
        prop_assert!(offset <= bytes.len() as u64);
        // The fast walk and the decoding iterator are of one mind.
        prop_assert_eq!(log.error(), error.as_ref());
        prop_assert_eq!((log.end().offset, log.end().index), (offset, index));
        log.summary()
            .kinds()
            .for_each(|(_, _, bytes)| bytes_of_kinds += bytes);
        prop_assert_eq!(bytes_of_kinds + 12, offset);
        prop_assert_eq!(Index::build(&log, 3).end, log.end());
    }
    prop_assert_eq!(
        log.completeness() == Completeness::Complete,
        log.error().is_none()
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn events_round_trip_through_every_table(seeds in seeds()) {
        for table in Table::ALL {
            let mut writer = Writer::with_table(Vec::new(), table).expect("memory");
            let mut written = Vec::new();
            for seed in &seeds {
                let event = event(table, seed);
                match writer.event(&event) {
                    Ok(()) => written.push(event),
                    Err(WriteError::NotInTable { kind, .. }) => prop_assert!(!table.has(kind)),
                    Err(other) => prop_assert!(false, "{}: {}", table.name(), other),
                }
            }
            let icount = writer.icount();
            writer.event(&Event::End).expect("every table ends");
            written.push(Event::End);
            let bytes = writer.into_inner();
            let log = Log::with_table(&bytes, table).expect("a header");
            prop_assert_eq!(log.completeness(), Completeness::Complete);
            prop_assert_eq!(log.summary().instructions(), icount);
            let back: Vec<_> = log.events().map(|r| r.expect("whole").event).collect();
            prop_assert_eq!(back, written);
            prop_assert_eq!(Log::parse(&bytes).expect("a \
                log").completeness(), Completeness::Complete);
        }
    }

    #[test]
    fn instructions_are_written_as_deltas(steps in prop::collection::vec(0..1u64 << 34, 0..20)) {
        let mut writer = Writer::new(Vec::new()).expect("memory");
        let mut icount = 0;
        let mut expected = Vec::new();
        for step in steps {
            icount += step;
            writer.at(icount, &Event::Interrupt).expect("in order");
            expected.push(icount);
        }
        let bytes = writer.into_inner();
        let log = Log::with_table(&bytes, Table::RR).expect("a header");
        let marks = log.events().flatten().filter(|record| record.event == Event::Interrupt);
        prop_assert_eq!(marks.map(|record| record.icount).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_bytes_are_read(version in 4..15u8, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = vec![0, 0xe0, 0x20, version, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(&body);
        read(&bytes)?;
        bytes[..4].fill(0);
        read(&bytes)?;
        let _ = Log::parse(&body);
    }

    /// Small ids and small lengths, so that more of it is events than noise.
    #[test]
    fn likely_bytes_are_read(version in 5..14u8, body in prop::collection::vec(0..40u8, 0..300)) {
        let mut bytes = vec![0, 0xe0, 0x20, version, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(&body);
        read(&bytes)?;
    }

    #[test]
    fn changed_samples_are_read(seed in 1..u64::MAX) {
        let mut picks = Picks(seed);
        for (_, mut bytes) in samples().into_iter().filter(|(_, bytes)| bytes.len() < 1_000) {
            for _ in 0..1 + picks.below(4) {
                let at = picks.below(bytes.len());
                match picks.below(3) {
                    0 => bytes[at] = picks.below(256) as u8,
                    1 => bytes.insert(at, picks.below(256) as u8),
                    _ => bytes.truncate(at.max(12)),
                }
            }
            read(&bytes)?;
        }
    }
}
