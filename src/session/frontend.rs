//! Front ends: they serve users while a run is under way, as a monitor does.

use super::Session;
use super::control::Control;
use crate::error::Error;
use crate::host::serial::Backend;
use crate::recording::options::MachineOptions;
use std::os::fd::BorrowedFd;

/// The facts about a run that its front ends need.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The machine.
    pub options: &'a MachineOptions,
    /// The backend of its serial port.
    pub serial: &'a Backend,
}

/// A front end before the run.
pub trait Frontend {
    /// Subscribes to the run's events. This is called before the run begins.
    fn subscribe(&self, control: &Control);

    /// Begins to serve a run, before it begins.
    ///
    /// # Errors
    /// If the host refuses a descriptor or a thread.
    fn attach<'a>(
        self: Box<Self>,
        session: &'a Session<'_>,
        about: About<'_>,
    ) -> Result<Box<dyn Attached + 'a>, Error>;
}

/// The front ends of a run.
pub type Frontends = Vec<Box<dyn Frontend>>;

/// A front end at work, as the main loop sees it. The drop tells its users that the run has ended.
pub trait Attached {
    /// The descriptor that is readable when there is something to serve.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Serves the requests that wait. The main loop calls it at every turn, and it must not wait.
    fn serve(&mut self);

    /// Answers the requests that the end of the run answers. This is called once the vCPU thread
    /// has ended.
    fn settle(&mut self);
}
