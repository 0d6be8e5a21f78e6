//! The options of the monitor, which `run`, `record` and `replay` share.

use std::path::PathBuf;
use std::sync::Arc;

use rr::monitor::{Address, Monitor};
use rr::session::control::{Control, Mode};
use rr::session::frontend::Frontends;

use crate::output;

/// The monitor.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Monitor")]
pub(crate) struct MonitorArgs {
    /// Serve QMP there, for `rr monitor`, `rr qmp` and QEMU's clients; several times, if need be.
    /// Every program of this host can reach a port, so files=on allows its clients to write files
    #[arg(long, value_name = "unix:PATH|tcp:127.0.0.1:PORT[,files=on]")]
    qmp: Vec<Address>,

    /// Do not start the guest before the monitor's `cont`
    #[arg(short = 'S', long = "stopped", requires = "qmp")]
    stopped: bool,

    /// When the guest has ended the run, keep it to be looked at until the monitor's `quit`
    #[arg(long, requires = "qmp")]
    no_shutdown: bool,
}

impl MonitorArgs {
    /// Opens the monitor, if the user wants one. Returns the handle of the run and its front ends.
    pub(crate) fn open(
        &self,
        mode: Mode,
        recording: Option<PathBuf>,
    ) -> anyhow::Result<(Arc<Control>, Frontends)> {
        let mut control = Control::new(mode, recording);
        control.start_stopped = self.stopped;
        control.no_shutdown = self.no_shutdown;
        let mut frontends: Frontends = Vec::new();
        if !self.qmp.is_empty() {
            frontends.push(Box::new(self.listen()?));
        }
        Ok((Arc::new(control), frontends))
    }

    fn listen(&self) -> anyhow::Result<Monitor> {
        let mut monitor = Monitor::open(&self.qmp)?;
        monitor.notes = output::notes();
        let both = self.qmp.iter().zip(monitor.addresses());
        for (_, at) in both.filter(|(asked, at)| asked != at) {
            output::note(&format!("the monitor listens at {at}"));
        }
        Ok(monitor)
    }
}
