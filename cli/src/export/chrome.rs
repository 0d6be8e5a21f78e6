//! Writes a log as a trace for chrome://tracing and Perfetto: the Trace Event Format, as JSON.

use std::io::{self, Write};

use replay_format::{Kind, Log, Record};
use serde::Serialize;

use crate::events::text::Arguments;
use crate::export::time::{Clock, Times};
use crate::export::tracks::{IDLE, TRACKS, short, track};

/// The process of all entries.
const PROCESS: u32 = 1;
/// The thread of the first track. For Perfetto, 0 is no thread, and the thread with the process's
/// number is its main thread.
const FIRST: usize = 2;

/// One entry of `traceEvents`. Times are in microseconds.
#[derive(Debug, Serialize)]
struct Entry<'e, A> {
    name: &'e str,
    /// i: an instant; X: with a duration; M: a name.
    ph: &'static str,
    pid: u32,
    tid: usize,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// The scope of an instant: `t`, its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: A,
}

#[derive(Debug, Serialize)]
struct Named<'n> {
    name: &'n str,
}

#[derive(Debug, Serialize)]
struct Ordered {
    sort_index: usize,
}

#[derive(Debug, Serialize)]
struct Details {
    index: u64,
    icount: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    arguments: String,
}

/// Writes the trace. Returns the number of events in it.
pub(crate) fn write(
    log: &Log<'_>,
    times: Option<&Times>,
    title: &str,
    out: &mut dyn Write,
) -> io::Result<u64> {
    writeln!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let name = |ph_name, tid, name| Entry {
        name: ph_name,
        ph: "M",
        pid: PROCESS,
        tid,
        ts: 0.0,
        dur: None,
        s: None,
        args: Named { name },
    };
    line(&name("process_name", FIRST, title), out)?;
    for (tid, (track, _)) in (FIRST..).zip(TRACKS) {
        writeln!(out, ",")?;
        line(&name("thread_name", tid, track), out)?;
        writeln!(out, ",")?;
        let order = Entry {
            args: Ordered { sort_index: tid },
            name: "thread_sort_index",
            ph: "M",
            pid: PROCESS,
            tid,
            ts: 0.0,
            dur: None,
            s: None,
        };
        line(&order, out)?;
    }
    let tracks: Vec<usize> = Kind::ALL.iter().map(|kind| track(*kind)).collect();
    let mut clock = Clock::new(times);
    let mut events = 0;
    for record in log.events().map_while(Result::ok) {
        let when = clock.at(&record);
        if record.event.kind() == Kind::Instruction {
            continue;
        }
        let tid = tracks.get(record.event.kind().index()).copied();
        let ts = micros(when.ns);
        let mut entry = Entry {
            name: short(record.event.kind()),
            ph: "i",
            pid: PROCESS,
            tid: FIRST + tid.unwrap_or(0),
            ts,
            dur: None,
            s: Some("t"),
            args: details(&record),
        };
        writeln!(out, ",")?;
        line(&entry, out)?;
        events += 1;
        if when.idle > 0 {
            entry = Entry {
                name: "idle",
                ph: "X",
                tid: FIRST + IDLE,
                dur: Some(micros(when.idle)),
                s: None,
                ..entry
            };
            writeln!(out, ",")?;
            line(&entry, out)?;
        }
    }
    writeln!(out, "\n]}}")?;
    Ok(events)
}

fn line(entry: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(out, entry).map_err(io::Error::from)
}

/// ns as microseconds, in which the format counts. Exact up to 2^53 ns, some hundred days.
fn micros(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

fn details(record: &Record<'_>) -> Details {
    Details {
        index: record.index,
        icount: record.icount,
        arguments: Arguments(&record.event).to_string(),
    }
}
