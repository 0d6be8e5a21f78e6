//! What the vCPU thread does when somebody asks: stopping, seeking, snapshots.
//!
//! A wish is looked at between two execution periods, and carried out where the driver is in no hurry: not in the
//! middle of a wait that the log describes, nor between a request of the guest and what follows from it.

use crate::error::Error;
use crate::recording::snapshot::{Chain, Store};
use crate::run::driver::{Driver, Finish, Step, Wish};
use crate::run::snapshots::Keeper;
use crate::session::control::{Answer, Ask, Happening, RunState, Work};
use crate::session::{Session, Vcpu};
use machine::Machine;

const NO_PLACE: Error =
    Error::Refused("this run is not recorded, so there is no place for snapshots; use `rr record`");

impl Session<'_> {
    /// Carries out what was asked. Gives how the run ends, if that was it.
    pub(crate) fn wishes(&self, vcpu: &mut Vcpu) -> Result<Option<Finish>, Error> {
        if self.mailbox.kicked() {
            self.mailbox.settle();
        }
        if self.control.questions().is_cancelled() {
            self.cancel(vcpu);
        }
        while let Some((ask, answer)) = vcpu.held.take().or_else(|| self.control.questions().next())
        {
            let ready = vcpu.request.is_none() && self.driver.lock().settled();
            if !ready {
                // It is in a wait, perhaps: that ends where it sees the flag.
                vcpu.held = Some((ask, answer));
                self.mailbox.nudge();
                return Ok(None);
            }
            if let Some(finish) = self.attend(vcpu, ask, answer)? {
                return Ok(Some(finish));
            }
        }
        Ok(None)
    }

    fn attend(&self, vcpu: &mut Vcpu, ask: Ask, answer: Answer) -> Result<Option<Finish>, Error> {
        let mut driver = self.driver.lock();
        let mut machine = self.machine.lock();
        let (driver, machine) = (&mut **driver, &mut *machine);
        let done = match ask {
            Ask::Stop => {
                self.give_up_seek(vcpu, driver);
                if vcpu.ended.is_none() {
                    self.stop(vcpu);
                }
                Ok(())
            }
            Ask::Go => self.go(vcpu),
            Ask::StopAt(at) => self.stop_at(vcpu, at, machine.icount()),
            Ask::Seek(to) => match self.seek_from(vcpu, to, driver, machine) {
                Ok(from) => {
                    self.seek(vcpu, from, to, driver, machine)?;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Ask::Save { name, replace } => self.save(vcpu, &name, replace, driver, machine),
            Ask::Load(name) => match loadable(vcpu, &name) {
                Ok(chain) => {
                    self.load(vcpu, &chain, driver, machine)?;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Ask::Delete(name) => self.delete(vcpu, &name, driver, machine),
            Ask::Reset => match driver.by_user(machine.icount(), Wish::Reset) {
                Ok(_) => {
                    self.reset(vcpu, machine, false);
                    Ok(())
                }
                Err(error @ Error::Refused(_)) => Err(error),
                Err(error) => return Err(error),
            },
            Ask::Quit => {
                let finish = match vcpu.ended {
                    Some(finish) => finish,
                    None => match driver.by_user(machine.icount(), Wish::Quit)? {
                        Step::Stop(finish) => finish,
                        _ => Finish::Quit,
                    },
                };
                if vcpu.ended.is_none() {
                    let cause = replay_format::ShutdownCause::HostQmp;
                    self.control.happened(&Happening::Shutdown(cause));
                }
                answer(Ok(()));
                return Ok(Some(finish));
            }
        };
        self.publish(machine);
        answer(done);
        Ok(None)
    }

    fn stop(&self, vcpu: &mut Vcpu) {
        vcpu.stopped = true;
        self.control.enter(RunState::Paused);
    }

    fn go(&self, vcpu: &mut Vcpu) -> Result<(), Error> {
        if vcpu.ended.is_some() {
            return Err(Error::Refused(
                "the run is over: go back in it first, or reset the machine",
            ));
        }
        vcpu.stopped = false;
        self.control.enter(RunState::Running);
        Ok(())
    }

    fn stop_at(&self, vcpu: &mut Vcpu, at: Option<u64>, icount: u64) -> Result<(), Error> {
        if at.is_some_and(|at| at <= icount) {
            return Err(Error::Refused(
                "this instruction count is in the past; seek there instead",
            ));
        }
        vcpu.stop_at = at;
        self.control.set_stop_at(at);
        Ok(())
    }

    /// Stops where the guest was to be stopped; takes the snapshot that is due. True where the guest does not execute now.
    pub(crate) fn arrive(
        &self,
        vcpu: &mut Vcpu,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<bool, Error> {
        let icount = machine.icount();
        if vcpu.due.is_none() {
            vcpu.due = due(vcpu, icount);
        }
        if vcpu.due.is_some_and(|due| icount >= due)
            && vcpu.request.is_none()
            && driver.settled()
            && let Some(keeper) = &mut vcpu.keeper
        {
            if let Some(outside) = driver.outside(icount)? {
                keeper.take_due(machine, outside)?;
            }
            vcpu.due = keeper.due(icount);
        }
        if vcpu.seek.is_some_and(|to| icount >= to) {
            vcpu.seek = None;
            driver.mute(false);
            self.worked(Work::Seek, None);
            self.stop(vcpu);
        } else if vcpu.stop_at.is_some_and(|at| icount >= at) {
            vcpu.stop_at = None;
            self.control.set_stop_at(None);
            self.stop(vcpu);
        } else {
            return Ok(false);
        }
        self.publish(machine);
        Ok(true)
    }

    /// Somebody has had enough of what is under way.
    fn cancel(&self, vcpu: &mut Vcpu) {
        self.control.questions().take_cancelled();
        let mut driver = self.driver.lock();
        if self.give_up_seek(vcpu, &mut **driver) || (self.deaf && !vcpu.stopped) {
            self.stop(vcpu);
        }
    }

    /// Ends a seek before its end; false where there is none.
    fn give_up_seek(&self, vcpu: &mut Vcpu, driver: &mut dyn Driver) -> bool {
        if vcpu.seek.take().is_none() {
            return false;
        }
        driver.mute(false);
        self.worked(Work::Seek, Some(Error::Cancelled.to_string()));
        true
    }

    fn worked(&self, work: Work, error: Option<String>) {
        self.control.works(None);
        self.control.happened(&Happening::Worked { work, error });
    }

    /// The snapshot from which a seek starts: `Some(None)` is power-on; `None`: where the machine is.
    fn seek_from(
        &self,
        vcpu: &Vcpu,
        to: u64,
        driver: &dyn Driver,
        machine: &Machine,
    ) -> Result<Option<Option<Chain>>, Error> {
        let end = driver.end().ok_or(Error::Refused(
            "only a replay can be brought to another place",
        ))?;
        if to > end {
            return Err(Error::Refused(
                "this instruction count is behind the end of the recording",
            ));
        }
        let store = vcpu.keeper.as_ref().map(|keeper| &keeper.store);
        let known = store.map(Store::sound).transpose()?.unwrap_or_default();
        let best = known
            .iter()
            .filter(|snapshot| snapshot.icount <= to)
            .max_by_key(|snapshot| snapshot.icount);
        // At the end of the run it has executed everything up to there, and what is due there.
        let here = machine.icount();
        let ahead = to >= here && vcpu.ended.is_none();
        Ok(match best {
            Some(best) if ahead && best.icount <= here => None,
            Some(best) => Some(Some(loadable(vcpu, &best.name)?)),
            None if ahead => None,
            None if self.range.is_some() => {
                return Err(Error::Refused(
                    "this instruction count is before the start of the slice",
                ));
            }
            None => Some(None),
        })
    }

    fn seek(
        &self,
        vcpu: &mut Vcpu,
        from: Option<Option<Chain>>,
        to: u64,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        self.give_up_seek(vcpu, driver);
        self.control.questions().take_cancelled();
        if let Some(from) = from {
            self.travel(vcpu, from.as_ref(), driver, machine)?;
        }
        let here = machine.icount();
        self.control.works(Some((Work::Seek, here, to)));
        driver.mute(true);
        vcpu.seek = Some(to);
        vcpu.ended = None;
        vcpu.stopped = false;
        self.control.enter(RunState::Running);
        Ok(())
    }

    /// Puts machine and driver into the state of a snapshot, or of power-on.
    fn travel(
        &self,
        vcpu: &mut Vcpu,
        to: Option<&Chain>,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        (vcpu.idle, vcpu.request) = (None, None);
        match (to, &mut vcpu.keeper) {
            (None, keeper) => {
                machine.rewind();
                driver.travel(None)?;
                if let Some(keeper) = keeper {
                    keeper.moved(None, machine);
                }
            }
            (Some(chain), Some(keeper)) => {
                let loaded = chain.load(machine)?;
                driver.travel(Some((chain, loaded)))?;
                keeper.moved(Some(&chain.snapshot.name), machine);
            }
            (Some(_), None) => return Err(NO_PLACE),
        }
        vcpu.due = None;
        Ok(())
    }

    fn save(
        &self,
        vcpu: &mut Vcpu,
        name: &str,
        replace: bool,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        let icount = machine.icount();
        self.control.questions().take_cancelled();
        self.control.works(Some((Work::Save, icount, icount)));
        let saved = match &mut vcpu.keeper {
            Some(keeper) => self.save_with(keeper, name, replace, driver, machine),
            None => Err(NO_PLACE),
        };
        self.worked(Work::Save, saved.as_ref().err().map(ToString::to_string));
        saved
    }

    fn save_with(
        &self,
        keeper: &mut Keeper,
        name: &str,
        replace: bool,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        let icount = machine.icount();
        if replace && keeper.store.has(name) {
            let outside = driver.outside(icount)?.ok_or(NO_PLACE)?;
            keeper.delete(name, outside)?;
        }
        let outside = driver.outside(icount)?.ok_or(NO_PLACE)?;
        let give_up = || self.control.questions().is_cancelled();
        let taken = keeper.take(name, machine, outside, &give_up);
        self.control.questions().take_cancelled();
        taken.map(|_| ())
    }

    fn load(
        &self,
        vcpu: &mut Vcpu,
        chain: &Chain,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        self.give_up_seek(vcpu, driver);
        let icount = machine.icount();
        self.control.works(Some((Work::Load, icount, icount)));
        let loaded = self.travel(vcpu, Some(chain), driver, machine);
        self.worked(Work::Load, loaded.as_ref().err().map(ToString::to_string));
        loaded?;
        if vcpu.ended.take().is_some() {
            self.stop(vcpu);
        }
        if !self.deaf {
            self.drop_future(vcpu, &chain.snapshot.name, driver, machine.icount())?;
        }
        Ok(())
    }

    /// A recording went back: snapshots of what came after are of a time that never was.
    fn drop_future(
        &self,
        vcpu: &mut Vcpu,
        now: &str,
        driver: &mut dyn Driver,
        icount: u64,
    ) -> Result<(), Error> {
        let Some(keeper) = &mut vcpu.keeper else {
            return Ok(());
        };
        let all = keeper.store.sound()?;
        let here = all.iter().find(|snapshot| snapshot.name == now);
        let here = here.map_or(u64::MAX, |snapshot| snapshot.log.offset);
        for snapshot in all.iter().rev().filter(|other| other.log.offset > here) {
            let outside = driver.outside(icount)?.ok_or(NO_PLACE)?;
            keeper.delete(&snapshot.name, outside)?;
        }
        Ok(())
    }

    fn delete(
        &self,
        vcpu: &mut Vcpu,
        name: &str,
        driver: &mut dyn Driver,
        machine: &Machine,
    ) -> Result<(), Error> {
        let keeper = vcpu.keeper.as_mut().ok_or(NO_PLACE)?;
        let outside = driver.outside(machine.icount())?.ok_or(NO_PLACE)?;
        keeper.delete(name, outside)
    }
}

/// A snapshot that is there, and whole: found out before the machine is touched, so that the run outlives one that is not.
fn loadable(vcpu: &Vcpu, name: &str) -> Result<Chain, Error> {
    let keeper = vcpu.keeper.as_ref().ok_or(NO_PLACE)?;
    keeper.store.open(name)
}

/// The count at which the next snapshot is due.
fn due(vcpu: &Vcpu, icount: u64) -> Option<u64> {
    vcpu.keeper.as_ref()?.due(icount)
}
