//! A client of a monitor: it connects, negotiates and sends commands.

pub(crate) mod schema;
pub(crate) mod words;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use anyhow::{Context, anyhow};
use rr::monitor::Address;
use serde_json::{Map, Value, json};

/// The largest line, in bytes. A monitor sends less.
const LINE: u64 = 256 << 20;

/// A monitor's reason for refusing a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line from a monitor.
#[derive(Debug)]
pub(crate) enum Line {
    /// The answer to a command.
    Answer(Result<Value, Refusal>),
    /// An event.
    Event(Value),
}

/// The sending half of a session.
pub(crate) struct Asker(Box<dyn Write + Send>);

/// The receiving half.
pub(crate) struct Hearer(BufReader<Box<dyn Read + Send>>);

/// Connects to `unix:PATH`, `tcp:HOST:PORT` or a PATH, and negotiates, with out-of-band execution.
pub(crate) fn connect(place: &str) -> anyhow::Result<(Asker, Hearer)> {
    let named = || place.to_owned();
    let (out, read) = open(place).map_err(explain).with_context(named)?;
    let (mut asker, mut hearer) = (Asker(out), Hearer(BufReader::new(read)));
    let greeting = hearer.value().with_context(named)?;
    if greeting
        .as_ref()
        .and_then(|greeting| greeting.get("QMP"))
        .is_none()
    {
        return Err(
            anyhow!("it is no QMP monitor: it did not say {{\"QMP\": ...").context(named()),
        );
    }
    let offers = &greeting.unwrap_or_default()["QMP"]["capabilities"];
    let oob = offers
        .as_array()
        .is_some_and(|offers| offers.contains(&json!("oob")));
    let enable = if oob {
        json!({"enable": ["oob"]})
    } else {
        json!({})
    };
    asker
        .ask("qmp_capabilities", enable.as_object().cloned(), false)
        .with_context(named)?;
    match hearer.answer(&mut |_| {}).with_context(named)? {
        Ok(_) => Ok((asker, hearer)),
        Err(refusal) => Err(anyhow!("{refusal}").context(named())),
    }
}

type Halves = (Box<dyn Write + Send>, Box<dyn Read + Send>);

fn open(place: &str) -> io::Result<Halves> {
    let wrong = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let address = match place.starts_with("tcp:") || place.starts_with("unix:") {
        true => place.parse().map_err(wrong)?,
        false => Address::Unix(place.into()),
    };
    Ok(match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            (Box::new(stream.try_clone()?), Box::new(stream))
        }
        Address::Tcp { address, .. } => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            (Box::new(stream.try_clone()?), Box::new(stream))
        }
    })
}

fn explain(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            anyhow!("nobody listens there; start rr run, record or replay with --qmp first")
        }
        _ => error.into(),
    }
}

impl Asker {
    /// Sends a command.
    pub(crate) fn ask(
        &mut self,
        name: &str,
        arguments: Option<Map<String, Value>>,
        oob: bool,
    ) -> anyhow::Result<()> {
        let mut request = Map::new();
        let execute = if oob { "exec-oob" } else { "execute" };
        request.insert(execute.to_owned(), name.into());
        if let Some(arguments) = arguments {
            request.insert("arguments".to_owned(), arguments.into());
        }
        self.send(&request.into())
    }

    /// Sends a request as it is.
    pub(crate) fn send(&mut self, request: &Value) -> anyhow::Result<()> {
        let text = format!("{request}\n");
        let sent = self.0.write_all(text.as_bytes());
        sent.context("cannot ask; has the run ended?")
    }
}

impl Hearer {
    fn value(&mut self) -> anyhow::Result<Option<Value>> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(LINE).read_until(b'\n', &mut line);
        if read.context("cannot hear the answer")? == 0 {
            return Ok(None);
        }
        let value = serde_json::from_slice(&line);
        Ok(Some(value.context("what it says is no JSON")?))
    }

    /// The next line; `None`: the monitor has ended.
    pub(crate) fn line(&mut self) -> anyhow::Result<Option<Line>> {
        let Some(mut value) = self.value()? else {
            return Ok(None);
        };
        if value.get("event").is_some() {
            return Ok(Some(Line::Event(value)));
        }
        Ok(Some(Line::Answer(match value.get("error") {
            Some(error) => {
                let text = error["desc"]
                    .as_str()
                    .unwrap_or("it failed, without a reason");
                Err(Refusal(text.to_owned()))
            }
            None => Ok(value["return"].take()),
        })))
    }

    /// The next answer. `event` is called with the events before it.
    pub(crate) fn answer(
        &mut self,
        event: &mut dyn FnMut(Value),
    ) -> anyhow::Result<Result<Value, Refusal>> {
        loop {
            match self.line()? {
                Some(Line::Event(happened)) => event(happened),
                Some(Line::Answer(answer)) => return Ok(answer),
                None => return Err(anyhow!("the run has ended before it answered")),
            }
        }
    }
}
