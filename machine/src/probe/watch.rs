//! Watchpoints: physical addresses whose loads or stores stop the machine.
//!
//! RAM hears of accesses to pages that have one: such pages are not cached for stores, nor for
//! loads where loads are watched. Other pages cost what they cost without.

use crate::units::{PhysAddr, VirtAddr};
/// Which accesses a watchpoint sees. The names are gdb's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// Stores (`watch`), those that leave the same value included.
    Write,
    /// Loads (`rwatch`).
    Read,
    /// Both (`awatch`). An atomic instruction that does both is seen twice.
    Access,
}

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// It reads: a load, or an atomic instruction, of a hart. Fetches, walks through page tables
    /// and reads of devices and firmware are not seen.
    Read,
    /// It writes.
    Write,
}

/// Who accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accessor {
    /// An instruction of a hart.
    Hart,
    /// The page-table walker of a hart, which marks an entry as used.
    Walker,
    /// The machine's own firmware, in a call of the SBI.
    Firmware,
    /// The virtio device in this slot.
    Virtio {
        /// Number of the slot, from 0.
        slot: u8,
    },
    /// The host-target interface.
    Htif,
}

/// A range of physical addresses, RAM or devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watchpoint {
    /// The first byte.
    pub address: PhysAddr,
    /// Bytes; with none it sees nothing.
    pub len: u64,
    /// Which accesses it sees.
    pub kind: WatchKind,
}

/// An access that a watchpoint saw. One instruction may give several, in the order in which it
/// accessed, and for one access in the order of the watchpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchHit {
    /// The watchpoint.
    pub watch: Watchpoint,
    /// What was done.
    pub access: Access,
    /// Physical address of the first watched byte that was accessed.
    pub address: PhysAddr,
    /// How many from there on were.
    pub len: u64,
    /// Those bytes before, the first eight at most, little-endian; `None`: a register of a device.
    pub old: Option<u64>,
    /// The same after.
    pub new: u64,
    /// Who did it.
    pub by: Accessor,
    /// The hart whose instruction did it, or during whose turn it came from outside.
    pub hart: u8,
    /// Virtual address of that instruction; of the next one for what comes between two.
    pub pc: VirtAddr,
}

impl Watchpoint {
    fn sees(&self, access: Access) -> bool {
        match access {
            Access::Read => self.kind != WatchKind::Write,
            Access::Write => self.kind != WatchKind::Read,
        }
    }

    /// The part of `address..address + len` that is watched.
    fn overlap(&self, address: PhysAddr, len: u64) -> Option<(PhysAddr, u64)> {
        let end = |address: PhysAddr, len| u128::from(address.get()) + u128::from(len);
        let start = address.max(self.address);
        let end = end(address, len).min(end(self.address, self.len));
        let len = end.checked_sub(u128::from(start.get()))? as u64;
        (len > 0).then_some((start, len))
    }
}

/// What memory does with watchpoints: it listens.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    points: Vec<Watchpoint>,
    heard: Vec<WatchHit>,
    by: Accessor,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            heard: Vec::new(),
            by: Accessor::Hart,
        }
    }
}

impl Listener {
    /// Listens for these, in order, and for no others.
    pub(crate) fn listen(&mut self, points: Vec<Watchpoint>) {
        self.points = points;
    }

    /// What it listens for.
    pub(crate) fn points(&self) -> &[Watchpoint] {
        &self.points
    }

    /// Who accesses from now on.
    pub(crate) fn acting(&mut self, by: Accessor) {
        self.by = by;
    }

    /// An access to the bytes at `address`, which become `new`.
    pub(crate) fn hear(
        &mut self,
        access: Access,
        address: PhysAddr,
        old: Option<&[u8]>,
        new: &[u8],
    ) {
        for watch in self.points.iter().filter(|point| point.sees(access)) {
            let Some((start, len)) = watch.overlap(address, new.len() as u64) else {
                continue;
            };
            let part = |bytes: &[u8]| value(bytes, (start - address) as usize, len as usize);
            self.heard.push(WatchHit {
                watch: *watch,
                access,
                address: start,
                len,
                old: old.map(part),
                new: part(new),
                by: self.by,
                hart: 0,
                pc: VirtAddr::default(),
            });
        }
    }

    /// Whether there is something to take.
    #[inline]
    pub(crate) fn heard(&self) -> bool {
        !self.heard.is_empty()
    }

    /// What was heard since the last call, by an instruction of `hart` at `pc`.
    pub(crate) fn take(&mut self, hart: u8, pc: u64) -> impl Iterator<Item = WatchHit> {
        let heard = std::mem::take(&mut self.heard).into_iter();
        let pc = VirtAddr::new(pc);
        heard.map(move |hit| WatchHit { hart, pc, ..hit })
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&mut self) {
        self.heard.clear();
    }
}

/// Up to eight of the `len` bytes from `start` on.
fn value(bytes: &[u8], start: usize, len: usize) -> u64 {
    let part = bytes.iter().skip(start).take(len.min(8));
    part.rev().fold(0, |all, &byte| all << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(kind: WatchKind, access: Access, address: u64, new: &[u8]) -> Vec<(u64, u64, u64)> {
        let mut listener = Listener::default();
        let point = |address, len| Watchpoint {
            address: PhysAddr::new(address),
            len,
            kind,
        };
        listener.listen(vec![point(0x10, 4), point(0x13, 0), point(u64::MAX - 3, 4)]);
        listener.hear(access, PhysAddr::new(address), None, new);
        let heard = listener.take(3, 5);
        heard
            .map(|hit| (hit.address.get(), hit.len, hit.new))
            .collect()
    }

    #[test]
    fn what_overlaps_is_heard() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let write = |address, len| hits(WatchKind::Write, Access::Write, address, &bytes[..len]);
        assert_eq!(write(0xf, 1), []);
        assert_eq!(write(0xf, 2), [(0x10, 1, 2)]);
        assert_eq!(write(0x12, 8), [(0x12, 2, 0x201)]);
        assert_eq!(write(0xe, 12), [(0x10, 4, 0x0605_0403)]);
        assert_eq!(write(0x14, 4), []);
        assert_eq!(write(u64::MAX - 7, 8), [(u64::MAX - 3, 4, 0x0807_0605)]);
    }

    #[test]
    fn kinds_choose_accesses() {
        for (kind, access, seen) in [
            (WatchKind::Write, Access::Write, true),
            (WatchKind::Write, Access::Read, false),
            (WatchKind::Read, Access::Write, false),
            (WatchKind::Read, Access::Read, true),
            (WatchKind::Access, Access::Write, true),
            (WatchKind::Access, Access::Read, true),
        ] {
            let heard = hits(kind, access, 0x10, &[0]);
            assert_eq!(!heard.is_empty(), seen, "{kind:?} {access:?}");
        }
    }
}
