//! Prints a long log with all processors: pieces are printed in parallel, and written in order.

use std::io::{self, Sink, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use replay_format::{Events, Log, Position, Record, Seek};

use crate::events::json::Ndjson;
use crate::output::progress::Progress;

/// The largest number of events in a piece.
const EVENTS: u64 = 4096;
const BYTES: u64 = 64 * 1024;
/// Room for a printed piece: an event takes up to 256 bytes, and eight times its payload.
const ROOM: usize = 256 * EVENTS as usize + 8 * BYTES as usize;
/// Shorter logs (in bytes) are printed on one thread, because starting threads takes longer.
const WORTHWHILE: u64 = 1 << 20;
/// The largest number of threads. The walk that finds the pieces keeps about this many busy.
const THREADS: usize = 8;

/// A piece of the log, from one place between two events to another.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: Position,
    to: Position,
}

/// A thread, and the printers that go to it and come back.
struct Worker {
    pieces: SyncSender<(Piece, Ndjson<Sink>)>,
    printed: Receiver<io::Result<Ndjson<Sink>>>,
}

/// Prints the events from a place on that `selected` picks, piece by piece, as long as a whole
/// piece is before `last`. Returns where it stopped. The caller prints the rest.
pub(crate) fn ndjson<'a>(
    log: &Log<'a>,
    from: Position,
    last: impl Fn(&Position) -> bool,
    selected: &(impl Fn(&Record<'a>) -> bool + Sync),
    out: &mut dyn Write,
) -> io::Result<Position> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS);
    if threads < 2 || log.end().offset.saturating_sub(from.offset) < WORTHWHILE {
        return Ok(from);
    }
    let next = |from: Position| next_piece(log, from).filter(|piece| last(&piece.to));
    thread::scope(|scope| {
        let start = || {
            let (pieces, taken) = sync_channel(2);
            let (done, printed) = sync_channel(2);
            let work = move || work(log, selected, &taken, &done);
            // If the host refuses a thread, there are fewer workers.
            let started = thread::Builder::new().spawn_scoped(scope, work);
            started.ok().map(|_| Worker { pieces, printed })
        };
        let workers: Vec<Worker> = (0..threads).map_while(|_| start()).collect();
        let mut progress = Progress::new(log.bytes().len() as u64);
        // Each worker has two pieces: it prints one, while the other waits to be printed or
        // written.
        let turns = workers.len() * 2;
        let mut in_work = std::collections::VecDeque::new();
        let mut at = from;
        let mut spare: Vec<_> = (0..turns)
            .map(|_| Ndjson::gathering(ROOM, io::sink()))
            .collect();
        let mut turn = 0;
        loop {
            let piece = next(at).filter(|_| turns > 0);
            if piece.is_none() && in_work.is_empty() {
                return Ok(at);
            }
            if let (Some(piece), Some(printer)) = (piece, spare.pop()) {
                at = piece.to;
                let worker = &workers[turn % workers.len()];
                turn += 1;
                if worker.pieces.send((piece, printer)).is_err() {
                    return Err(gone());
                }
                in_work.push_back((worker, piece.to.offset));
                continue;
            }
            let Some((worker, offset)) = in_work.pop_front() else {
                return Ok(at);
            };
            let mut printer = worker.printed.recv().map_err(|_| gone())??;
            printer.hand_over(out)?;
            progress.jump(offset);
            spare.push(printer);
        }
    })
}

fn gone() -> io::Error {
    io::Error::other("a thread that prints has ended early")
}

/// The piece after a place; `None` near the end of the log, and where an event is longer than a
/// piece.
fn next_piece(log: &Log<'_>, from: Position) -> Option<Piece> {
    let mut to = log.seek_from(from, Seek::Event(from.index + EVENTS)).ok()?;
    if to.offset - from.offset > BYTES {
        to = log
            .seek_from(from, Seek::Offset(from.offset + BYTES))
            .ok()?;
    }
    // The caller prints the end of the log, with its errors.
    let inside = from.offset < to.offset && to.offset < log.end().offset;
    inside.then_some(Piece { from, to })
}

fn work<'a>(
    log: &Log<'a>,
    selected: &impl Fn(&Record<'a>) -> bool,
    pieces: &Receiver<(Piece, Ndjson<Sink>)>,
    done: &SyncSender<io::Result<Ndjson<Sink>>>,
) {
    while let Ok((piece, mut printer)) = pieces.recv() {
        let events = log.events_at(piece.from).ok();
        let printed = events.map_or(Ok(()), |events| {
            print(events, piece, selected, &mut printer)
        });
        // The receiver may have stopped with an error.
        if done.send(printed.map(|()| printer)).is_err() {
            return;
        }
    }
}

fn print<'a>(
    mut events: Events<'a>,
    piece: Piece,
    selected: &impl Fn(&Record<'a>) -> bool,
    printer: &mut Ndjson<Sink>,
) -> io::Result<()> {
    while events.position().offset < piece.to.offset {
        // The record is used in place: moving each record out costs time.
        let next = events.next();
        let Some(Ok(record)) = &next else {
            break;
        };
        if selected(record) {
            printer.write(record)?;
        }
    }
    Ok(())
}
