//! Writes network frames as pcapng: one interface per adapter, time stamps in nanoseconds, the
//! instruction count in the comment.

use machine::Icount;
use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};
use replay_format::{AsyncEvent, Event, Log};
use rr::run::observe::{Observation, Observer};

/// The unit of time stamps: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// The direction of a frame, as the guest sees it: bits 0 and 1 of the packet's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In = 1,
    Out = 2,
}

/// Writes a capture.
pub(crate) struct Capture<W: Write> {
    writer: PcapNgWriter<W>,
    /// The adapters that have an interface, in the order of the interfaces.
    adapters: Vec<u8>,
    /// A text that says what the time stamps mean.
    time: &'static str,
    frames: u64,
    failed: Option<io::Error>,
}

impl<W: Write> Capture<W> {
    /// Begins a capture. `time` says what the time stamps mean.
    pub(crate) fn new(out: W, adapters: usize, time: &'static str) -> io::Result<Capture<W>> {
        let program = format!("rr {}", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(program.into())],
            ..SectionHeaderBlock::default()
        };
        let mut capture = Capture {
            writer: PcapNgWriter::with_section_header(out, section).map_err(plain)?,
            adapters: Vec::new(),
            time,
            frames: 0,
            failed: None,
        };
        for adapter in (0..=u8::MAX).take(adapters) {
            capture.interface(adapter)?;
        }
        Ok(capture)
    }

    /// The interface of an adapter. Its description is written when it is first needed.
    fn interface(&mut self, adapter: u8) -> io::Result<u32> {
        let known = self.adapters.iter().position(|known| *known == adapter);
        let place = match known {
            Some(place) => place,
            None => {
                let mut block = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
                block.options = vec![
                    InterfaceDescriptionOption::IfName(format!("net{adapter}").into()),
                    InterfaceDescriptionOption::IfDescription(self.time.into()),
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                ];
                self.writer.write_pcapng_block(block).map_err(plain)?;
                self.adapters.push(adapter);
                self.adapters.len() - 1
            }
        };
        Ok(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Writes a frame.
    pub(crate) fn frame(
        &mut self,
        adapter: u8,
        way: Way,
        (icount, ns): (Icount, u64),
        frame: &[u8],
    ) -> io::Result<()> {
        let block = EnhancedPacketBlock {
            interface_id: self.interface(adapter)?,
            timestamp: Duration::from_nanos(ns),
            original_len: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(frame),
            options: vec![
                EnhancedPacketOption::Comment(format!("icount {icount}").into()),
                EnhancedPacketOption::Flags(way as u32),
            ],
        };
        self.writer.write_pcapng_block(block).map_err(plain)?;
        self.frames += 1;
        Ok(())
    }

    /// Ends the capture. Returns the number of frames.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.writer.get_mut().flush().map(|()| self.frames),
        }
    }
}

/// Frames of a replay, both ways.
impl<W: Write + Send> Observer for Capture<W> {
    fn saw(&mut self, icount: Icount, time: u64, sight: Observation<'_>) {
        let (adapter, way, frame) = match sight {
            Observation::Received { adapter, frame } => (adapter, Way::In, frame),
            Observation::Sent { adapter, frame } => (adapter, Way::Out, frame),
            Observation::Idle { .. } => return,
        };
        if self.failed.is_none() {
            self.failed = self.frame(adapter, way, (icount, time), frame).err();
        }
    }
}

/// Writes the frames of a log: those that came from outside.
pub(crate) fn of_log(log: &Log<'_>, out: impl Write) -> io::Result<u64> {
    let time = "1 ns of the time stamps is 1 instruction";
    let mut capture = Capture::new(out, 0, time)?;
    for record in log.events().map_while(Result::ok) {
        if let Event::Async {
            event: AsyncEvent::Net { device, data, .. },
            ..
        } = record.event
        {
            let at = (Icount::new(record.icount), record.icount);
            capture.frame(device, Way::In, at, data)?;
        }
    }
    capture.finish()
}

fn plain(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
