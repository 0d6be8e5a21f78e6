//! Runs a session: starts the vCPU thread, and runs the main loop on the caller's thread.

use super::context::Progress;
use super::control::Control;
use super::frontend::{About, Frontends};
use super::lock::{Bql, ReplayLock};
use super::main_loop::MainLoop;
use super::{Bounds, Session, Shared};
use crate::error::Error;
use crate::host::serial::Input;
use crate::host::signals;
use crate::host::terminal::RawMode;
use crate::run::driver::Driver;
use crate::run::mailbox::{Mailbox, Message};
use crate::run::report::Report;
use crate::run::snapshots::Snapshotter;
use machine::{Icount, Machine};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// Joins a machine and its driver to a session.
pub(super) fn session<'a>(
    mut machine: Machine,
    driver: Box<dyn Driver + 'a>,
    mailbox: Arc<Mailbox>,
    stop: Arc<AtomicBool>,
    bounds: Bounds,
    control: &Arc<Control>,
) -> Session<'a> {
    machine.set_kick(mailbox.kick());
    let shared = Arc::new(Shared::new(stop));
    control.attach(&mailbox, &shared);
    Session {
        machine: Bql::new(machine),
        driver: ReplayLock::new(driver),
        mailbox,
        shared,
        control: Arc::clone(control),
        bounds,
    }
}

/// Runs a session to its end.
pub(super) fn drive(
    session: &Session<'_>,
    snapshotter: Option<Snapshotter>,
    input: Option<Input>,
    (frontends, about): (Frontends, About<'_>),
    mut progress: Option<Progress<'_>>,
) -> Result<Report, Error> {
    let signals = signals::catch().map_err(Error::host("listen to signals"))?;
    let _raw = match &input {
        Some(input) if input.terminal => {
            Some(RawMode::enter().map_err(Error::host("set up the terminal"))?)
        }
        _ => None,
    };
    let (done, ended) = UnixStream::pair().map_err(Error::host("watch the vCPU thread"))?;
    for frontend in &frontends {
        frontend.subscribe(&session.control);
    }
    let attached = frontends.into_iter();
    let attached = attached.map(|frontend| frontend.attach(session, about));
    let mut attached = attached.collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        let vcpu = thread::Builder::new()
            .name("vcpu".to_owned())
            .spawn_scoped(scope, move || {
                // Dropped when the thread ends, also by a panic.
                let _ended: UnixStream = ended;
                session.run(snapshotter)
            })
            .map_err(Error::host("start the vCPU thread"))?;
        let main_loop = MainLoop {
            input,
            signals: Some(signals),
            deadline: session.bounds.timeout.map(|time| Instant::now() + time),
            done: OwnedFd::from(done),
            mailbox: &session.mailbox,
            shared: &session.shared,
            control: &session.control,
            frontends: &mut attached,
        };
        let looped = main_loop.run(|| {
            if let Some(progress) = &mut progress {
                progress(Icount::new(session.shared.icount.load(Ordering::Relaxed)));
            }
        });
        if looped.is_err() {
            // The main loop has failed. The run must not go on without it.
            session.shared.stop.store(true, Ordering::Release);
            session
                .mailbox
                .post(Message::Stop(replay_format::ShutdownCause::HostError));
            session.control.wake();
        }
        let report = match vcpu.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        for frontend in &mut attached {
            frontend.settle();
        }
        looped.map_err(Error::host("wait for the host"))?;
        report
    })
}
