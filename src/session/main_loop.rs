//! The main loop: polls the host's descriptors, and posts their events to the vCPU thread.

use crate::host::serial::Input;
use crate::host::signals::Signals;
use crate::host::terminal::{Escape, HELP, Key};
use crate::run::mailbox::{Mailbox, Message};
use crate::session::Shared;
use crate::session::control::Control;
use crate::session::frontend::Attached;
use machine::inputs::Arrival;
use replay_format::ShutdownCause;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Bytes of one message at most.
const CHUNK: usize = 4096;
/// Bytes of serial input that the guest has not read, at most. Above that the host's end is not
/// read, so that the input waits there and is not lost.
const BACKLOG: usize = 64 << 10;
/// The time between two looks at the guest's backlog, and two reports of progress.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// The time between two looks while input is held back.
const SOON: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// The main loop's descriptors, and where their events go.
pub(super) struct MainLoop<'a, 'f> {
    /// The input of the serial port.
    pub input: Option<Input>,
    /// Readable when a signal asks the program to end.
    pub signals: Option<Signals>,
    /// The time at which the run ends.
    pub deadline: Option<Instant>,
    /// Readable or closed when the vCPU thread has ended.
    pub done: OwnedFd,
    /// The mailbox of the vCPU thread.
    pub mailbox: &'a Mailbox,
    /// State that the vCPU thread publishes.
    pub shared: &'a Shared,
    /// Wakes the vCPU thread when the run is to end, because the guest may be paused.
    pub control: &'a Control,
    /// The front ends at work.
    pub frontends: &'a mut [Box<dyn Attached + 'f>],
}

/// Adds a descriptor to the polled ones. Returns its place.
fn watch<'f>(fds: &mut Vec<PollFd<'f>>, fd: Option<&'f impl AsFd>) -> Option<usize> {
    fds.push(PollFd::new(fd?, PollFlags::IN));
    Some(fds.len() - 1)
}

impl MainLoop<'_, '_> {
    /// Runs until the vCPU thread has ended. `tick` is called from time to time.
    ///
    /// # Errors
    /// If `poll` fails.
    pub(super) fn run(mut self, mut tick: impl FnMut()) -> io::Result<()> {
        let mut escape = Escape::default();
        loop {
            let held_back = self.shared.backlog.load(Ordering::Acquire) >= BACKLOG;
            let mut fds = vec![PollFd::new(&self.done, PollFlags::IN)];
            let signals = watch(&mut fds, self.signals.as_ref());
            let input = self.input.as_ref().filter(|_| !held_back);
            let awaiting = input.map(Input::await_on);
            let input = watch(&mut fds, awaiting.as_ref());
            let served = self.frontends.iter();
            fds.extend(served.map(|one| PollFd::from_borrowed_fd(one.fd(), PollFlags::IN)));
            match poll(&mut fds, Some(if held_back { &SOON } else { &TICK })) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready = |at: Option<usize>| {
                let fd = at.and_then(|at| fds.get(at));
                fd.is_some_and(|fd| !fd.revents().is_empty())
            };
            let (ended, signalled, readable) = (ready(Some(0)), ready(signals), ready(input));
            drop(fds);
            drop(awaiting);
            if ended {
                return Ok(());
            }
            if signalled {
                self.signals = None;
                self.stop(ShutdownCause::HostSignal);
            }
            if self.deadline.is_some_and(|at| Instant::now() >= at) {
                self.deadline = None;
                self.shared.timed_out.store(true, Ordering::Release);
                self.stop(ShutdownCause::HostUi);
            }
            if readable {
                self.read_input(&mut escape);
            }
            // At every turn, because a delayed answer may be ready.
            for frontend in &mut *self.frontends {
                frontend.serve();
            }
            tick();
        }
    }

    fn stop(&self, cause: ShutdownCause) {
        self.shared.stop.store(true, Ordering::Release);
        self.mailbox.post(Message::Stop(cause));
        self.control.wake();
    }

    fn read_input(&mut self, escape: &mut Escape) {
        let Some(input) = &self.input else { return };
        let mut bytes = [0; CHUNK];
        let Some(bytes) = input.read(&mut bytes) else {
            self.input = None;
            return;
        };
        if input.discard {
            return;
        }
        let mut data = bytes.to_vec();
        if input.terminal {
            data = self.keys(&data, escape);
        }
        if !data.is_empty() {
            self.shared.backlog.fetch_add(data.len(), Ordering::AcqRel);
            self.mailbox
                .post(Message::Arrival(Arrival::Serial { port: 0, data }));
        }
    }

    fn keys(&self, bytes: &[u8], escape: &mut Escape) -> Vec<u8> {
        let mut data = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match escape.key(byte) {
                Some(Key::Guest(byte)) => data.push(byte),
                Some(Key::Quit) => self.stop(ShutdownCause::HostUi),
                Some(Key::Help) => eprint!("{HELP}"),
                None => {}
            }
        }
        data
    }
}
