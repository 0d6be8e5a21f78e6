//! A second reader of logs, for counting. It shares nothing with `replay-format`, and knows only
//! versions 7 (of QEMU 2.12, and of rr) and 12 (from QEMU 7.2).
//!
//! Ids and layouts stand here as literals, typed from `facts/log-format.md`. It panics at bytes
//! that it does not understand.

use std::collections::BTreeMap;

/// The content of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// By the event's name: the number of events, and their bytes with the ids.
    pub(crate) kinds: BTreeMap<String, (u64, u64)>,
    /// The number of events.
    pub(crate) events: u64,
    /// The sum of all `EVENT_INSTRUCTION`.
    pub(crate) instructions: u64,
}

/// Each id's name and arguments: a digit is a number of bytes, `a` an array, `i` an input event,
/// `s` a u32 and as many samples of 16 bytes, `S` the same with a u64, `x` an asynchronous event of
/// version 7.
const SEVEN: &str = "EVENT_INSTRUCTION=4 EVENT_INTERRUPT= EVENT_EXCEPTION= EVENT_ASYNC=x \
    EVENT_SHUTDOWN_NONE= EVENT_SHUTDOWN_HOST_ERROR= EVENT_SHUTDOWN_HOST_QMP= \
    EVENT_SHUTDOWN_HOST_SIGNAL= EVENT_SHUTDOWN_HOST_UI= EVENT_SHUTDOWN_GUEST_SHUTDOWN= \
    EVENT_SHUTDOWN_GUEST_RESET= EVENT_SHUTDOWN_GUEST_PANIC= EVENT_SHUTDOWN__MAX= \
    EVENT_CHAR_WRITE=44 EVENT_CHAR_READ_ALL=a EVENT_CHAR_READ_ALL_ERROR=4 EVENT_AUDIO_OUT=4 \
    EVENT_AUDIO_IN=s EVENT_CLOCK_HOST=8 EVENT_CLOCK_VIRTUAL_RT=8";
const TWELVE: &str = "EVENT_INSTRUCTION=4 EVENT_INTERRUPT= EVENT_EXCEPTION= \
    REPLAY_ASYNC_EVENT_BH=8 REPLAY_ASYNC_EVENT_BH_ONESHOT=8 REPLAY_ASYNC_EVENT_INPUT=i \
    REPLAY_ASYNC_EVENT_INPUT_SYNC= REPLAY_ASYNC_EVENT_CHAR_READ=1a REPLAY_ASYNC_EVENT_BLOCK=8 \
    REPLAY_ASYNC_EVENT_NET=14a EVENT_SHUTDOWN_NONE= EVENT_SHUTDOWN_HOST_ERROR= \
    EVENT_SHUTDOWN_HOST_QMP_QUIT= EVENT_SHUTDOWN_HOST_QMP_SYSTEM_RESET= \
    EVENT_SHUTDOWN_HOST_SIGNAL= EVENT_SHUTDOWN_HOST_UI= EVENT_SHUTDOWN_GUEST_SHUTDOWN= \
    EVENT_SHUTDOWN_GUEST_RESET= EVENT_SHUTDOWN_GUEST_PANIC= EVENT_SHUTDOWN_SUBSYSTEM_RESET= \
    EVENT_SHUTDOWN_SNAPSHOT_LOAD= EVENT_SHUTDOWN__MAX= EVENT_CHAR_WRITE=44 EVENT_CHAR_READ_ALL=a \
    EVENT_CHAR_READ_ALL_ERROR=4 EVENT_AUDIO_OUT=8 EVENT_AUDIO_IN=S EVENT_RANDOM=4a \
    EVENT_CLOCK_HOST=8 EVENT_CLOCK_VIRTUAL_RT=8";
/// The ids that follow, in both versions.
const BOTH: &str = "EVENT_CHECKPOINT_CLOCK_WARP_START= EVENT_CHECKPOINT_CLOCK_WARP_ACCOUNT= \
    EVENT_CHECKPOINT_RESET_REQUESTED= EVENT_CHECKPOINT_SUSPEND_REQUESTED= \
    EVENT_CHECKPOINT_CLOCK_VIRTUAL= EVENT_CHECKPOINT_CLOCK_HOST= \
    EVENT_CHECKPOINT_CLOCK_VIRTUAL_RT= EVENT_CHECKPOINT_INIT= EVENT_CHECKPOINT_RESET= EVENT_END=";
/// The names by the asynchronous kind, in version 7.
const SEVEN_ASYNC: &str = "REPLAY_ASYNC_EVENT_BH=8 REPLAY_ASYNC_EVENT_INPUT=i \
    REPLAY_ASYNC_EVENT_INPUT_SYNC= REPLAY_ASYNC_EVENT_CHAR_READ=1a REPLAY_ASYNC_EVENT_BLOCK=8 \
    REPLAY_ASYNC_EVENT_NET=14a";

fn rows(table: &str) -> Vec<(&str, &str)> {
    let row = |row| str::split_once(row, '=').expect("name=arguments");
    table.split_whitespace().map(row).collect()
}

/// Counts the content of a whole log.
pub(crate) fn count(log: &[u8]) -> Counts {
    let version = log[3];
    assert_eq!(log[..4], [0x00, 0xe0, 0x20, version]);
    let mut table = rows(match version {
        7 => SEVEN,
        12 => TWELVE,
        other => panic!("version {other}"),
    });
    table.extend(rows(BOTH));
    let asynchronous = rows(SEVEN_ASYNC);

    let mut counts = Counts::default();
    let mut at = 12;
    loop {
        let begin = at;
        let (mut name, mut arguments) = table[usize::from(log[at])];
        at += 1;
        if arguments == "x" {
            (name, arguments) = asynchronous[usize::from(log[at + 1])];
            at += 2;
        }
        if name == "EVENT_INSTRUCTION" {
            counts.instructions += number(log, at, 4);
        }
        for argument in arguments.chars() {
            at += match argument {
                'a' => 4 + number(log, at, 4) as usize,
                's' => 8 + 16 * number(log, at, 4) as usize,
                'S' => 16 + 16 * number(log, at, 8) as usize,
                'i' => match (number(log, at, 4), number(log, at + 4, 4)) {
                    (0, 0) => 17,
                    (0, 1) => 13,
                    (1, _) => 9,
                    (2 | 3, _) => 16,
                    (4, _) => 36,
                    other => panic!("input event {other:?} at {begin}"),
                },
                digit => digit.to_digit(10).expect("a number of bytes") as usize,
            };
        }
        counts.events += 1;
        let kind = counts.kinds.entry(name.to_owned()).or_default();
        *kind = (kind.0 + 1, kind.1 + (at - begin) as u64);
        if name == "EVENT_END" {
            assert_eq!(at, log.len(), "the end is the end of the file");
            return counts;
        }
    }
}

/// A big-endian number.
fn number(log: &[u8], at: usize, bytes: usize) -> u64 {
    let digits = log[at..at + bytes].iter();
    digits.fold(0, |number, &byte| number << 8 | u64::from(byte))
}
