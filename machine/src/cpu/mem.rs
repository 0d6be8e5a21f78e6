//! Loads, stores and fetches: the fast path through the TLB, and the slow path.

use super::mmu::access_fault;
use super::pmp::Access;
use super::tlb::{Kind, space};
use super::{Core, Mode, Trap, csr::mstatus};
use crate::bus::{BusError, RAM_BASE};
use crate::probe;
use crate::ram::PAGE;
use crate::units::PhysAddr;

/// The position of an instruction in its block, for the slow path.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Number of instructions before it in the block.
    pub(super) index: usize,
    /// Virtual address of the instruction.
    pub(super) pc: u64,
}

/// The source of the next instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// RAM at this offset. The page's translation is cached.
    Cached(u64),
    /// RAM at this offset, on a page with breakpoints. Each block must be checked.
    WithBreakpoints(u64),
    /// One instruction must be fetched with all checks: it is outside RAM, or its page cannot be
    /// cached.
    Alone,
}

impl Core<'_> {
    /// Recomputes which sets of the TLB the hart uses.
    pub(super) fn refresh_spaces(&mut self) {
        let sum = self.hart.csrs.mstatus & mstatus::SUM != 0;
        self.fetch_space = space(self.hart.mode, false);
        self.data_space = space(self.hart.data_mode(), sum);
    }

    /// Loads `N` bytes, zero-extended.
    #[inline(always)]
    pub(super) fn load<const N: usize>(&mut self, va: u64, at: At) -> Result<u64, Trap> {
        match self.tlbs.own.load(self.data_space, va, N as u64) {
            Some(offset) => Ok(extend(self.bus.ram.load::<N>(offset))),
            None => self.load_slow(va, N, at),
        }
    }

    /// Stores the low `N` bytes of `value`.
    #[inline(always)]
    pub(super) fn store<const N: usize>(
        &mut self,
        va: u64,
        value: u64,
        at: At,
    ) -> Result<(), Trap> {
        match self.tlbs.own.store(self.data_space, va, N as u64) {
            Some(offset) => {
                if let Some(bytes) = value.to_le_bytes().first_chunk::<N>() {
                    self.bus.ram.store(offset, *bytes);
                }
                Ok(())
            }
            None => self.store_slow(va, N, value, at),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_slow(&mut self, va: u64, size: usize, at: At) -> Result<u64, Trap> {
        let mut bytes = [0; 8];
        let in_page = PAGE - (va as usize & (PAGE - 1));
        if size > in_page {
            // Check both halves before the load of either. Both must be in RAM.
            let next = va.wrapping_add(in_page as u64);
            let low = self.ram_offset(va, in_page, Access::Load)?;
            let high = self.ram_offset(next, size - in_page, Access::Load)?;
            self.copy_out(low, &mut bytes[..in_page]);
            self.copy_out(high, &mut bytes[in_page..size]);
            self.check_load(low, in_page);
            self.check_load(high, size - in_page);
            return Ok(u64::from_le_bytes(bytes));
        }
        let physical = self.translate(va, size as u64, Access::Load, self.hart.data_mode())?;
        if let Some(offset) = self.ram_part(physical.address, size) {
            if physical.cacheable && self.bus.ram.loads_plain(offset) {
                self.tlbs.own.fill(Kind::Load, self.data_space, va, offset);
            }
            self.copy_out(offset, &mut bytes[..size]);
            self.check_load(offset, size);
            return Ok(u64::from_le_bytes(bytes));
        }
        if !va.is_multiple_of(size as u64) {
            return Err(access_fault(Access::Load, va));
        }
        self.leave = true;
        let address = PhysAddr::new(physical.address);
        let (bus, mut cx) = self.device_call(at);
        match bus.read(address, size as u8, &mut cx) {
            Ok(value) => {
                let bytes = &value.to_le_bytes()[..size];
                let ram = &mut self.bus.ram;
                ram.check_device_access(probe::Access::Read, address, bytes);
                Ok(value)
            }
            Err(BusError::Fault) => Err(access_fault(Access::Load, va)),
            Err(BusError::Halted) => Err(Trap::Halted),
        }
    }

    #[cold]
    #[inline(never)]
    fn store_slow(&mut self, va: u64, size: usize, value: u64, at: At) -> Result<(), Trap> {
        let bytes = value.to_le_bytes();
        let in_page = PAGE - (va as usize & (PAGE - 1));
        if size > in_page {
            let low = self.ram_offset(va, in_page, Access::Store)?;
            let next = va.wrapping_add(in_page as u64);
            let high = self.ram_offset(next, size - in_page, Access::Store)?;
            self.bus.ram.write(low, &bytes[..in_page]);
            self.bus.ram.write(high, &bytes[in_page..size]);
            self.leave |= self.bus.ram.caches_stale() || self.bus.ram.has_watch_hits();
            return Ok(());
        }
        let physical = self.translate(va, size as u64, Access::Store, self.hart.data_mode())?;
        if let Some(offset) = self.ram_part(physical.address, size) {
            self.bus.ram.write(offset, &bytes[..size]);
            if physical.cacheable && self.bus.ram.plain(offset) {
                self.bus.ram.note_stores(offset);
                self.tlbs.own.fill(Kind::Store, self.data_space, va, offset);
            }
            // A store to RAM may be a command for HTIF.
            if self
                .bus
                .devices
                .is_htif_store(PhysAddr::new(physical.address), size)
            {
                self.leave = true;
                let (bus, mut cx) = self.device_call(at);
                bus.htif_stored(&mut cx)?;
            }
            self.leave |= self.bus.ram.caches_stale() || self.bus.ram.has_watch_hits();
            return Ok(());
        }
        if !va.is_multiple_of(size as u64) {
            return Err(access_fault(Access::Store, va));
        }
        self.leave = true;
        let address = PhysAddr::new(physical.address);
        let (bus, mut cx) = self.device_call(at);
        match bus.write(address, size as u8, value, &mut cx) {
            Ok(()) => {
                let ram = &mut self.bus.ram;
                ram.check_device_access(probe::Access::Write, address, &bytes[..size]);
                Ok(())
            }
            Err(BusError::Fault) => Err(access_fault(Access::Store, va)),
            Err(BusError::Halted) => Err(Trap::Halted),
        }
    }

    /// Records a load of `len` bytes at a RAM offset that bypassed the TLB.
    pub(super) fn check_load(&mut self, offset: u64, len: usize) {
        self.bus.ram.check_load(offset, len);
        self.leave |= self.bus.ram.has_watch_hits();
    }

    /// The RAM offset of an access within one page. An access to a device is an access fault.
    pub(super) fn ram_offset(&mut self, va: u64, len: usize, access: Access) -> Result<u64, Trap> {
        let physical = self.translate(va, len as u64, access, self.hart.data_mode())?;
        self.ram_part(physical.address, len)
            .ok_or(access_fault(access, va))
    }

    /// Finds the source of the instructions at `pc`.
    #[inline(always)]
    pub(super) fn fetch_offset(&mut self, pc: u64) -> Result<Fetched, Trap> {
        match self.tlbs.own.fetch(self.fetch_space, pc) {
            Some(offset) => Ok(Fetched::Cached(offset as u64)),
            None => self.fetch_slow(pc),
        }
    }

    #[cold]
    #[inline(never)]
    fn fetch_slow(&mut self, pc: u64) -> Result<Fetched, Trap> {
        let guarded = self.page_has_breakpoints(pc);
        if guarded && self.stops_before(pc) {
            return Err(Trap::Stopped);
        }
        let physical = self.translate(pc, 2, Access::Fetch, self.hart.mode)?;
        // The page-table walk stored to a watched range. Execute one instruction, which reports it.
        if self.bus.ram.has_watch_hits() {
            return Ok(Fetched::Alone);
        }
        match self.ram_part(physical.address, 2) {
            Some(offset) if physical.cacheable && guarded => Ok(Fetched::WithBreakpoints(offset)),
            Some(offset) if physical.cacheable => {
                self.tlbs
                    .own
                    .fill(Kind::Fetch, self.fetch_space, pc, offset);
                Ok(Fetched::Cached(offset))
            }
            // The protection must be checked at each fetch.
            _ => Ok(Fetched::Alone),
        }
    }

    /// Fetches 16 bits of an instruction from RAM or the boot ROM.
    pub(super) fn fetch_half(&mut self, va: u64) -> Result<u16, Trap> {
        if let Some(offset) = self.tlbs.own.fetch(self.fetch_space, va) {
            return Ok(u16::from_le_bytes(self.bus.ram.load(offset)));
        }
        let mode: Mode = self.hart.mode;
        let physical = self.translate(va, 2, Access::Fetch, mode)?;
        self.bus
            .memory(PhysAddr::new(physical.address), 2)
            .and_then(|bytes| bytes.first_chunk::<2>())
            .map(|bytes| u16::from_le_bytes(*bytes))
            .ok_or(access_fault(Access::Fetch, va))
    }

    fn ram_part(&self, address: u64, len: usize) -> Option<u64> {
        let offset = address.checked_sub(RAM_BASE.get())?;
        (offset.checked_add(len as u64)? <= self.bus.ram.size()).then_some(offset)
    }

    fn copy_out(&self, offset: u64, to: &mut [u8]) {
        if let Some(bytes) = self.bus.ram.get(offset, to.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

#[inline(always)]
fn extend<const N: usize>(bytes: [u8; N]) -> u64 {
    let mut all = [0; 8];
    all[..N].copy_from_slice(&bytes);
    u64::from_le_bytes(all)
}
