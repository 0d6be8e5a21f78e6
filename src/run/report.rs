//! The result of a run.

use super::driver::{DigestOf, Driver};
use super::vcpu::explain;
use crate::error::Error;
use machine::{Digest, Icount, Machine};
use replay_format::ShutdownCause;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The machine was shut down.
    Shutdown {
        /// The cause.
        cause: ShutdownCause,
        /// The guest's exit code; 0: success.
        code: u16,
    },
    /// The log was cut off here, in the middle of the run.
    LogCut,
    /// The run has reached its last instruction count.
    Reached,
    /// The host's time for the run is over.
    TimedOut,
    /// The user stopped the replay.
    Interrupted,
    /// The user ended the run through the monitor.
    Quit,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How the run ended.
    pub finish: Finish,
    /// True if the run ended by itself, or covers the whole of a slice.
    pub whole: bool,
    /// Instructions executed.
    pub icount: Icount,
    /// Virtual time in ns.
    pub virtual_time: u64,
    /// Digest of the last state.
    pub digest: Digest,
    /// The number of digests that were compared, and equal, that of the last state included if it
    /// was recorded.
    pub digests_checked: u64,
    /// Why a part of the guest's serial output did not reach the host, as text.
    pub lost_output: Option<String>,
    /// Virtio devices that the guest's driver broke, as text.
    pub broken_devices: Vec<String>,
}

impl Report {
    /// Ends a run: takes its last digest, closes its driver, and makes the report. `slice_end` is
    /// the instruction count at which a slice ends, if its run went on from there.
    ///
    /// # Errors
    /// If the last state diverges, or something could not be written out.
    pub(crate) fn of(
        driver: &mut dyn Driver,
        machine: &mut Machine,
        finish: Finish,
        slice_end: Option<Icount>,
    ) -> Result<Self, Error> {
        let digest = machine.digest();
        let at_end = slice_end.is_some_and(|end| machine.icount() == end);
        let shutdown = matches!(finish, Finish::Shutdown { .. });
        let whole = shutdown || at_end && finish == Finish::Reached;
        if whole {
            let taken = driver.digest(machine.moment(), digest, DigestOf::End);
            taken.map_err(|error| explain(error, machine))?;
        }
        let closed = driver.close(finish)?;
        let broken_devices = machine.virtio_errors().map(|(slot, times, last)| {
            format!(
                "the guest broke the virtio device in slot {slot}, {times} times; the last \
                 time: {last}"
            )
        });
        Ok(Self {
            finish,
            whole,
            icount: machine.icount(),
            virtual_time: machine.now(),
            digest,
            digests_checked: closed.digests_checked,
            lost_output: closed.lost_output,
            broken_devices: broken_devices.collect(),
        })
    }
}
