//! Placement of the images in RAM.

use crate::units::PhysAddr;
use std::borrow::Cow;
use std::ops::Range;

use super::elf::{self, Loaded, Piece};
use super::image::{Foreign, ImageKind, LinuxHeader, detect};
use super::{BootConfig, BootError, BootPlan, MIB, Part, Remedy, Segment};
use crate::fdt::{self, FdtConfig};

const PAGE: u64 = 4096;
/// The alignment of kernels, and of the devicetree blob if there is room: a megapage of Sv39.
const BIG_PAGE: u64 = 2 * MIB;
/// The devicetree blob stays below this address, for guests that use 32-bit pointers to it.
const FDT_LIMIT: PhysAddr = PhysAddr::new(3 * 1024 * MIB);
/// The largest distance from the kernel to the initial RAM disk, which keeps it in low memory.
const INITRD_GAP: u64 = 512 * MIB;

/// Plans the boot with the RAM size of `config`.
pub(super) fn place<'a>(config: &BootConfig<'a>) -> Result<BootPlan<'a>, BootError> {
    if config.initrd.is_some() && config.kernel.is_none() {
        return Err(BootError::InitrdWithoutKernel);
    }
    let mut room = Room {
        ram: config.ram(),
        segments: Vec::new(),
    };

    let firmware = config
        .bios
        .map(|bytes| load_firmware(config, bytes))
        .transpose()?;
    let mut kernel_base = config.ram_base;
    if let Some(firmware) = &firmware {
        let end = room.take(Part::Firmware, firmware)?;
        kernel_base = next_big_page(end);
    }
    if firmware.is_none() && config.sbi {
        kernel_base = config.ram_base.saturating_add(BIG_PAGE);
    }
    let kernel = config
        .kernel
        .map(|bytes| load_kernel(config, bytes, kernel_base))
        .transpose()?;
    let mut kernel_end = kernel_base;
    if let Some(kernel) = &kernel {
        kernel_end = room.take(Part::Kernel, kernel)?;
    }
    let Some(first) = firmware.as_ref().or(kernel.as_ref()) else {
        return Err(BootError::NothingToRun);
    };

    let mut tree = FdtConfig {
        harts: config.harts,
        mmu: config.mmu,
        ram: config.ram(),
        bootargs: config.append,
        // The size of the blob does not depend on addresses; they are known only after it is
        // placed.
        initrd: config
            .initrd
            .map(|_| PhysAddr::default()..PhysAddr::default()),
        rng_seed: config.rng_seed,
        virtio_slots: config.virtio_slots,
    };
    let fdt_len = fdt::build(&tree)?.len() as u64;
    let top = match room.ram.end {
        end if config.ram_base < FDT_LIMIT => end.min(FDT_LIMIT),
        end => end,
    };
    let highest = top.saturating_sub(fdt_len);
    let fdt_addr = room.find(
        Part::DeviceTree,
        fdt_len,
        &[highest.align_down(BIG_PAGE), highest.align_down(PAGE)],
    )?;
    room.segments.push(Segment {
        part: Part::DeviceTree,
        addr: fdt_addr,
        bytes: Cow::default(),
        len: fdt_len,
    });

    if let Some(bytes) = config.initrd {
        not_empty(Part::Initrd, bytes)?;
        let len = bytes.len() as u64;
        let kernel_start = kernel.as_ref().map_or(kernel_base, Loaded::start);
        let half_way = kernel_start.saturating_add((config.ram_size / 2).min(INITRD_GAP));
        let candidates = [
            half_way.align_down(PAGE),
            next_big_page(kernel_end),
            fdt_addr.saturating_sub(len).align_down(PAGE),
        ];
        let addr = room.find(Part::Initrd, len, &candidates)?;
        room.segments.push(Segment {
            part: Part::Initrd,
            addr,
            bytes: bytes.into(),
            len,
        });
        tree.initrd = Some(addr..addr + len);
    }
    let blob = fdt::build(&tree)?;
    for segment in room
        .segments
        .iter_mut()
        .filter(|s| s.part == Part::DeviceTree)
    {
        segment.bytes = Cow::Owned(blob.clone());
    }

    let htif = [&kernel, &firmware]
        .into_iter()
        .flatten()
        .find(|image| image.tohost.is_some());
    Ok(BootPlan {
        entry: first.entry,
        kernel_entry: kernel.as_ref().map(|kernel| kernel.entry),
        initrd: tree.initrd,
        fdt_addr,
        tohost: htif.and_then(|image| image.tohost),
        fromhost: htif.and_then(|image| image.fromhost),
        segments: room.segments,
    })
}

/// The first big page that does not begin below `end`; `end` where there is none.
fn next_big_page(end: PhysAddr) -> PhysAddr {
    let next = end.get().checked_next_multiple_of(BIG_PAGE);
    next.map_or(end, PhysAddr::new)
}

fn load_firmware<'a>(config: &BootConfig<'_>, bytes: &'a [u8]) -> Result<Loaded<'a>, BootError> {
    let part = Part::Firmware;
    match detect(bytes).map_err(|foreign| BootError::Foreign { part, foreign })? {
        ImageKind::Elf => elf::load(bytes, config.ram_base, config.ram_base)
            .map_err(|error| BootError::Elf { part, error }),
        // A Linux Image in this place must run in M-mode.
        ImageKind::LinuxImage => load_linux(part, bytes, config.ram_base, PhysAddr::default()),
        ImageKind::Raw => Ok(Loaded::flat(bytes, config.ram_base, 0)),
    }
}

