//! Memory for code: written through one mapping, executed through another, and never both (W^X).

use memmap2::{Mmap, MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

/// Bytes of code; pages that were never used cost nothing.
pub(super) const SIZE: usize = 24 << 20;

/// Code at fixed addresses, filled from the start and emptied as a whole.
#[derive(Debug)]
pub(super) struct Arena {
    code: Mmap,
    data: MmapMut,
    used: usize,
}

impl Arena {
    /// An empty arena; `None` where the host maps no such memory.
    pub(super) fn new() -> Option<Self> {
        let file = memfd_create("rr-jit", MemfdFlags::CLOEXEC).ok()?;
        ftruncate(&file, SIZE as u64).ok()?;
        let mut options = MmapOptions::new();
        options.len(SIZE);
        // SAFETY: the file is anonymous and dropped here, so only these two mappings reach it. Bytes
        // of `code` are never read through the slice that `Mmap` lends: they are executed alone.
        let (code, data) = unsafe { (options.map_exec(&file), options.map_mut(&file)) };
        Some(Self {
            code: code.ok()?,
            data: data.ok()?,
            used: 0,
        })
    }

    /// Address at which the first byte executes.
    pub(super) fn base(&self) -> usize {
        self.code.as_ptr() as usize
    }

    /// Address at which what is pushed next will execute.
    pub(super) fn next(&self) -> usize {
        self.base() + self.used
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Whether `len` more bytes fit.
    pub(super) fn fits(&self, len: usize) -> bool {
        len <= SIZE - self.used
    }

    /// Adds code, assembled for [`Arena::next`]; false where it does not fit.
    pub(super) fn push(&mut self, code: &[u8]) -> bool {
        let Some(to) = self.data.get_mut(self.used..self.used + code.len()) else {
            return false;
        };
        to.copy_from_slice(code);
        self.used += code.len();
        true
    }

    /// Makes the jump whose 32-bit displacement is at offset `at` lead to offset `target`.
    pub(super) fn set_jump(&mut self, at: usize, target: usize) {
        let from = at as i64 + 4;
        let displacement = (target as i64 - from) as i32;
        if let Some(field) = self.data.get_mut(at..at + 4) {
            field.copy_from_slice(&displacement.to_le_bytes());
        }
    }

    /// Forgets all code from offset `keep` on.
    pub(super) fn truncate(&mut self, keep: usize) {
        self.used = self.used.min(keep);
    }
}
