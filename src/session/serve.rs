//! Requests to the vCPU thread: pausing, seeking, snapshots.
//!
//! A request is taken between two execution periods. It is carried out when the driver is settled:
//! not in the middle of a wait that the log describes, nor between a request of the guest and its
//! consequences.

use super::control::{Reply, Request, RunEvent, RunState, Work};
use super::{Doing, Session, VcpuThread};
use crate::error::{Error, Refusal};
use crate::recording::place::{Place, up_to};
use crate::recording::snapshot::Chain;
use crate::run::driver::{Driver, Outside, UserRequest};
use crate::run::report::Finish;
use crate::run::snapshots::Snapshotter;
use crate::timeline::checkpoint::Checkpoint;
use machine::{Icount, Machine};

const NO_PLACE: Error = Error::Refused(Refusal::NoSnapshots);

/// Where a seek begins.
enum From {
    /// At the machine's present place.
    Here,
    /// At a snapshot.
    Snapshot(Box<Chain>),
    /// At power-on.
    PowerOn,
}

impl Session<'_> {
    /// Carries out the requests that wait. Returns how the run ends, if one ends it.
    pub(super) fn serve(&self, thread: &mut VcpuThread) -> Result<Option<Finish>, Error> {
        if self.mailbox.kicked() {
            self.mailbox.settle();
        }
        if self.control.requests().is_cancelled() {
            self.cancel(thread);
        }
        while let Some((request, reply)) = thread
            .held
            .take()
            .or_else(|| self.control.requests().next())
        {
            let ready = thread.vcpu.request.is_none() && self.driver.lock().settled();
            if !ready {
                // The driver may be in a wait, which ends when the driver sees the nudge.
                thread.held = Some((request, reply));
                self.mailbox.nudge();
                return Ok(None);
            }
            if let Some(finish) = self.carry_out(thread, request, reply)? {
                return Ok(Some(finish));
            }
        }
        Ok(None)
    }

    fn carry_out(
        &self,
        thread: &mut VcpuThread,
        request: Request,
        reply: Reply,
    ) -> Result<Option<Finish>, Error> {
        let done = match request {
            Request::Reset => match self.period(thread, Some(UserRequest::Reset)) {
                Ok(_) => Ok(()),
                Err(error @ Error::Refused(_)) => Err(error),
                Err(error) => return Err(error),
            },
            Request::Quit => {
                let finish = self.quit(thread)?;
                reply(Ok(()));
                return Ok(Some(finish));
            }
            request => {
                let mut driver = self.driver.lock();
                let mut machine = self.machine.lock();
                let done = self.change(thread, request, &mut **driver, &mut machine)?;
                self.publish(&machine);
                done
            }
        };
        reply(done);
        Ok(None)
    }

    /// Carries out a request that moves, pauses or continues the run. The inner error is the
    /// request's own; the outer one ends the run.
    fn change(
        &self,
        thread: &mut VcpuThread,
        request: Request,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<Result<(), Error>, Error> {
        Ok(match request {
            Request::Stop => {
                self.give_up_seek(thread, driver);
                if !matches!(thread.doing, Doing::Over(_)) {
                    self.pause(thread);
                }
                Ok(())
            }
            Request::Go => self.go(thread),
            Request::StopAt(at) => self.stop_at(thread, at, machine.icount()),
            Request::Seek(to) => match self.seek_from(thread, to, driver, machine) {
                Ok(from) => {
                    self.seek(thread, from, to, driver, machine)?;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Request::Save { name, replace } => self.save(thread, &name, replace, driver, machine),
            Request::Load(name) => match loadable(thread, &name) {
                Ok(chain) => {
                    self.load(thread, &chain, driver, machine)?;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Request::Delete(name) => self.delete(thread, &name, driver, machine),
            Request::Reset | Request::Quit => Err(Error::Internal("a period was to do this")),
        })
    }

    fn quit(&self, thread: &mut VcpuThread) -> Result<Finish, Error> {
        if let Doing::Over(finish) = thread.doing {
            return Ok(finish);
        }
        let finish = self.period(thread, Some(UserRequest::Quit))?;
        let cause = replay_format::ShutdownCause::HostQmp;
        self.control.tell(&RunEvent::Shutdown(cause));
        Ok(finish.unwrap_or(Finish::Quit))
    }

    pub(super) fn pause(&self, thread: &mut VcpuThread) {
        thread.doing = Doing::Paused;
        self.control.enter(RunState::Paused);
    }

    fn go(&self, thread: &mut VcpuThread) -> Result<(), Error> {
        match thread.doing {
            Doing::Over(_) => {
                return Err(Refusal::Ended.into());
            }
            Doing::Paused => thread.doing = Doing::Executing,
            Doing::Executing | Doing::Seeking(_) => {}
        }
        self.control.enter(RunState::Running);
        Ok(())
    }

    fn stop_at(
        &self,
        thread: &mut VcpuThread,
        at: Option<Icount>,
        icount: Icount,
    ) -> Result<(), Error> {
        if at.is_some_and(|at| at <= icount) {
            return Err(Refusal::Past.into());
        }
        thread.stop_at = at;
        self.control.set_stop_at(at);
        Ok(())
    }

    /// Cancels the present work.
    fn cancel(&self, thread: &mut VcpuThread) {
        self.control.requests().take_cancelled();
        let mut driver = self.driver.lock();
        let driver = &mut **driver;
        let replays = thread.doing == Doing::Executing && driver.travel().is_some();
        if self.give_up_seek(thread, driver) || replays {
            self.pause(thread);
        }
    }

    /// Ends a seek before its target: the guest executes with output again. False if there is no
    /// seek.
    fn give_up_seek(&self, thread: &mut VcpuThread, driver: &mut dyn Driver) -> bool {
        if !matches!(thread.doing, Doing::Seeking(_)) {
            return false;
        }
        thread.doing = Doing::Executing;
        unmute(driver);
        self.worked(Work::Seek, Some(Error::Cancelled.to_string()));
        true
    }

    pub(super) fn worked(&self, work: Work, error: Option<String>) {
        self.control.works(None);
        self.control.tell(&RunEvent::Worked { work, error });
    }

    /// Where a seek to the first place with this instruction count begins.
    fn seek_from(
        &self,
        thread: &VcpuThread,
        to: Icount,
        driver: &mut dyn Driver,
        machine: &Machine,
    ) -> Result<From, Error> {
        let travel = driver.travel().ok_or(Refusal::NotReplayed)?;
        if to > Icount::new(travel.log().end().icount) {
            return Err(Refusal::BehindEnd.into());
        }
        let known = thread.snapshotter.as_ref();
        let known = known.map(|snapshotter| snapshotter.store.sound());
        let known = known.transpose()?.unwrap_or_default();
        let to = Place::first(travel.log(), to);
        let nearest = up_to(known, travel.log(), to).into_iter().next();
        let here = travel.place(machine.icount());
        let ahead = here <= to && !matches!(thread.doing, Doing::Over(_));
        match nearest {
            Some((place, _)) if ahead && place <= here => Ok(From::Here),
            Some((_, snapshot)) => {
                loadable(thread, &snapshot.name).map(|chain| From::Snapshot(Box::new(chain)))
            }
            None if ahead => Ok(From::Here),
            None if self.bounds.range.is_some() => Err(Refusal::BeforeSlice.into()),
            None => Ok(From::PowerOn),
        }
    }

    fn seek(
        &self,
        thread: &mut VcpuThread,
        from: From,
        to: Icount,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        self.give_up_seek(thread, driver);
        self.control.requests().take_cancelled();
        match &from {
            From::Here => {}
            From::Snapshot(chain) => go_back(thread, Checkpoint::Own(chain), driver, machine)?,
            From::PowerOn => go_back(thread, Checkpoint::PowerOn, driver, machine)?,
        }
        let here = machine.icount();
        self.control.works(Some((Work::Seek, here, to)));
        if let Some(travel) = driver.travel() {
            travel.mute(true);
        }
        thread.doing = Doing::Seeking(to);
        self.control.enter(RunState::Running);
        Ok(())
    }

    fn save(
        &self,
        thread: &mut VcpuThread,
        name: &str,
        replace: bool,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        let icount = machine.icount();
        self.control.requests().take_cancelled();
        self.control.works(Some((Work::Save, icount, icount)));
        let saved = match &mut thread.snapshotter {
            Some(snapshotter) => self.save_with(snapshotter, name, replace, driver, machine),
            None => Err(NO_PLACE),
        };
        self.worked(Work::Save, saved.as_ref().err().map(ToString::to_string));
        saved
    }

    fn save_with(
        &self,
        snapshotter: &mut Snapshotter,
        name: &str,
        replace: bool,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        let icount = machine.icount();
        if replace && snapshotter.store.has(name) {
            snapshotter.delete(name, outside(driver, icount)?)?;
        }
        let outside = outside(driver, icount)?;
        let give_up = || self.control.requests().is_cancelled();
        let taken = snapshotter.take(name, machine, outside, &give_up);
        self.control.requests().take_cancelled();
        taken.map(|_| ())
    }

    fn load(
        &self,
        thread: &mut VcpuThread,
        chain: &Chain,
        driver: &mut dyn Driver,
        machine: &mut Machine,
    ) -> Result<(), Error> {
        self.give_up_seek(thread, driver);
        let icount = machine.icount();
        self.control.works(Some((Work::Load, icount, icount)));
        let loaded = go_back(thread, Checkpoint::Own(chain), driver, machine);
        self.worked(Work::Load, loaded.as_ref().err().map(ToString::to_string));
        loaded?;
        if matches!(thread.doing, Doing::Over(_)) {
            self.pause(thread);
        }
        if driver.travel().is_none() {
            drop_future(thread, &chain.snapshot.name, driver, machine.icount())?;
        }
        Ok(())
    }

    fn delete(
        &self,
        thread: &mut VcpuThread,
        name: &str,
        driver: &mut dyn Driver,
        machine: &Machine,
    ) -> Result<(), Error> {
        let snapshotter = thread.snapshotter.as_mut().ok_or(NO_PLACE)?;
        snapshotter.delete(name, outside(driver, machine.icount())?)
    }
}

/// Puts machine and driver into the state of a checkpoint.
fn go_back(
    thread: &mut VcpuThread,
    to: Checkpoint<'_>,
    driver: &mut dyn Driver,
    machine: &mut Machine,
) -> Result<(), Error> {
    thread.vcpu = Default::default();
    to.load(driver, machine, thread.snapshotter.as_mut(), false)?;
    thread.snapshot_due = None;
    Ok(())
}

/// Deletes the snapshots after a place to which a recording went back, because they belong to a
/// future that is dropped.
fn drop_future(
    thread: &mut VcpuThread,
    now: &str,
    driver: &mut dyn Driver,
    icount: Icount,
) -> Result<(), Error> {
    let Some(snapshotter) = &mut thread.snapshotter else {
        return Ok(());
    };
    let all = snapshotter.store.sound()?;
    let here = all.iter().find(|snapshot| snapshot.name == now);
    let here = here.map_or(u64::MAX, |snapshot| snapshot.log.offset);
    for snapshot in all.iter().rev().filter(|other| other.log.offset > here) {
        snapshotter.delete(&snapshot.name, outside(driver, icount)?)?;
    }
    Ok(())
}

pub(super) fn unmute(driver: &mut dyn Driver) {
    if let Some(travel) = driver.travel() {
        travel.mute(false);
    }
}

fn outside(driver: &mut dyn Driver, icount: Icount) -> Result<Outside<'_>, Error> {
    driver.snapshots().ok_or(NO_PLACE)?.outside(icount)
}

/// Opens a snapshot and checks that it is whole. This comes before the machine is changed, so that
/// a damaged snapshot fails the request and not the run.
fn loadable(thread: &VcpuThread, name: &str) -> Result<Chain, Error> {
    let snapshotter = thread.snapshotter.as_ref().ok_or(NO_PLACE)?;
    snapshotter.store.open(name)
}
