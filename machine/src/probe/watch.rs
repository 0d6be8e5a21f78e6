//! Watchpoints: a load from or a store to a range of physical addresses stops the machine.
//!
//! A page with a watchpoint is not cached for stores, and also not for loads if loads are watched.
//! So every access to it is checked. Other pages run at full speed.

use crate::units::{PhysAddr, VirtAddr};
/// The kind of access that triggers a watchpoint, with gdb's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// Stores (`watch`), including stores that leave the value unchanged.
    Write,
    /// Loads (`rwatch`).
    Read,
    /// Loads and stores (`awatch`). An atomic memory operation triggers it twice.
    Access,
}

/// The kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A load or the load of an atomic memory operation, by a hart. Watchpoints do not see fetches,
    /// page-table walks, or reads by devices and firmware.
    Read,
    /// A store.
    Write,
}

/// The agent that made an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accessor {
    /// An instruction of a hart.
    Hart,
    /// The page-table walker of a hart, which sets A and D bits.
    Walker,
    /// The machine's own SBI, during a call.
    Firmware,
    /// The virtio device in this slot.
    Virtio {
        /// Number of the slot, starting at 0.
        slot: u8,
    },
    /// HTIF (host-target interface).
    Htif,
}

/// A range of physical addresses of RAM or of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watchpoint {
    /// Physical address of the first byte.
    pub address: PhysAddr,
    /// Size in bytes. A size of 0 never triggers.
    pub len: u64,
    /// The kind of access that triggers.
    pub kind: WatchKind,
}

/// An access that triggered a watchpoint. One instruction may cause several hits. They are in the
/// order of its accesses, and for one access in the order of the watchpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchHit {
    /// The watchpoint.
    pub watch: Watchpoint,
    /// The kind of the access.
    pub access: Access,
    /// Physical address of the first watched byte that was accessed.
    pub address: PhysAddr,
    /// Number of watched bytes that were accessed.
    pub len: u64,
    /// The old value of those bytes, at most 8 of them, little-endian. `None`: a device register.
    pub old: Option<u64>,
    /// The new value of those bytes, at most 8 of them, little-endian.
    pub new: u64,
    /// The agent that made the access.
    pub by: Accessor,
    /// The hart that executed the instruction, or the current hart for an access from outside.
    pub hart: u8,
    /// Virtual address of the instruction; of the next one for an access between two instructions.
    pub pc: VirtAddr,
}

impl Watchpoint {
    fn sees(&self, access: Access) -> bool {
        match access {
            Access::Read => self.kind != WatchKind::Write,
            Access::Write => self.kind != WatchKind::Read,
        }
    }

    /// The watched part of `address..address + len`, as (start, length).
    fn overlap(&self, address: PhysAddr, len: u64) -> Option<(PhysAddr, u64)> {
        let end = |address: PhysAddr, len| u128::from(address.get()) + u128::from(len);
        let start = address.max(self.address);
        let end = end(address, len).min(end(self.address, self.len));
        let len = end.checked_sub(u128::from(start.get()))? as u64;
        (len > 0).then_some((start, len))
    }
}

/// The watchpoints of a machine and their hits.
#[derive(Debug, Clone)]
pub(crate) struct Watchpoints {
    points: Vec<Watchpoint>,
    hits: Vec<WatchHit>,
    accessor: Accessor,
}

impl Default for Watchpoints {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            hits: Vec::new(),
            accessor: Accessor::Hart,
        }
    }
}

impl Watchpoints {
    /// Replaces the watchpoints. Their order is the order of hits.
    pub(crate) fn set(&mut self, points: Vec<Watchpoint>) {
        self.points = points;
    }

    /// The watchpoints in their order.
    pub(crate) fn points(&self) -> &[Watchpoint] {
        &self.points
    }

    /// Sets the agent of the following accesses.
    pub(crate) fn set_accessor(&mut self, by: Accessor) {
        self.accessor = by;
    }

    /// Checks an access that changes the bytes at `address` from `old` to `new`.
    pub(crate) fn check(
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
            self.hits.push(WatchHit {
                watch: *watch,
                access,
                address: start,
                len,
                old: old.map(part),
                new: part(new),
                by: self.accessor,
                hart: 0,
                pc: VirtAddr::default(),
            });
        }
    }

    /// Whether there are hits.
    #[inline]
    pub(crate) fn has_hits(&self) -> bool {
        !self.hits.is_empty()
    }

    /// Takes the hits since the last call, and ascribes them to `hart` at `pc`.
    pub(crate) fn take_hits(&mut self, hart: u8, pc: u64) -> impl Iterator<Item = WatchHit> {
        let hits = std::mem::take(&mut self.hits).into_iter();
        let pc = VirtAddr::new(pc);
        hits.map(move |hit| WatchHit { hart, pc, ..hit })
    }

    /// Drops the hits.
    pub(crate) fn clear_hits(&mut self) {
        self.hits.clear();
    }
}

/// The little-endian value of `len` bytes from `start` on, at most 8 of them.
fn value(bytes: &[u8], start: usize, len: usize) -> u64 {
    let part = bytes.iter().skip(start).take(len.min(8));
    part.rev().fold(0, |all, &byte| all << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(kind: WatchKind, access: Access, address: u64, new: &[u8]) -> Vec<(u64, u64, u64)> {
        let mut watchpoints = Watchpoints::default();
        let point = |address, len| Watchpoint {
            address: PhysAddr::new(address),
            len,
            kind,
        };
        watchpoints.set(vec![point(0x10, 4), point(0x13, 0), point(u64::MAX - 3, 4)]);
        watchpoints.check(access, PhysAddr::new(address), None, new);
        let hits = watchpoints.take_hits(3, 5);
        hits.map(|hit| (hit.address.get(), hit.len, hit.new))
            .collect()
    }

    #[test]
    fn an_overlapping_access_is_a_hit() {
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
            let hits = hits(kind, access, 0x10, &[0]);
            assert_eq!(!hits.is_empty(), seen, "{kind:?} {access:?}");
        }
    }
}
