//! The simulated host: its clocks, and how its serial port, disks and networks behave. Everything
//! happens at a simulated time, and one generator gives all times and faults.

use super::chance::Chance;
use super::scenario::Faults;
use crate::error::Error;
use crate::host::device::Handled;
use crate::host::disk::{Disk, DiskPool, IoErrors, by_failing_host, by_host};
use crate::recording::snapshot::Chain;
use crate::run::host_io::HostIo;
use crate::run::mailbox::Message;
use machine::inputs::{Arrival, BlockOp, BlockRequest, DeviceOutput};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The wall clock at the start of a run, in ns since the epoch.
const EPOCH: i64 = 1_800_000_000_000_000_000;
/// A second in ns.
pub(super) const SECOND: u64 = 1_000_000_000;

/// The host.
pub(super) struct World {
    chance: Chance,
    faults: Faults,
    /// Real time, in ns.
    now: i64,
    /// The difference of the wall clock to the real time, in ns.
    wall: i64,
    /// Future messages by their time. Messages of one time keep their order.
    due: BTreeMap<(i64, u64), Message>,
    number: u64,
    drives: Vec<Drive>,
    errors: IoErrors,
    /// The bytes that the serial port took.
    console: Vec<u8>,
    /// The errno of writes after the serial port's reader has left.
    hung_up: Option<i32>,
}

/// A drive carries out one request after the other.
struct Drive {
    disk: Disk,
    /// The time when its last request is done, in ns.
    done: i64,
}

impl World {
    /// A host with this input for the serial port: each piece after a pause (ns).
    pub(super) fn new(
        chance: Chance,
        faults: Faults,
        disks: Vec<Disk>,
        input: &[(u64, Vec<u8>)],
    ) -> Self {
        let drives = disks.into_iter().map(|disk| Drive { disk, done: 0 });
        let mut world = Self {
            chance,
            faults,
            now: 0,
            wall: EPOCH,
            due: BTreeMap::new(),
            number: 0,
            drives: drives.collect(),
            errors: IoErrors::default(),
            console: Vec::new(),
            hung_up: None,
        };
        let mut at = 0;
        for (pause, data) in input {
            at += *pause as i64;
            let (port, data) = (0, data.clone());
            world.arrive(at, Arrival::Serial { port, data });
        }
        world
    }

    fn arrive(&mut self, at: i64, arrival: Arrival) {
        self.number += 1;
        self.due
            .insert((at, self.number), Message::Arrival(arrival));
    }

    /// The messages that have arrived by now.
    pub(super) fn arrived(&mut self) -> Vec<Message> {
        let later = self.due.split_off(&(self.now + 1, 0));
        let arrived = std::mem::replace(&mut self.due, later);
        arrived.into_values().collect()
    }

    /// The number of instructions until the next message arrives, from 1.
    pub(super) fn instructions(&self) -> u64 {
        let next = self.due.first_key_value();
        let left = next.map(|((at, _), _)| (at - self.now).max(0) as u64);
        left.map_or(u64::MAX, |ns| ns.saturating_mul(1000) / self.faults.pace)
            .max(1)
    }

    /// Notes that instructions were executed. The host may also have been busy with other work.
    pub(super) fn executed(&mut self, instructions: u64) {
        self.pass(instructions.saturating_mul(self.faults.pace) / 1000);
        if self.chance.one_in(self.faults.stalls) {
            let stall = self.chance.scale(2 * SECOND);
            self.pass(stall);
        }
        if self.chance.one_in(self.faults.clock_set) {
            let by = self.chance.scale(4000 * SECOND) as i64;
            self.wall += if self.chance.one_in(2) { by } else { -by };
        }
        // Not while the machine waits: the frames would keep it from doing anything else.
        if instructions > 0 && self.chance.one_in(self.faults.noise) {
            let len = 14 + self.chance.below(1500);
            let data = self.chance.bytes(len);
            self.arrive(self.now, Arrival::Frame { adapter: 0, data });
        }
    }

    fn pass(&mut self, ns: u64) {
        self.now += ns as i64;
    }

    /// Lets the machine wait, at most for this time. False if nothing would ever end the wait.
    pub(super) fn wait(&mut self, at_most: Option<Duration>) -> bool {
        let next = self.due.first_key_value().map(|((at, _), _)| *at);
        let late = self.chance.scale(1_000_000) as i64;
        let end = at_most.map(|limit| self.now + limit.as_nanos() as i64 + late);
        let Some(until) = next.into_iter().chain(end).min() else {
            return false;
        };
        let length = (until - self.now).max(1) as u64;
        let early = self.chance.one_in(8);
        let length = if early {
            1 + self.chance.below(length)
        } else {
            length
        };
        self.pass(length);
        true
    }

    /// Real time, in ns.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// The bytes that the serial port took.
    pub(super) fn console(&self) -> &[u8] {
        &self.console
    }

