//! What a run came to.

use super::driver::{DigestOf, Driver};
use super::vcpu::explain;
use crate::error::Error;
use machine::Machine;
use replay_format::ShutdownCause;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The machine was shut down.
    Shutdown {
        /// By whom.
        cause: ShutdownCause,
        /// The code with which the guest reported failure; 0: none.
        code: u16,
    },
    /// The log ends here, in the middle of the run: the recording was cut off.
    LogCut,
    /// The position that was asked for is reached.
    Reached,
    /// The user stopped the replay.
    Interrupted,
    /// The user ended it through the monitor.
    Quit,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub finish: Finish,
    /// A run that ended by itself, or the whole of a slice.
    pub whole: bool,
    /// Instructions executed.
    pub icount: u64,
    /// Virtual time in ns.
    pub virtual_time: u64,
    /// Digest of the final state.
    pub digest: u128,
    /// Digests that were compared on the way, this one included where it was recorded.
    pub digests_checked: u64,
    /// Why the guest's serial output did not all reach the host, in words.
    pub lost_output: Option<String>,
    /// Virtio devices that the guest's driver broke, in words.
    pub broken_devices: Vec<String>,
}

impl Report {
    /// Ends a run: takes its last digest, closes its driver, and says what it came to. `slice_end`:
    /// the instruction count at which the recording ends though the run went on.
    ///
    /// # Errors
    /// A divergence of the last state; what could not be written out.
    pub(crate) fn of(
        driver: &mut dyn Driver,
        machine: &mut Machine,
        finish: Finish,
        slice_end: Option<u64>,
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
