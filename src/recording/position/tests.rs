//! Tests of how positions are written, and where they are in a log.

use proptest::prelude::*;
use replay_format::{Checkpoint, Event, Log, Writer};

use super::*;

fn at(instructions: u64) -> Position {
    Position::Icount(Icount::new(instructions))
}

fn parsed(text: &str) -> Position {
    text.parse().unwrap()
}

#[test]
fn what_people_write() {
    for (text, expected) in [
        ("0", at(0)),
        ("1_000", at(1000)),
        ("1.5M", at(1_500_000)),
        ("1.5m", at(1_500_000)),
        ("0.001k", at(1)),
        ("2.50000k", at(2500)),
        ("3.000", at(3)),
        ("12G", at(12_000_000_000)),
        ("18446744073709551615", at(u64::MAX)),
        ("50%", Position::Share(50_000_000)),
        ("12.5%", Position::Share(12_500_000)),
        ("100%", Position::Share(Position::ALL)),
        ("event#17", Position::Event(17)),
        ("event#1_000", Position::Event(1000)),
        ("start", Position::Start),
        ("end", Position::End),
        ("@login", Position::Snapshot("login".to_owned())),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_is_right() {
    for (text, problem) in [
        ("", "it is empty"),
        ("yesterday", "a number must begin with a digit"),
        ("-1", "a number must begin with a digit"),
        ("+1", "a number must begin with a digit"),
        ("_1", "a number must begin with a digit"),
        ("k", "a number must begin with a digit"),
        ("%", "a number must begin with a digit"),
        (".5M", "a number must begin with a digit"),
        ("12 345", "a number has digits and underscores only"),
        ("1e9", "a number has digits and underscores only"),
        ("12é", "a number has digits and underscores only"),
        ("1.5", "its fraction is finer than its unit"),
        ("1.2345k", "its fraction is finer than its unit"),
        ("1.05", "its fraction is finer than its unit"),
        ("1.00005k", "its fraction is finer than its unit"),
        ("1.k", "digits must follow the point"),
        ("1.x5M", "its fraction is not all digits"),
        ("event#", "a number must begin with a digit"),
        ("event#1.5", "its fraction is finer than its unit"),
        ("18446744073709551616", "it is more than 64 bits hold"),
        ("99999999999999G", "it is more than 64 bits hold"),
        ("101%", "a share is at most 100%"),
        ("@", "a snapshot's name must follow the @"),
    ] {
        let error = text.parse::<Position>().unwrap_err();
        assert_eq!(error.problem, problem, "{text}");
        let said = error.to_string();
        assert!(said.contains("1.5M") && said.contains("event#17"), "{said}");
    }
}

/// A log with events at these icounts. Before each larger icount stands an `EVENT_INSTRUCTION`.
fn log_with(icounts: &[u64]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for &icount in icounts {
        writer
            .at(icount, &Event::Checkpoint(Checkpoint::ClockVirtual))
            .unwrap();
    }
    writer.into_inner()
}

/// 0: checkpoint at 0. 1: instruction to 10. 2, 3: checkpoints at 10. 4: instruction to 30. 5:
/// checkpoint.
const SMALL: &[u64] = &[0, 10, 10, 30];

#[test]
fn where_it_is() {
    let bytes = log_with(SMALL);
    let log = Log::parse(&bytes).unwrap();
    let find = |text: &str| parsed(text).resolve(&log, &no_snapshots).unwrap();
    for (text, icount, index) in [
        ("start", 0, 0),
        ("0", 0, 0),
        ("1", 1, 1),
        ("10", 10, 1),
        ("11", 11, 4),
        ("50%", 15, 4),
        ("end", 30, 4),
        ("100%", 30, 4),
        ("event#0", 0, 0),
        ("event#3", 10, 3),
        ("event#4", 30, 4),
        ("event#5", 30, 5),
    ] {
        let place = find(text);
        let icount = Icount::new(icount);
        assert_eq!((place.icount, place.log.index), (icount, index), "{text}");
    }
}

#[test]
fn past_the_end() {
    let bytes = log_with(SMALL);
    let log = Log::parse(&bytes).unwrap();
    let fail = |text: &str| {
        let error = parsed(text).resolve(&log, &no_snapshots).unwrap_err();
        error.to_string()
    };
    assert_eq!(fail("31"), "31 is past the end, which is at icount 30");
    assert_eq!(
        fail("event#6"),
        "event#6 is past the end: there are 6 events, counted from 0"
    );
    assert_eq!(fail("@login"), "@login: no snapshots in this recording yet");
}

#[test]
fn snapshots_are_looked_up() {
    let bytes = log_with(SMALL);
    let log = Log::parse(&bytes).unwrap();
    let snapshots = |name: &str| match name {
        "login" => Ok(Icount::new(10)),
        "other" => Ok(Icount::new(31)),
        _ => Err(vec!["login".to_owned(), "other".to_owned()]),
    };
    assert_eq!(
        parsed("@login").target(&log, &snapshots),
        Ok(Target::Icount(Icount::new(10)))
    );
    let error = parsed("@nologin").target(&log, &snapshots).unwrap_err();
    assert_eq!(
        error.to_string(),
        "@nologin: no snapshot of this name; there are: login, other"
    );
    let error = parsed("@other").target(&log, &snapshots).unwrap_err();
    assert_eq!(
        error.to_string(),
        "@other is past the end, which is at icount 30"
    );
}

fn any_position() -> impl Strategy<Value = Position> {
    prop_oneof![
        Just(Position::Start),
        Just(Position::End),
        any::<u64>().prop_map(at),
        (0..=Position::ALL).prop_map(Position::Share),
        any::<u64>().prop_map(Position::Event),
        "[a-z@#%][a-zA-Z0-9 ._%#-]{0,12}".prop_map(Position::Snapshot),
    ]
}

proptest! {
    #[test]
    fn written_and_read_again(position in any_position()) {
        prop_assert_eq!(parsed(&position.to_string()), position);
    }

    #[test]
    fn any_text_is_a_position_or_an_error(
        text in "\\PC{0,12}|[0-9_.kMG%]{0,24}|event#[0-9_.k%]{0,8}"
    ) {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(parsed(&position.to_string()), position);
        }
    }

    #[test]
    fn units_are_decimal(number in 0u64..1_000_000_000, thousandths in 0u64..1000) {
        let text = format!("{number}.{thousandths:03}M");
        prop_assert_eq!(parsed(&text), at(number * 1_000_000 + thousandths * 1000));
    }

    /// All events before the place are before the target, and all after it are not. A position that
    /// is not past the end has a place.
    #[test]
    fn a_place_divides_the_log(
        steps in prop::collection::vec(0u64..4, 0..30), asked in 0u64..100, by_event: bool
    ) {
        let sums = steps.iter().scan(0, |sum, step| {
            *sum += step;
            Some(*sum)
        });
        let icounts: Vec<u64> = sums.collect();
        let bytes = log_with(&icounts);
        let log = Log::parse(&bytes).unwrap();
        let position = if by_event { Position::Event(asked) } else { at(asked) };
        match position.target(&log, &no_snapshots) {
            Ok(target) => {
                let place = position.resolve(&log, &no_snapshots).unwrap();
                for record in log.events().map_while(Result::ok) {
                    prop_assert_eq!(target.is_after(&record), record.index < place.log.index);
                    prop_assert!(!(target.is_after(&record) && target.is_before(&record)));
                }
            }
            Err(_) => {
                let end = log.end();
                prop_assert!((by_event && asked >= end.index) || (!by_event && asked > end.icount));
            }
        }
    }

    #[test]
    fn shares_are_exact(whole: u64, percent in 0u32..=100) {
        let exact = u128::from(whole) * u128::from(percent) / 100;
        prop_assert_eq!(u128::from(share_of(whole, percent * PERCENT)), exact);
    }
}
