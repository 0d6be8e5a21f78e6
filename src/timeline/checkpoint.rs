//! Going back: puts machine and driver into the state of a checkpoint.

use crate::error::Error;
use crate::recording::snapshot::Chain;
use crate::run::driver::{Driver, Snapshots, Travel};
use crate::run::snapshots::Snapshotter;
use machine::Machine;

const NO_SNAPSHOTS: Error = Error::Internal("a run without snapshots was to load one");
const NO_TRAVEL: Error = Error::Internal("a run that is no replay was to be switched on anew");

/// A state that a run can go on from.
#[derive(Debug, Clone, Copy)]
pub enum Checkpoint<'c> {
    /// Power-on.
    PowerOn,
    /// A snapshot of the store that takes the run's own snapshots. The next one has it as parent.
    Own(&'c Chain),
    /// A snapshot of another store. The run's next snapshot has no parent, and holds everything
    /// that differs from power-on.
    Other(&'c Chain),
}

impl Checkpoint<'_> {
    /// Puts a run into this state. `fresh`: the machine has executed nothing, and the driver has no
    /// place in its log yet.
    ///
    /// # Errors
    /// If the snapshot cannot be loaded. Then the machine's state is undefined, and it must not be
    /// used.
    pub fn load(
        self,
        driver: &mut dyn Driver,
        machine: &mut Machine,
        snapshotter: Option<&mut Snapshotter>,
        fresh: bool,
    ) -> Result<(), Error> {
        let (Self::Own(chain) | Self::Other(chain)) = self else {
            if !fresh {
                machine.rewind()?;
            }
            travel(driver)?.power_on(fresh)?;
            if let Some(snapshotter) = snapshotter.filter(|_| !fresh) {
                snapshotter.moved(None, machine);
            }
            return Ok(());
        };
        let loaded = match fresh {
            true => chain.load_at_power_on(machine)?,
            false => chain.load(machine)?,
        };
        let of_driver = snapshots(driver)?;
        of_driver.load(chain, loaded)?;
        match (self, snapshotter) {
            (Self::Other(_), Some(snapshotter)) => {
                snapshotter.start_over();
                snapshotter.hold_all(chain, &of_driver.outside(machine.icount())?)
            }
            (_, Some(snapshotter)) => {
                snapshotter.moved(Some(&chain.snapshot.name), machine);
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }
}

fn travel(driver: &mut dyn Driver) -> Result<&mut dyn Travel, Error> {
    driver.travel().ok_or(NO_TRAVEL)
}

fn snapshots(driver: &mut dyn Driver) -> Result<&mut dyn Snapshots, Error> {
    driver.snapshots().ok_or(NO_SNAPSHOTS)
}
