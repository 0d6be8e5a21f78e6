//! The tables against the ids that are documented, and the choice between those that share a
//! version.
#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, helpers included"
)]

use replay_format::{
    Argument, AsyncEvent, Checkpoint, Clock, Completeness, Error, Event, Kind, Log, ShutdownCause,
    Table, Version, WriteError, Writer,
};

fn table(key: &str) -> &'static Table {
    Table::from_key(key).expect(key)
}

type Row = (&'static str, u8, u8, Option<u8>, Option<u8>, u8, u8, u8);

/// The ids that mark where each group begins, as literals from the facts about QEMU.
#[test]
fn ids_are_those_of_qemu() {
    // key, shutdown (first), char write, audio out, random, clock, checkpoint, end
    let rows: [Row; 12] = [
        ("5", 4, 5, None, None, 8, 10, 19),
        ("6", 4, 5, Some(8), None, 10, 12, 21),
        ("7", 4, 13, Some(16), None, 18, 20, 29),
        ("7-3.0", 4, 14, Some(17), None, 19, 21, 30),
        ("7-4.0", 4, 15, Some(18), None, 20, 22, 31),
        ("8", 4, 15, Some(18), None, 20, 22, 31),
        ("9", 4, 15, Some(18), Some(20), 21, 23, 32),
        ("10", 4, 15, Some(18), Some(20), 21, 23, 32),
        ("11", 4, 15, Some(18), Some(20), 21, 23, 32),
        ("12-7.1", 10, 21, Some(24), Some(26), 27, 29, 38),
        ("12", 10, 22, Some(25), Some(27), 28, 30, 39),
        ("13", 10, 22, Some(25), Some(27), 28, 30, 39),
    ];
    assert_eq!(
        rows.map(|row| row.0),
        Table::ALL.iter().map(Table::key).collect::<Vec<_>>()[..]
    );
    for (key, shutdown, char_write, audio, random, clock, checkpoint, end) in rows {
        let table = table(key);
        let id = |kind| table.id(kind).map(|(id, _)| id);
        let first = match table.version() {
            Version::V5 | Version::V6 => Kind::Shutdown,
            _ => Kind::ShutdownNone,
        };
        assert_eq!(id(Kind::Instruction), Some(0), "{key}");
        assert_eq!(id(Kind::Exception), Some(2), "{key}");
        assert_eq!(id(Kind::Bh), Some(3), "{key}");
        assert_eq!(id(first), Some(shutdown), "{key}");
        assert_eq!(id(Kind::CharWrite), Some(char_write), "{key}");
        assert_eq!(id(Kind::CharReadAllError), Some(char_write + 2), "{key}");
        assert_eq!(id(Kind::AudioOut), audio, "{key}");
        assert_eq!(id(Kind::Random), random, "{key}");
        assert_eq!(id(Kind::ClockHost), Some(clock), "{key}");
        assert_eq!(
            id(Kind::CheckpointClockWarpStart),
            Some(checkpoint),
            "{key}"
        );
        assert_eq!(id(Kind::CheckpointReset), Some(checkpoint + 8), "{key}");
        assert_eq!(id(Kind::End), Some(end), "{key}");
        for event_id in 0..=255 {
            let known = table.kind(event_id).is_some() || table.async_id() == Some(event_id);
            assert_eq!(known, event_id <= end, "{key}: {event_id}");
        }
    }
}

#[test]
fn async_kinds_are_those_of_qemu() {
    let folded = [Kind::Bh, Kind::BhOneshot, Kind::Input, Kind::InputSync]
        .into_iter()
        .chain([Kind::CharRead, Kind::Block, Kind::Net]);
    for (number, kind) in (0..).zip(folded.clone()) {
        assert_eq!(table("12").id(kind), Some((3 + number, None)));
        assert_eq!(table("8").id(kind), Some((3, Some(number))));
        assert_eq!(table("11").id(kind), Some((3, Some(number))));
    }
    for (number, kind) in (0..).zip(folded.filter(|kind| *kind != Kind::BhOneshot)) {
        assert_eq!(table("7").id(kind), Some((3, Some(number))));
    }
    assert!(!table("7").has(Kind::BhOneshot));
}

#[test]
fn shutdown_causes_are_those_of_qemu() {
    let causes = |key: &str| {
        let names = Kind::ALL
            .iter()
            .filter(|kind| table(key).has(**kind))
            .map(|kind| kind.name());
        names
            .filter_map(|name| name.strip_prefix("EVENT_SHUTDOWN"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let old = "_NONE _HOST_ERROR _HOST_QMP _HOST_SIGNAL _HOST_UI _GUEST_SHUTDOWN _GUEST_RESET \
               _GUEST_PANIC";
    let new = "_NONE _HOST_ERROR _HOST_QMP_QUIT _HOST_QMP_SYSTEM_RESET _HOST_SIGNAL _HOST_UI \
               _GUEST_SHUTDOWN _GUEST_RESET _GUEST_PANIC _SUBSYSTEM_RESET";
    assert_eq!(causes("6"), "");
    assert_eq!(causes("7"), format!("{old} __MAX"));
    assert_eq!(causes("7-3.0"), format!("{old} _SUBSYSTEM_RESET __MAX"));
    for key in ["7-4.0", "8", "9", "10", "11", "12-7.1"] {
        assert_eq!(causes(key), format!("{new} __MAX"), "{key}");
    }
    for key in ["12", "13"] {
        assert_eq!(causes(key), format!("{new} _SNAPSHOT_LOAD __MAX"), "{key}");
    }
}

#[test]
fn names_and_kinds_lead_to_each_other() {
    for (index, kind) in Kind::ALL.iter().enumerate() {
        assert_eq!(kind.index(), index);
        assert_eq!(Kind::from_name(kind.name()), Some(*kind));
    }
    assert_eq!(Kind::from_name("EVENT_NONE"), None);
    for version in Version::ALL {
        assert_eq!(Version::from_id(version.id()), Some(*version));
    }
    assert_eq!(Version::V7.id(), 0x00e0_2007);
    assert_eq!(Table::RR.name(), "version 7, QEMU 2.10 to 2.12");
}

/// The bytes of each argument, once per layout, as literals.
#[test]
fn layouts_differ_between_versions_as_documented() {
    let written = |key: &str, event: &Event<'_>| {
        let mut writer = Writer::with_table(Vec::new(), table(key)).expect("memory");
        writer.event(event).expect(key);
        writer.into_inner().split_off(12)
    };
    let bh = |checkpoint| Event::Async {
        checkpoint,
        event: AsyncEvent::Block { id: 5 },
    };
    let checkpoint = Some(Checkpoint::ClockVirtual);
    assert_eq!(
        written("7", &bh(checkpoint)),
        [3, 4, 4, 0, 0, 0, 0, 0, 0, 0, 5]
    );
    assert_eq!(
        written("10", &bh(checkpoint)),
        [3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 5]
    );
    assert_eq!(written("11", &bh(None)), [3, 5, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(written("12", &bh(None)), [8, 0, 0, 0, 0, 0, 0, 0, 5]);
    let out = Event::AudioOut { samples: 6 };
    assert_eq!(written("7", &out), [16, 0, 0, 0, 6]);
    assert_eq!(written("8", &out), [18, 0, 0, 0, 0, 0, 0, 0, 6]);
    let frames: Vec<u8> = (1..=16).collect();
    let audio = |write_position| Event::AudioIn {
        samples: 1,
        write_position,
        frames: &frames,
    };
    let with = |head: &[u8]| [head, &frames[..]].concat();
    assert_eq!(
        written("7", &audio(Some(9))),
        with(&[17, 0, 0, 0, 1, 0, 0, 0, 9])
    );
    let wide = [26, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    assert_eq!(written("12", &audio(Some(9))), with(&wide));
    assert_eq!(written("13", &audio(None)), with(&wide[..9]));
    let random = Event::Random {
        result: -1,
        data: b"z",
    };
    assert_eq!(
        written("9", &random),
        [20, 255, 255, 255, 255, 0, 0, 0, 1, b'z']
    );
}

/// A log that uses an id of each group, so that a wrong table stumbles.
fn synthetic(table: &'static Table) -> Vec<u8> {
    let checkpoint = table
        .has_async_checkpoint()
        .then_some(Checkpoint::ClockVirtual);
    let mut writer = Writer::with_table(Vec::new(), table).expect("memory");
    let mut put = |icount, event: Event<'_>| writer.at(icount, &event).expect("in every table");
    put(0, Event::Checkpoint(Checkpoint::Init));
    put(0, Event::Checkpoint(Checkpoint::Reset));
    put(
        0,
        Event::Clock {
            clock: Clock::Host,
            value: 0x17f3_6a5b_0d11_2233,
        },
    );
    put(70_000, Event::Interrupt);
    for n in 0..20 {
        let icount = 100_000 + 5_000_000 * n;
        put(
            icount,
            Event::CharWrite {
                result: 1,
                offset: 1,
            },
        );
        put(icount + 7, Event::Checkpoint(Checkpoint::ClockVirtual));
        let event = AsyncEvent::CharRead {
            device: 0,
            data: b"ls\n",
        };
        put(icount + 7, Event::Async { checkpoint, event });
        let event = AsyncEvent::Block { id: n };
        put(icount + 7, Event::Async { checkpoint, event });
        put(
            icount + 9,
            Event::Clock {
                clock: Clock::VirtualRt,
                value: 123_456 * n as i64,
            },
        );
        let frames = [9; 32];
        if table.has(Kind::AudioIn) {
            let write_position = (table.version() < Version::V13).then_some(64);
            put(
                icount + 10,
                Event::AudioIn {
                    samples: 2,
                    write_position,
                    frames: &frames,
                },
            );
        }
    }
    let cause = match table.version() {
        Version::V5 | Version::V6 => ShutdownCause::Unspecified,
        _ => ShutdownCause::GuestShutdown,
    };
    put(200_000_000, Event::Shutdown(cause));
    put(200_000_000, Event::End);
    writer.into_inner()
}

#[test]
fn tables_that_share_a_version_are_told_apart() {
    for table in Table::ALL {
        let bytes = synthetic(table);
        let log = Log::parse(&bytes).expect("a log");
        assert_eq!(log.table().key(), table.key());
        assert_eq!(
            log.completeness(),
            Completeness::Complete,
            "{}",
            table.key()
        );
        // Cut anywhere behind the first event that tells.
        for cut in 100..bytes.len() {
            let log = Log::parse(&bytes[..cut]).expect("a log");
            assert_eq!(
                log.table().key(),
                table.key(),
                "cut at {cut} of {}",
                bytes.len()
            );
            assert!(
                log.error().is_some_and(Error::is_truncated),
                "{:?}",
                log.error()
            );
        }
    }
}

#[test]
fn a_zero_header_is_no_obstacle() {
    for table in Table::ALL {
        let mut bytes = synthetic(table);
        bytes[..4].fill(0);
        // Versions 9 and 10 are the same bytes; 10 is the one in more releases.
        let expected = if table.key() == "9" {
            "10"
        } else {
            table.key()
        };
        assert_eq!(Log::parse(&bytes).expect("a log").table().key(), expected);
        // A cut soon behind the first event that tells two versions apart can still be read by
        // both.
        for cut in 300..bytes.len() {
            let log = Log::parse(&bytes[..cut]).expect("a log");
            assert_eq!(
                log.table().key(),
                expected,
                "cut at {cut} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    writer.at(50, &Event::Interrupt).expect("version 7");
    let good = writer.into_inner();
    let errors = |tail: &[u8]| {
        let bytes = [&good, tail].concat();
        let log = Log::with_table(&bytes, Table::RR).expect("a header");
        let error = log.events().find_map(Result::err).expect("it is damaged");
        let at = error.position().expect("in the events");
        assert_eq!((at.offset, at.index, at.icount), (18, 2, 50));
        assert_eq!(log.error(), Some(&error));
        error
    };
    assert!(matches!(errors(&[30]), Error::UnknownEvent { id: 30, .. }));
    let unknown = |tail: &[u8]| match errors(tail) {
        Error::UnknownValue {
            argument, value, ..
        } => (argument, value),
        other => panic!("{other}"),
    };
    assert_eq!(unknown(&[3, 9, 2]), (Argument::Checkpoint, 9));
    assert_eq!(unknown(&[3, 0, 6]), (Argument::AsyncKind, 6));
    assert_eq!(unknown(&[3, 0, 1, 0, 0, 0, 5]), (Argument::InputType, 5));
    assert_eq!(
        unknown(&[3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
        (Argument::KeyKind, 2)
    );
    assert_eq!(
        unknown(&[3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2]),
        (Argument::Down, 2)
    );
    // A length field is compared with what is left, and nothing else.
    let huge = errors(&[14, 255, 255, 255, 255, 1, 2]);
    let Error::Truncated {
        kind,
        needed,
        available,
        ..
    } = &huge
    else {
        panic!("{huge}")
    };
    assert_eq!(
        (*kind, *needed, *available),
        (Some(Kind::CharReadAll), 5 + 0xffff_ffff, 7)
    );
    assert!(errors(&[]).to_string().contains("without EVENT_END"));

    let trailing = [&good[..], &[29, 1, 2, 3]].concat();
    let log = Log::with_table(&trailing, Table::RR).expect("a header");
    let found = log.events().collect::<Vec<_>>();
    assert!(matches!(found[2], Ok(record) if record.event == Event::End));
    assert!(matches!(found[3], Err(Error::AfterEnd { trailing: 3, .. })));
    assert_eq!(found.len(), 4);
    assert_eq!(
        log.completeness(),
        Completeness::Damaged {
            whole_events_end: 19
        }
    );
}

#[test]
fn what_is_no_log_is_refused() {
    let not = |bytes: &[u8]| matches!(Log::parse(bytes), Err(Error::NotALog { .. }));
    assert!(not(b"\x7fELF"));
    assert!(not(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0"));
    assert!(not(&[0; 4096]), "a file of zeros");
    assert!(not(&[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1]));
    let text = Log::parse(b"# Notes on something")
        .expect_err("no log")
        .to_string();
    assert!(text.contains("23 20 4e 6f"), "{text}");
    for len in 0..12 {
        let header = &[0, 0xe0, 0x20, 7, 0, 0, 0, 0, 0, 0, 0, 0][..len];
        assert_eq!(
            Log::parse(header),
            Err(Error::TruncatedHeader { len: len as u64 })
        );
    }
    let future = [0, 0xe0, 0x20, 14, 0, 0, 0, 0, 0, 0, 0, 0];
    let error = Log::parse(&future).expect_err("no such version");
    assert_eq!(error, Error::UnknownVersion { id: 0x00e0_200e });
    assert!(error.to_string().contains("7 (0x00e02007)"), "{error}");
}

#[test]
fn the_instruction_count_does_not_wrap() {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    writer
        .event(&Event::Instruction { count: 10 })
        .expect("version 7");
    let bytes = writer.into_inner();
    let log = Log::parse(&bytes).expect("a log");
    let mut events = log.events_from(12, u64::MAX - 9).expect("a boundary");
    assert!(matches!(
        events.next(),
        Some(Err(Error::IcountOverflow { count: 10, .. }))
    ));
    let mut events = log.events_from(12, u64::MAX - 10).expect("a boundary");
    assert!(matches!(events.next(), Some(Ok(record)) if record.icount == u64::MAX));
}

#[test]
fn the_writer_writes_deltas_and_nothing_on_errors() {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    assert_eq!(
        writer.get_ref()[..],
        [0, 0xe0, 0x20, 7, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    let far = 2 * u64::from(u32::MAX) + 5;
    writer.at(far, &Event::Interrupt).expect("in order");
    let max = [0, 255, 255, 255, 255];
    assert_eq!(
        writer.get_ref()[12..],
        [&max[..], &max, &[0, 0, 0, 0, 5, 1]].concat()
    );
    writer.at(far, &Event::Exception).expect("the same icount");
    assert_eq!((writer.icount(), writer.bytes()), (far, 12 + 17));

    let before = writer.get_ref().clone();
    let random = Event::Random {
        result: 0,
        data: b"",
    };
    let not_here = writer.at(far + 1_000, &random);
    assert!(matches!(
        not_here,
        Err(WriteError::NotInTable {
            kind: Kind::Random,
            ..
        })
    ));
    let not_here = writer.at(far + (1 << 40), &random);
    assert!(matches!(
        not_here,
        Err(WriteError::NotInTable {
            kind: Kind::Random,
            ..
        })
    ));
    let backwards = writer.at(far - 1, &Event::Interrupt);
    assert!(matches!(backwards, Err(WriteError::Backwards { .. })));
    let event = AsyncEvent::InputSync;
    let bare = writer.at(
        far,
        &Event::Async {
            checkpoint: None,
            event,
        },
    );
    assert!(matches!(
        bare,
        Err(WriteError::Missing {
            field: "checkpoint",
            ..
        })
    ));
    let samples = writer.at(far, &Event::AudioOut { samples: 1 << 32 });
    assert!(matches!(
        samples,
        Err(WriteError::TooLarge {
            value: 0x1_0000_0000,
            ..
        })
    ));
    let frames = Event::AudioIn {
        samples: 2,
        write_position: Some(0),
        frames: &[0; 31],
    };
    assert!(matches!(
        writer.at(far, &frames),
        Err(WriteError::Frames {
            samples: 2,
            bytes: 31
        })
    ));
    assert_eq!(*writer.get_ref(), before, "nothing was written");

    writer.at(far, &Event::End).expect("the end");
    assert!(matches!(
        writer.at(far, &Event::End),
        Err(WriteError::AfterEnd { .. })
    ));

    let mut twelve = Writer::with_table(Vec::new(), table("12")).expect("memory");
    let carried = Event::Async {
        checkpoint: Some(Checkpoint::Init),
        event,
    };
    assert!(matches!(
        twelve.event(&carried),
        Err(WriteError::Surplus { .. })
    ));
}

/// FORMAT.md has the ids of every table, for people; here they are held against the code.
#[test]
fn the_ids_in_format_md_are_right() {
    let page = include_str!("../FORMAT.md");
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let mut lines = page
        .lines()
        .skip_while(|line| !line.starts_with("| | 5 | 6 | 7 |"));
    let columns = cells(lines.next().expect("the table of all ids"));
    let rows: Vec<_> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    assert_eq!(rows.len(), 12);
    let mut checked = 0;
    for (column, keys) in columns.iter().enumerate().skip(1) {
        for key in keys.split(", ") {
            let mut documented = Vec::new();
            for row in &rows {
                let (first, last) = match row[column] {
                    "-" => continue,
                    "0, 1, 2" => ("0", "2"),
                    cell => cell.split_once("..").unwrap_or((cell, cell)),
                };
                let id = |text: &str| text.parse::<u8>().expect("an id");
                for id in id(first)..=id(last) {
                    documented.push((row[0].to_owned(), id));
                }
            }
            let group = |kind: Kind| {
                let name = kind
                    .name()
                    .trim_start_matches("EVENT_")
                    .to_lowercase()
                    .replace('_', " ");
                let groups = rows
                    .iter()
                    .map(|row| row[0])
                    .filter(|group| *group != "async");
                let of = groups
                    .filter(|group| name.starts_with(group))
                    .max_by_key(|g| g.len());
                match of {
                    _ if kind.is_async() => "async".to_owned(),
                    Some(group) => group.to_owned(),
                    None => rows[0][0].to_owned(),
                }
            };
            let table = table(key);
            let coded: Vec<_> = (0..=255)
                .filter_map(|id| match table.kind(id) {
                    Some(kind) => Some((group(kind), id)),
                    None => (table.async_id() == Some(id)).then(|| ("async".to_owned(), id)),
                })
                .collect();
            assert_eq!(documented, coded, "table {key}");
            checked += 1;
        }
    }
    assert_eq!(checked, Table::ALL.len());
}
