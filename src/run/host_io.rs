//! The host as a recording sees it: an interface, so that tests can put a simulated host there.

use crate::error::Error;
use crate::host::device::{Handled, HostDevice};
use crate::host::disk::{DiskPool, IoErrors};
use crate::host::serial::Output;
use crate::recording::snapshot::Chain;
use crate::run::drives::Drives;
use machine::inputs::{Arrival, BlockRequest, DeviceOutput};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The host as a recording sees it. Its inputs come through the mailbox.
pub trait HostIo: Send {
    /// Real time since the start of the run, ns; it never goes back.
    fn real_time(&self) -> i64;

    /// The wall clock, in ns since the Unix epoch.
    fn wall_clock(&self) -> i64;

    /// True if a write to the serial port would have to wait.
    fn serial_is_full(&self) -> bool;

    /// Writes the guest's bytes to the serial port. Returns what the log records: the result (bytes
    /// written or a negative errno), and the bytes written.
    fn serial_write(&mut self, data: &[u8]) -> (i32, u32);

    /// Why a part of the serial output was lost, as text, if some was.
    fn lost_output(&self) -> Option<String>;

    /// Queues a request to a disk.
    ///
    /// # Errors
    /// If the drive is unknown, or the number is in use.
    fn block_submit(&mut self, request: BlockRequest) -> Result<(), Error>;

    /// All failures of the disks so far. A failure is in it before the operation's result arrives.
    fn io_errors(&self) -> IoErrors;

    /// The disks, for snapshots, if the machine has any.
    fn disks(&self) -> Option<&DiskPool>;

    /// Opens the disks again, as they were at a snapshot. `failed` holds the operations that had
    /// failed before it.
    ///
    /// # Errors
    /// If something could not be written out or opened.
    fn reopen_disks(&mut self, at: &Chain, failed: &[u64]) -> Result<(), Error>;

    /// Hands the output of a device to its part on this host. A host without such parts declines
    /// it, and that ends the run.
    fn output(&mut self, _output: &DeviceOutput) -> Handled {
        Handled::Declined
    }

    /// Notes that an arrival was taken from the mailbox.
    fn arrived(&mut self, _arrival: &Arrival) {}

    /// Closes devices and disks.
    ///
    /// # Errors
    /// If something could not be written out, or another program has changed an image.
    fn close(&mut self) -> Result<(), Error>;
}

/// The real host of a run.
pub struct Host {
    /// The zero of real time.
    started: Instant,
    output: Output,
    disks: Drives,
    /// The disks; `None` once they are closed.
    pool: Option<DiskPool>,
    devices: Vec<Box<dyn HostDevice>>,
}

impl Host {
    /// The host of a run that starts now: serial output, disks, and its parts of other devices.
    pub fn new(
        output: Output,
        disks: Drives,
        pool: DiskPool,
        devices: Vec<Box<dyn HostDevice>>,
    ) -> Self {
        Self {
            started: Instant::now(),
            output,
            disks,
            pool: Some(pool),
            devices,
        }
    }

    fn close_disks(&mut self, untouched: bool) -> Result<(), Error> {
        let disks = self.pool.take().map(DiskPool::finish);
        for disk in disks.transpose()?.unwrap_or_default() {
            if untouched {
                disk.check_untouched()?;
            }
            disk.close()?;
        }
        Ok(())
    }
}

impl HostIo for Host {
    fn real_time(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn wall_clock(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    fn serial_is_full(&self) -> bool {
        self.output.is_full()
    }

    fn serial_write(&mut self, data: &[u8]) -> (i32, u32) {
        self.output.write(data)
    }

    fn lost_output(&self) -> Option<String> {
        self.output.lost().map(|error| error.to_string())
    }

    fn block_submit(&mut self, request: BlockRequest) -> Result<(), Error> {
        match &self.pool {
            Some(disks) => Ok(disks.submit(request)?),
            None => Err(Error::Internal("a disk was used after it was closed")),
        }
    }

    fn io_errors(&self) -> IoErrors {
        let disks = self.pool.as_ref();
        disks.map(DiskPool::io_errors).unwrap_or_default()
    }

    fn disks(&self) -> Option<&DiskPool> {
        self.pool.as_ref()
    }

    fn reopen_disks(&mut self, at: &Chain, failed: &[u64]) -> Result<(), Error> {
        // An error of a disk that is left behind does not end the recording.
        self.close_disks(false)?;
        let opened = self.disks.open(Some(at))?;
        let pool = self.disks.start(opened)?;
        pool.keep_io_errors(failed);
        self.pool = Some(pool);
        Ok(())
    }

    fn output(&mut self, output: &DeviceOutput) -> Handled {
        let mut handled = self.devices.iter_mut().map(|device| device.output(output));
        let taken = handled.find(|handled| *handled != Handled::Declined);
        taken.unwrap_or(Handled::Declined)
    }

    fn arrived(&mut self, arrival: &Arrival) {
        for device in &mut self.devices {
            device.arrived(arrival);
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        self.devices.clear();
        self.close_disks(true)
    }
}
