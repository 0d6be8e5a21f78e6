//! Generated events, for benchmarks.

use replay_format::{AsyncEvent, Checkpoint, Clock, Event, ShutdownCause, Table, Writer};

/// Events with their instruction counts.
pub(crate) type Timed<'a> = Vec<(u64, Event<'a>)>;

/// The events of a machine that is busy with timers, serial output and a disk, about 6 bytes an
/// event. They are deterministic, and have no period that a branch predictor could learn.
pub(crate) fn mix(events: usize) -> Timed<'static> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut icount = 0;
    let mut out = Timed::new();
    let block = |id| Event::Async {
        checkpoint: Some(Checkpoint::ClockVirtual),
        event: AsyncEvent::Block { id },
    };
    while out.len() < events {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        icount += random >> 44;
        out.push((
            icount,
            match random % 16 {
                0..4 => Event::Interrupt,
                4..6 => Event::Exception,
                6..9 => Event::CharWrite {
                    result: 1,
                    offset: 1,
                },
                9..11 => Event::Clock {
                    clock: Clock::VirtualRt,
                    value: icount as i64,
                },
                11..15 => Event::Checkpoint(Checkpoint::ClockVirtual),
                _ => block(random >> 40),
            },
        ));
    }
    out.push((icount, Event::Shutdown(ShutdownCause::GuestShutdown)));
    out.push((icount, Event::End));
    out
}

/// The events as a log of this table.
pub(crate) fn write(table: &'static Table, events: &[(u64, Event<'_>)]) -> Vec<u8> {
    let mut writer = Writer::with_table(Vec::with_capacity(1 << 24), table).expect("memory");
    for (icount, event) in events {
        writer
            .at(*icount, event)
            .expect("the table has all of them");
    }
    writer.into_inner()
}

/// The Linux log of QEMU 7.2, about 3 bytes an event.
pub(crate) fn linux(root: &str) -> Vec<u8> {
    let mut log = Vec::new();
    let file = std::fs::File::open(format!("{root}/samples/logs/lx-q7.bin.gz"))
        .expect("the sample is there");
    let mut gzip = flate2::read::GzDecoder::new(file);
    std::io::Read::read_to_end(&mut gzip, &mut log).expect("it is gzip");
    log
}

/// Writes the events of a log again and again, as one log of about `len` bytes.
pub(crate) fn repeat(log: &[u8], len: usize, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let (header, rest) = log.split_at(replay_format::HEADER_LEN);
    let (body, end) = rest.split_at(rest.len() - 1);
    out.write_all(header)?;
    for _ in 0..len.div_ceil(body.len()) {
        out.write_all(body)?;
    }
    out.write_all(end)
}
