//! The monitor's commands.
//!
//! A command that changes the run becomes a request to the vCPU thread, through
//! [`crate::session::control`]. It is answered once the request is done, and the main loop does not
//! wait meanwhile. A command that looks at the machine takes the BQL.

mod human;
mod jobs;
mod main_loop;
mod memory;
mod oob;
mod registers;

pub use main_loop::OnMainLoop;
pub use oob::OnIoThread;

use super::generated::{Event, ShutdownCause};
use super::{Address, Events};
use crate::host::serial::Backend;
use crate::recording::options::MachineOptions;
use crate::run::vcpu::GuestEvent;
use crate::session::control::RunEvent;

/// Facts about the run that its commands need.
#[derive(Debug, Clone)]
pub struct Background {
    /// The machine.
    pub options: MachineOptions,
    /// The backend of the serial port.
    pub serial: Backend,
    /// The addresses that the monitor listens on.
    pub addresses: Vec<Address>,
    /// Where QMP events go.
    pub events: Events,
}

/// Turns the events of a run into QMP events.
pub fn listener(events: Events) -> crate::session::control::Listener {
    Box::new(move |event| {
        events.tell(&match event {
            RunEvent::Stopped => Event::Stop,
            RunEvent::Resumed => Event::Resume,
            RunEvent::Guest(GuestEvent::Reset { by_guest: true }) => Event::Reset {
                guest: true,
                reason: ShutdownCause::GuestReset,
            },
            RunEvent::Guest(GuestEvent::Reset { by_guest: false }) => Event::Reset {
                guest: false,
                reason: ShutdownCause::HostQmpSystemReset,
            },
            RunEvent::Guest(GuestEvent::ClockSet(offset)) => Event::RtcChange {
                offset: offset.div_euclid(1_000_000_000),
                qom_path: "/machine/soc0/rtc".to_owned(),
            },
            RunEvent::Shutdown(cause) => {
                let (guest, reason) = shutdown(*cause);
                Event::Shutdown { guest, reason }
            }
            // The job of this work sends an event of its own.
            RunEvent::Worked { .. } => return,
        });
    })
}

/// Whether the guest caused the shutdown, and QMP's name of the cause.
fn shutdown(cause: replay_format::ShutdownCause) -> (bool, ShutdownCause) {
    use replay_format::ShutdownCause as Cause;
    match cause {
        Cause::HostError => (false, ShutdownCause::HostError),
        // Version 7 of the log has one cause for both. A reset does not end a run.
        Cause::HostQmp | Cause::HostQmpQuit => (false, ShutdownCause::HostQmpQuit),
        Cause::HostQmpSystemReset => (false, ShutdownCause::HostQmpSystemReset),
        Cause::HostSignal => (false, ShutdownCause::HostSignal),
        Cause::HostUi => (false, ShutdownCause::HostUi),
        Cause::GuestShutdown => (true, ShutdownCause::GuestShutdown),
        Cause::GuestReset => (true, ShutdownCause::GuestReset),
        Cause::GuestPanic => (true, ShutdownCause::GuestPanic),
        Cause::SubsystemReset => (true, ShutdownCause::SubsystemReset),
        Cause::SnapshotLoad => (false, ShutdownCause::SnapshotLoad),
        Cause::Unspecified | Cause::None | Cause::Max => (false, ShutdownCause::None),
    }
}
