//! Watching a replay: what a log does not hold, seen as the machine does it again.

use crate::driver::{Arrival, Driver, Outside, Situation, Step, Wish};
use crate::error::Error;
use crate::snapshot::{Chain, Loaded};
use machine::inputs::{BlockRequest, Halted, Inputs, Moment};

/// What is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    /// Every hart waits, and virtual time passes. One for each checkpoint `clock-warp-start` of the log.
    Idle {
        /// How much, in ns.
        ns: u64,
    },
    /// A frame arrives at a network adapter.
    Received {
        /// Which adapter.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
    /// The guest sends a frame.
    Sent {
        /// From which adapter.
        adapter: u8,
        /// The frame.
        frame: &'a [u8],
    },
}

/// Is told what happens in a replay, and when: at an instruction count, and in virtual time (ns).
pub trait Watcher: Send {
    /// Something happens.
    fn saw(&mut self, icount: u64, time: u64, sight: Sight<'_>);
}

/// A driver that lets a watcher see what another does.
pub(crate) struct Watched<'w, D> {
    driver: D,
    watcher: &'w mut dyn Watcher,
    /// One instruction takes 2^shift ns.
    shift: u8,
    /// Where the machine stood when it was driven on: instruction count, virtual time.
    since: (u64, u64),
}

impl<'w, D> Watched<'w, D> {
    pub(crate) fn new(driver: D, watcher: &'w mut dyn Watcher, shift: u8) -> Self {
        let since = (0, 0);
        Self {
            driver,
            watcher,
            shift,
            since,
        }
    }
}

impl<D: Inputs> Inputs for Watched<'_, D> {
    fn host_clock(&mut self, at: Moment) -> Result<i64, Halted> {
        self.driver.host_clock(at)
    }

    fn serial_write(&mut self, at: Moment, port: u8, data: &[u8]) -> Result<(), Halted> {
        self.driver.serial_write(at, port, data)
    }

    fn interrupt(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        self.driver.interrupt(at, cause)
    }

    fn exception(&mut self, at: Moment, cause: u64) -> Result<(), Halted> {
        self.driver.exception(at, cause)
    }

    fn block_submit(&mut self, at: Moment, request: BlockRequest) -> Result<(), Halted> {
        self.driver.block_submit(at, request)
    }

    fn net_send(&mut self, at: Moment, adapter: u8, frame: &[u8]) -> Result<(), Halted> {
        let (icount, time) = self.since;
        // Within a run no time passes but that of its instructions.
        let time = time + (at.icount.saturating_sub(icount) << self.shift);
        self.watcher
            .saw(at.icount, time, Sight::Sent { adapter, frame });
        self.driver.net_send(at, adapter, frame)
    }
}

impl<D: Driver> Driver for Watched<'_, D> {
    fn next(&mut self, situation: &Situation) -> Result<Step, Error> {
        let (icount, time) = (situation.at.icount, situation.now);
        self.since = (icount, time);
        let step = self.driver.next(situation)?;
        match &step {
            Step::Warp { ns } => self.watcher.saw(icount, time, Sight::Idle { ns: *ns }),
            Step::Arrival(Arrival::Frame { adapter, data }) => {
                let (adapter, frame) = (*adapter, &data[..]);
                self.watcher
                    .saw(icount, time, Sight::Received { adapter, frame });
            }
            _ => {}
        }
        Ok(step)
    }

    fn outside(&mut self, icount: u64) -> Result<Option<Outside<'_>>, Error> {
        self.driver.outside(icount)
    }

    fn settled(&self) -> bool {
        self.driver.settled()
    }

    fn travel(&mut self, to: Option<(&Chain, Loaded)>) -> Result<(), Error> {
        self.driver.travel(to)
    }

    fn mute(&mut self, muted: bool) {
        self.driver.mute(muted);
    }

    fn end(&self) -> Option<u64> {
        self.driver.end()
    }

    fn by_user(&mut self, icount: u64, wish: Wish) -> Result<Step, Error> {
        self.driver.by_user(icount, wish)
    }

    fn digest(&mut self, at: Moment, digest: u128, last: bool) -> Result<(), Error> {
        self.driver.digest(at, digest, last)
    }

    fn digests_checked(&self) -> u64 {
        self.driver.digests_checked()
    }

    fn log_cut(&self) -> bool {
        self.driver.log_cut()
    }

    fn lost_output(&self) -> Option<std::io::Error> {
        self.driver.lost_output()
    }

    fn failure(&mut self) -> Error {
        self.driver.failure()
    }

    fn close(&mut self) -> Result<(), Error> {
        self.driver.close()
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.driver.finish()
    }
}
