//! A run under way: the vCPU thread, and the main loop on this one.

use crate::error::Error;
use crate::handover::Mailbox;
use crate::host::serial::{Backend, Input};
use crate::host::signals;
use crate::host::terminal::RawMode;
use crate::monitor::Monitor;
use crate::recording::options::MachineOptions;
use crate::run::driver::Driver;
use crate::run::snapshots::Keeper;
use crate::session::context::Progress;
use crate::session::control::Control;
use crate::session::lock::{Bql, ReplayLock};
use crate::session::main_loop::MainLoop;
use crate::session::{Message, Report, Session, Shared};
use machine::Machine;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A machine and its driver, before they run.
pub(crate) fn session<'a>(
    mut machine: Machine,
    driver: Box<dyn Driver + 'a>,
    mailbox: Arc<Mailbox<Message>>,
    stop: Arc<AtomicBool>,
    digest_every: u64,
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
        digest_every,
        until: None,
        range: None,
        deaf: false,
    }
}

/// Runs it to its end.
pub(crate) fn drive(
    session: &Session<'_>,
    keeper: Option<Keeper>,
    input: Option<Input>,
    monitor: Option<(Monitor, &MachineOptions, &Backend)>,
    mut progress: Option<Progress<'_>>,
) -> Result<Report, Error> {
    let host = |cause| Error::File {
        path: "/dev/poll".into(),
        doing: "wait for the host",
        cause,
    };
    let signals = signals::catch().map_err(host)?;
    let _raw = match &input {
        Some(input) if input.terminal => Some(RawMode::enter().map_err(host)?),
        _ => None,
    };
    let (done, ended) = UnixStream::pair().map_err(host)?;
    let mut monitor = match monitor {
        Some((monitor, options, serial)) => {
            monitor.listen_to(&session.control);
            Some(monitor.attach(session, options, serial)?)
        }
        None => None,
    };
    thread::scope(|scope| {
        let vcpu = thread::Builder::new()
            .name("vcpu".to_owned())
            .spawn_scoped(scope, move || {
                // Closed when the thread ends, however it does.
                let _ended: UnixStream = ended;
                session.run(keeper)
            })
            .map_err(host)?;
        let main_loop = MainLoop {
            input,
            signals: Some(signals),
            done: OwnedFd::from(done),
            mailbox: &session.mailbox,
            shared: &session.shared,
            control: &session.control,
            monitor: monitor.as_mut(),
        };
        let looped = main_loop.run(|| {
            if let Some(progress) = &mut progress {
                progress(session.shared.icount.load(Ordering::Relaxed));
            }
        });
        if looped.is_err() {
            // Without its main loop the run is not left alone.
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
        if let Some(monitor) = &mut monitor {
            monitor.settle();
        }
        looped.map_err(host)?;
        report
    })
}
