//! The monitor as the rest of the engine sees it: opened, started, told of events, ended.

use super::address::{Address, Listener};
use super::commands::{Background, OnIoThread, OnMainLoop, listener};
use super::execute::ExecuteNow;
use super::generated::Event;
use super::in_band::InBand;
use super::io::IoThread;
use super::limiter::TimedEvent;
use super::request::Request;
use super::session::Answer;
use super::wake::Waker;
use crate::error::Error;
use crate::notes::Notes;
use crate::session::Session;
use crate::session::control::Control;
use crate::session::frontend::{About, Attached, Frontend};
use crate::sync::exchange::{Exchange, SessionId};
use crate::sync::inbox::Wake;
use serde_json::Value;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

/// What waits for its turn on the main loop.
#[derive(Debug)]
pub(super) enum Item {
    /// A command.
    Command(Request),
    /// An answer that must not overtake those before it.
    Answer(Answer),
}

/// What goes out through the I/O thread.
#[derive(Debug)]
pub(super) enum Out {
    /// To one session.
    Reply(SessionId, Answer),
    /// To all of them.
    Event(TimedEvent),
}

pub(super) type Link = Arc<Exchange<Item, Out, Waker>>;

/// Where events are told; without a monitor, to nobody.
#[derive(Debug, Clone, Default)]
pub struct Events(Option<Link>);

impl Events {
    /// Tells every client what has happened. Never waits.
    pub fn tell(&self, event: &Event) {
        self.post(event.name(), event.data());
    }

    pub(super) fn post(&self, name: &'static str, data: Option<Value>) {
        if let Some(link) = &self.0 {
            let time = SystemTime::now();
            link.post(Out::Event(TimedEvent { name, data, time }));
        }
    }
}

/// Sockets that listen; nobody is served yet.
#[derive(Debug)]
pub struct Monitor {
    addresses: Vec<Address>,
    listeners: Vec<Listener>,
    link: Link,
    /// Hear what else there is to say.
    pub notes: Notes,
}

impl Monitor {
    /// Listens at all these places.
    ///
    /// # Errors
    /// The place that cannot be listened at.
    pub fn open(addresses: &[Address]) -> Result<Self, Error> {
        let waker = || Waker::new().map_err(Error::host("set up the monitor"));
        let link = Arc::new(Exchange::new(waker()?, waker()?));
        let (mut listeners, mut found) = (Vec::new(), Vec::new());
        for address in addresses {
            let failed = || failed(address.to_string());
            let listener = Listener::bind(address).map_err(failed())?;
            found.push(listener.address().map_err(failed())?);
            listeners.push(listener);
        }
        Ok(Self {
            addresses: found,
            listeners,
            link,
            notes: Notes::default(),
        })
    }

    /// Where it listens: what was asked for, with the ports that the host has chosen.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// To be called where a command that was to be answered later can be.
    pub fn nudge(&self) -> impl Fn() + Send + Sync + 'static {
        let link = Arc::clone(&self.link);
        move || link.main().wake()
    }

    /// Where to tell events.
    pub fn events(&self) -> Events {
        Events(Some(Arc::clone(&self.link)))
    }

    /// Starts the I/O thread, which executes the out-of-band commands.
    ///
    /// # Errors
    /// The host has no more threads.
    pub fn start(self, commands: Arc<dyn ExecuteNow>) -> Result<(InBand, Running), Error> {
        let Self {
            listeners,
            link,
            notes,
            ..
        } = self;
        let io = IoThread::new(listeners, Arc::clone(&link), commands, notes);
        let thread = thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || io.run())
            .map_err(Error::host("start the monitor's thread"))?;
        let in_band = InBand::new(Arc::clone(&link));
        Ok((
            in_band,
            Running {
                link,
                thread: Some(thread),
            },
        ))
    }
}

impl Frontend for Monitor {
    fn subscribe(&self, control: &Control) {
        control.listen(listener(self.events()));
    }

    fn attach<'a>(
        self: Box<Self>,
        session: &'a Session<'_>,
        about: About<'_>,
    ) -> Result<Box<dyn Attached + 'a>, Error> {
        let background = Background {
            options: about.options.clone(),
            serial: about.serial.clone(),
            addresses: self.addresses.clone(),
            events: self.events(),
        };
        let other = OnIoThread::new(Arc::clone(&session.control), Arc::new(self.nudge()));
        let commands = OnMainLoop::new(session, background, &other);
        let (in_band, running) = self.start(Arc::new(other))?;
        Ok(Box::new(Serving {
            commands,
            in_band,
            _running: running,
        }))
    }
}

fn failed(address: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    |cause| Error::Monitor {
        address: address.into(),
        cause: cause.into(),
    }
}

/// The monitor of a run, as its main loop sees it. When this is dropped, the last replies go out, and
/// every client sees the end.
struct Serving<'a> {
    commands: OnMainLoop<'a>,
    in_band: InBand,
    _running: Running,
}

impl Attached for Serving<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.in_band.as_fd()
    }

    fn serve(&mut self) {
        self.in_band.serve(&mut self.commands);
    }

    fn settle(&mut self) {
        self.in_band.settle();
    }
}

/// The I/O thread. When this is dropped, the last replies go out, and every client sees the end.
#[derive(Debug)]
pub struct Running {
    link: Link,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.link.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been shown already.
            let _ = thread.join();
        }
    }
}
