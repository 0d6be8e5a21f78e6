//! Front ends: what serves users of a run while it is under way, as a monitor does.

use super::Session;
use super::control::Control;
use crate::error::Error;
use crate::host::serial::Backend;
use crate::recording::options::MachineOptions;
use std::os::fd::BorrowedFd;

/// What a front end is told of the run that it serves.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The machine.
    pub options: &'a MachineOptions,
    /// Where its serial port leads.
    pub serial: &'a Backend,
}

/// A front end that does not serve yet.
pub trait Frontend {
    /// Subscribes to what happens to the run. Called before it begins.
    fn subscribe(&self, control: &Control);

    /// Begins to serve a run that is about to begin.
    ///
    /// # Errors
    /// What the host refuses.
    fn attach<'a>(
        self: Box<Self>,
        session: &'a Session<'_>,
        about: About<'_>,
    ) -> Result<Box<dyn Attached + 'a>, Error>;
}

/// The front ends of a run.
pub type Frontends = Vec<Box<dyn Frontend>>;

/// A front end at work, as the main loop sees it. When it is dropped, its users see the end.
pub trait Attached {
    /// Readable when there is something to serve.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Serves what waits. Called at every turn of the main loop; it must not wait.
    fn serve(&mut self);

    /// Answers what the end of the run answers. Called once the vCPU thread has ended.
    fn settle(&mut self);
}