fn load_kernel<'a>(
    config: &BootConfig<'_>,
    bytes: &'a [u8],
    base: PhysAddr,
) -> Result<Loaded<'a>, BootError> {
    let part = Part::Kernel;
    not_empty(part, bytes)?;
    if config.raw_kernel {
        return Ok(Loaded::flat(bytes, base, 0));
    }
    match detect(bytes).map_err(|foreign| BootError::Foreign { part, foreign })? {
        ImageKind::Elf => {
            elf::load(bytes, config.ram_base, base).map_err(|error| BootError::Elf { part, error })
        }
        ImageKind::LinuxImage => load_linux(part, bytes, config.ram_base, base),
        ImageKind::Raw if config.bios.is_none() && !config.sbi => {
            Err(BootError::UnknownKernel { start: base })
        }
        ImageKind::Raw => Ok(Loaded::flat(bytes, base, 0)),
    }
}

fn not_empty(part: Part, bytes: &[u8]) -> Result<(), BootError> {
    let foreign = Foreign {
        what: "empty",
        hint: "check how it was built or copied",
    };
    if bytes.is_empty() {
        Err(BootError::Foreign { part, foreign })
    } else {
        Ok(())
    }
}

/// Loads a Linux `Image` at the offset into RAM that its header names, but not below `lowest`.
fn load_linux(
    part: Part,
    bytes: &[u8],
    ram_base: PhysAddr,
    lowest: PhysAddr,
) -> Result<Loaded<'_>, BootError> {
    let truncated = Foreign {
        what: "a truncated Linux Image",
        hint: "copy or build it again",
    };
    let header = LinuxHeader::parse(bytes).ok_or(BootError::Foreign {
        part,
        foreign: truncated,
    })?;
    if header.big_endian {
        return Err(BootError::BigEndianImage(part));
    }
    let base = ram_base.saturating_add(header.text_offset).max(lowest);
    Ok(Loaded::flat(bytes, base, header.image_size))
}

impl<'a> Loaded<'a> {
    /// An image of one piece whose entry is its first byte. It has at least `memory` bytes in
    /// memory.
    fn flat(bytes: &'a [u8], addr: PhysAddr, memory: u64) -> Self {
        let len = memory.max(bytes.len() as u64);
        Self {
            pieces: vec![Piece { addr, bytes, len }],
            entry: addr,
            ..Self::default()
        }
    }

    fn start(&self) -> PhysAddr {
        self.pieces
            .iter()
            .map(|piece| piece.addr)
            .min()
            .unwrap_or(self.entry)
    }
}

/// RAM and the segments placed in it so far.
struct Room<'a> {
    ram: Range<PhysAddr>,
    segments: Vec<Segment<'a>>,
}

impl<'a> Room<'a> {
    /// Places the pieces of an image at their addresses. Returns the address after the last one.
    fn take(&mut self, part: Part, image: &Loaded<'a>) -> Result<PhysAddr, BootError> {
        for &Piece { addr, bytes, len } in &image.pieces {
            let end = addr.saturating_add(len);
            if addr < self.ram.start || end > self.ram.end {
                let (ram_start, ram_end) = (self.ram.start, self.ram.end);
                let remedy = Remedy::Relink;
                return Err(BootError::OutsideRam {
                    part,
                    start: addr,
                    end,
                    ram_start,
                    ram_end,
                    remedy,
                });
            }
            if let Some(other) = self.in_the_way(&(addr..end)) {
                let Range {
                    start: b_start,
                    end: b_end,
                } = other.range();
                let b = other.part;
                return Err(BootError::Overlap {
                    a: part,
                    a_start: addr,
                    a_end: end,
                    b,
                    b_start,
                    b_end,
                });
            }
            self.segments.push(Segment {
                part,
                addr,
                bytes: bytes.into(),
                len,
            });
        }
        let ends = self
            .segments
            .iter()
            .filter(|s| s.part == part)
            .map(|s| s.range().end);
        Ok(ends.max().unwrap_or(self.ram.start))
    }

    /// The first of the candidate addresses at which `len` bytes are free.
    fn find(&self, part: Part, len: u64, candidates: &[PhysAddr]) -> Result<PhysAddr, BootError> {
        let fits = |&&addr: &&PhysAddr| {
            let end = addr.saturating_add(len);
            addr >= self.ram.start && end <= self.ram.end && self.in_the_way(&(addr..end)).is_none()
        };
        let (ram_size, remedy) = (self.ram.end - self.ram.start, Remedy::Relink);
        let found = candidates.iter().find(fits).copied();
        found.ok_or(BootError::NoRoom {
            part,
            len,
            ram_size,
            remedy,
        })
    }

    fn in_the_way(&self, range: &Range<PhysAddr>) -> Option<&Segment<'a>> {
        self.segments.iter().find(|segment| {
            let other = segment.range();
            range.start < other.end && other.start < range.end
        })
    }
}
