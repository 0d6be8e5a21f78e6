//! The main loop's part of the monitor: it executes in-band commands, one at a time, in order.

use super::execute::{Execute, Later, Outcome};
use super::request::Request;
use super::server::{Item, Link, Out};
use super::session::Answer;
use super::visit::CommandError;
use crate::sync::exchange::SessionId;
use crate::sync::inbox::Wake;
use serde_json::Value;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Commands that are executed in one turn of the main loop.
const BATCH: usize = 32;

/// A command that has begun and is not done.
struct Pending {
    session: SessionId,
    id: Option<Value>,
    later: Later,
}

/// The in-band commands: requests in, replies out.
pub struct InBand {
    link: Link,
    pending: Option<Pending>,
}

impl InBand {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            pending: None,
        }
    }

    /// Executes the requests that wait. The main loop calls it when the descriptor is readable.
    pub fn serve(&mut self, commands: &mut dyn Execute) {
        let link = Arc::clone(&self.link);
        link.main().clear();
        for _ in 0..BATCH {
            if let Some(pending) = self.pending.take() {
                match self.finish(pending) {
                    Ok(()) => {}
                    Err(pending) => {
                        self.pending = Some(pending);
                        return;
                    }
                }
            }
            match link.take() {
                None => return,
                Some((session, Item::Answer(answer))) => link.post(Out::Reply(session, answer)),
                Some((session, Item::Command(request))) => {
                    let Request {
                        id,
                        name,
                        arguments,
                        ..
                    } = request;
                    match commands.execute(&name, arguments) {
                        Outcome::Now(result) => {
                            link.post(Out::Reply(session, Answer { id, result }));
                        }
                        Outcome::Later(later) => {
                            self.pending = Some(Pending { session, id, later });
                        }
                    }
                }
            }
        }
        // More requests may wait, so the main loop must come back.
        link.main().wake();
    }

    /// Answers the present command if it is done. Nothing is executed after it, because the run is
    /// over.
    pub fn settle(&mut self) {
        self.pending = self
            .pending
            .take()
            .and_then(|pending| self.finish(pending).err());
    }

    /// Answers a command if it is done.
    fn finish(&self, mut pending: Pending) -> Result<(), Pending> {
        let result = match (pending.later)() {
            Some(result) => result,
            // If the client is gone, the command is dropped. Otherwise it would hold up all others.
            None if self.link.is_gone(pending.session) => {
                Err(CommandError::generic("the client is gone"))
            }
            None => return Err(pending),
        };
        let id = pending.id.take();
        self.link
            .post(Out::Reply(pending.session, Answer { id, result }));
        Ok(())
    }
}

impl AsFd for InBand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.main().as_fd()
    }
}
