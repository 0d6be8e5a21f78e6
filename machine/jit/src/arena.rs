//! Memory for translated code. It has one mapping to write and another to execute (W^X).

use memmap2::{Mmap, MmapMut};

/// Code at fixed addresses. The arena is filled from the start and emptied as a whole.
#[derive(Debug)]
pub(crate) struct Arena {
    code: Mmap,
    data: MmapMut,
    used: usize,
}

impl Arena {
    /// An empty arena of `size` bytes. Untouched pages use no memory. `None` if the host cannot map
    /// it.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let (code, data) = map(size)?;
        Some(Self {
            code,
            data,
            used: 0,
        })
    }

    /// The address at which the first byte is executed.
    pub(crate) fn base(&self) -> usize {
        self.code.as_ptr() as usize
    }

    /// Number of bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Whether `len` more bytes fit.
    pub(crate) fn fits(&self, len: usize) -> bool {
        len <= self.data.len() - self.used
    }

    /// Appends code that was assembled for the end of the used part. Returns false if it does not
    /// fit.
    pub(crate) fn push(&mut self, code: &[u8]) -> bool {
        let end = self.used + code.len();
        let Some(to) = self.data.get_mut(self.used..end) else {
            return false;
        };
        to.copy_from_slice(code);
        self.used = end;
        true
    }

    /// Overwrites the code at offset `at`.
    pub(crate) fn patch(&mut self, at: usize, code: &[u8]) {
        if let Some(to) = self.data.get_mut(at..at + code.len()) {
            to.copy_from_slice(code);
        }
    }

    /// The code from offset `at` on, in the writable mapping.
    pub(crate) fn written(&self, at: usize, len: usize) -> &[u8] {
        self.data.get(at..at + len).unwrap_or_default()
    }

    /// Drops all code from offset `keep` on.
    pub(crate) fn truncate(&mut self, keep: usize) {
        self.used = self.used.min(keep);
    }
}

/// Maps the same memory twice: to execute and to write.
#[cfg(target_os = "linux")]
fn map(size: usize) -> Option<(Mmap, MmapMut)> {
    use memmap2::MmapOptions;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    let file = memfd_create("rr-jit", MemfdFlags::CLOEXEC).ok()?;
    ftruncate(&file, size as u64).ok()?;
    let mut options = MmapOptions::new();
    options.len(size);
    // SAFETY: the file is anonymous and dropped here, so only these two mappings reach it. The
    // bytes of `code` are never read through the slice of `Mmap`; they are only executed.
    let (code, data) = unsafe { (options.map_exec(&file), options.map_mut(&file)) };
    Some((code.ok()?, data.ok()?))
}

/// No mapping is implemented for other systems.
#[cfg(not(target_os = "linux"))]
fn map(_: usize) -> Option<(Mmap, MmapMut)> {
    None
}
