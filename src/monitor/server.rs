//! The monitor's interface to the engine: it is opened, started, told of events, and ended.

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

/// An item in the queue of the main loop.
#[derive(Debug)]
pub(super) enum Item {
    /// A command.
    Command(Request),
    /// An answer that must not overtake the answers before it.
    Answer(Answer),
}

/// An item in the queue of the I/O thread.
#[derive(Debug)]
pub(super) enum Out {
    /// An answer to one session.
    Reply(SessionId, Answer),
    /// An event to all sessions.
    Event(TimedEvent),
}

pub(super) type Link = Arc<Exchange<Item, Out, Waker>>;

/// Sends events to the clients. Without a monitor, events are dropped.
#[derive(Debug, Clone, Default)]
pub struct Events(Option<Link>);

impl Events {
    /// Sends an event to every client. This never waits.
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

/// A monitor whose sockets listen, and which does not serve yet.
#[derive(Debug)]
pub struct Monitor {
    addresses: Vec<Address>,
    listeners: Vec<Listener>,
    link: Link,
    /// Takes the messages for the user.
    pub notes: Notes,
}

impl Monitor {
    /// Listens on all these addresses.
    ///
    /// # Errors
    /// If the host refuses an address.
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

    /// The addresses of the sockets. Port 0 is replaced by the port that the host chose.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The function to call when the answer of a delayed command may be ready.
    pub fn nudge(&self) -> impl Fn() + Send + Sync + 'static {
        let link = Arc::clone(&self.link);
        move || link.main().wake()
    }

    /// The way to send events.
    pub fn events(&self) -> Events {
        Events(Some(Arc::clone(&self.link)))
    }

    /// Starts the I/O thread, which executes the out-of-band commands.
    ///
    /// # Errors
    /// If the host refuses another thread.
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

/// The monitor of a run, as the main loop sees it. The drop sends the last replies, and ends every
/// client's connection.
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

/// The I/O thread. The drop sends the last replies, and ends every client's connection.
#[derive(Debug)]
pub struct Running {
    link: Link,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.link.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already.
            let _ = thread.join();
        }
    }
}