    fn submit(&mut self, request: &BlockRequest) -> Result<(), Error> {
        let (drive, id) = (request.drive, request.id);
        let latency = self.chance.scale(self.faults.latency) as i64;
        let fails = self.chance.one_in(self.faults.disk_fails);
        let part = self.chance.any();
        let found = self.drives.get_mut(usize::from(drive));
        let found = found.ok_or(Error::Internal("the simulation has no such drive"))?;
        let (result, error) = match fails {
            true => by_failing_host(&mut found.disk, request, &part_of(&request.op, part)),
            false => by_host(&mut found.disk, request),
        };
        found.done = found.done.max(self.now) + latency;
        let at = found.done;
        if let Some(error) = error {
            self.errors.insert(error);
        }
        self.arrive(at, Arrival::Block { drive, id, result });
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> (i32, u32) {
        let faults = self.faults;
        if self.chance.one_in(faults.serial_gone) {
            const EPIPE: i32 = 32;
            const EIO: i32 = 5;
            self.hung_up = Some(self.chance.of(&[EPIPE, EIO]));
        }
        if let Some(errno) = self.hung_up {
            return (-errno, 0);
        }
        if self.chance.one_in(faults.serial_slow) {
            let wait = self.chance.scale(SECOND);
            self.pass(wait);
        }
        let mut taken = data.len();
        if self.chance.one_in(faults.serial_short) {
            taken = self.chance.below(taken as u64) as usize;
        }
        self.console.extend(&data[..taken]);
        (taken as i32, taken as u32)
    }

    /// The peer of a network: it answers ARP, and sends back all other frames.
    fn peer(&mut self, adapter: u8, frame: &[u8]) {
        let faults = self.faults;
        let (from, until) = faults.peer_gone;
        let gone = (from..until).contains(&(self.now / 1_000_000));
        if gone || self.chance.one_in(faults.lost) {
            return;
        }
        let times = 1 + u64::from(self.chance.one_in(faults.twice));
        for _ in 0..times {
            let at = self.now + self.chance.scale(faults.delay) as i64;
            let data = answer(frame);
            self.arrive(at, Arrival::Frame { adapter, data });
        }
    }
}

/// The beginning of a request: the part that a failing disk carries out.
fn part_of(op: &BlockOp, part: u64) -> BlockOp {
    let cut = |len: u64| part % (len / 512 + 1) * 512;
    match op.clone() {
        BlockOp::Write { offset, mut data } => {
            // A part need not be whole sectors.
            data.truncate((part % (data.len() as u64 + 1)) as usize);
            BlockOp::Write { offset, data }
        }
        BlockOp::Discard { offset, len } => BlockOp::Discard {
            offset,
            len: cut(len),
        },
        BlockOp::WriteZeroes { offset, len, unmap } => BlockOp::WriteZeroes {
            offset,
            len: cut(len),
            unmap,
        },
        whole @ (BlockOp::Read { .. } | BlockOp::Flush) => whole,
    }
}

/// The peer's answer to a frame.
fn answer(frame: &[u8]) -> Vec<u8> {
    const PEER: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];
    let mut answer = frame.to_vec();
    if let (Some(to), Some(from)) = (answer.get_mut(..6), frame.get(6..12)) {
        to.copy_from_slice(from);
    }
    if let Some(from) = answer.get_mut(6..12) {
        from.copy_from_slice(&PEER);
    }
    let asked = frame.get(12..14) == Some(&[8, 6]) && frame.get(20..22) == Some(&[0, 1]);
    if let (true, Some(who), Some(wanted)) = (asked, frame.get(22..32), frame.get(38..42)) {
        answer[21] = 2;
        answer[22..28].copy_from_slice(&PEER);
        answer[28..32].copy_from_slice(wanted);
        answer[32..42].copy_from_slice(who);
    }
    answer
}

/// The simulated host, as the recorder sees it.
pub(super) struct Simulated(pub(super) Arc<Mutex<World>>);

impl HostIo for Simulated {
    fn real_time(&self) -> i64 {
        self.0.lock().now
    }

    fn wall_clock(&self) -> i64 {
        let world = self.0.lock();
        world.now + world.wall
    }

    fn serial_is_full(&self) -> bool {
        let mut world = self.0.lock();
        let often = world.faults.serial_slow;
        world.chance.one_in(often)
    }

    fn serial_write(&mut self, data: &[u8]) -> (i32, u32) {
        self.0.lock().write(data)
    }

    fn lost_output(&self) -> Option<String> {
        let errno = self.0.lock().hung_up?;
        Some(format!("errno {errno}"))
    }

    fn block_submit(&mut self, request: BlockRequest) -> Result<(), Error> {
        self.0.lock().submit(&request)
    }

    fn io_errors(&self) -> IoErrors {
        self.0.lock().errors.clone()
    }

    fn disks(&self) -> Option<&DiskPool> {
        None
    }

    fn reopen_disks(&mut self, _at: &Chain, _failed: &[u64]) -> Result<(), Error> {
        Err(Error::Internal("no simulation goes back"))
    }

    fn output(&mut self, output: &DeviceOutput) -> Handled {
        let DeviceOutput::Frame { adapter, frame } = output else {
            return Handled::Declined;
        };
        self.0.lock().peer(*adapter, frame);
        Handled::MayAnswer
    }

    fn close(&mut self) -> Result<(), Error> {
        for Drive { disk, .. } in self.0.lock().drives.drain(..) {
            disk.check_untouched()?;
            disk.close()?;
        }
        Ok(())
    }
}
