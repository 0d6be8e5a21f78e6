//! The boot plan: computes from images what RAM holds at power-on and where the harts start. Images
//! are bytes here; the engine reads the files.
//!
//! Placement follows QEMU's `virt`. Firmware is at the start of RAM. A flat kernel is at the next 2
//! MiB boundary after it, and an ELF file at its own addresses. The initial RAM disk is half-way up
//! in RAM, at most 512 MiB above the kernel. The devicetree blob is near the top of RAM, below 3
//! GiB. If RAM is too small for that, the pieces are moved closer together before the plan fails.

mod elf;
mod error;
mod image;
mod place;
mod rom;

use crate::units::PhysAddr;
use std::borrow::Cow;
use std::ops::Range;

pub use elf::ElfError;
pub use error::{BootError, Part, Remedy};
pub use image::{Foreign, ImageKind, detect};
pub use rom::reset_rom;

use crate::PowerOn;
use crate::fdt::MmuType;
use place::place;

const MIB: u64 = 1 << 20;

/// The images to boot and the machine that boots them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootConfig<'a> {
    /// Physical address of RAM.
    pub ram_base: PhysAddr,
    /// Size of RAM in bytes.
    pub ram_size: u64,
    /// Firmware: an ELF file or a flat binary.
    pub bios: Option<&'a [u8]>,
    /// Kernel: an ELF file, a Linux `Image`, or a flat binary. Only firmware can start a flat
    /// binary.
    pub kernel: Option<&'a [u8]>,
    /// Loads the kernel as a flat binary without a look at its format (`--kernel raw:FILE`).
    pub raw_kernel: bool,
    /// The machine implements the SBI itself ([`crate::Config::sbi`]). Then the kernel runs in
    /// S-mode, is placed as it would be after firmware, and no firmware is loaded.
    pub sbi: bool,
    /// Initial RAM disk (initrd).
    pub initrd: Option<&'a [u8]>,
    /// Kernel command line (`/chosen/bootargs`).
    pub append: &'a str,
    /// Number of harts, at least 1.
    pub harts: u32,
    /// The MMU that the devicetree reports for each hart.
    pub mmu: MmuType,
    /// Entropy for the guest (`/chosen/rng-seed`). A recording keeps it.
    pub rng_seed: [u8; 32],
    /// Virtio-mmio slots to list in the devicetree.
    pub virtio_slots: &'a [u8],
}

impl BootConfig<'_> {
    /// A configuration of one hart and `ram_size` bytes of RAM at the board's address, without
    /// images.
    #[must_use]
    pub fn new(ram_size: u64) -> Self {
        Self {
            ram_base: crate::bus::RAM_BASE,
            ram_size,
            bios: None,
            kernel: None,
            raw_kernel: false,
            sbi: false,
            initrd: None,
            append: "",
            harts: 1,
            mmu: MmuType::default(),
            rng_seed: [0; 32],
            virtio_slots: &[],
        }
    }

    fn ram(&self) -> Range<PhysAddr> {
        self.ram_base..self.ram_base.saturating_add(self.ram_size)
    }
}

/// A range of RAM and its content at power-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The image that it belongs to.
    pub part: Part,
    /// Physical address of the first byte.
    pub addr: PhysAddr,
    /// Its first bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Size in memory in bytes, at least `bytes.len()`. The bytes after `bytes` are zero.
    pub len: u64,
}

impl Segment<'_> {
    /// Its range of physical addresses.
    #[must_use]
    pub fn range(&self) -> Range<PhysAddr> {
        self.addr..self.addr.saturating_add(self.len)
    }
}

/// The address of every image. No two segments overlap, and all of them are in RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlan<'a> {
    /// The content of RAM, including the devicetree blob.
    pub segments: Vec<Segment<'a>>,
    /// Physical address to which the boot ROM jumps: the entry of the firmware, or of the kernel if
    /// there is no firmware.
    pub entry: PhysAddr,
    /// Physical address to which firmware jumps to start the kernel; `None` without firmware or
    /// kernel.
    pub kernel_entry: Option<PhysAddr>,
    /// Physical address range of the initial RAM disk.
    pub initrd: Option<Range<PhysAddr>>,
    /// Physical address of the devicetree blob.
    pub fdt_addr: PhysAddr,
    /// Physical address of the ELF symbol `tohost` (HTIF), from the kernel or else the firmware.
    pub tohost: Option<PhysAddr>,
    /// Physical address of the ELF symbol `fromhost` of the same file.
    pub fromhost: Option<PhysAddr>,
}

impl BootPlan<'_> {
    /// The content of the boot ROM.
    #[must_use]
    pub fn rom(&self) -> Vec<u8> {
        reset_rom(self.entry, self.fdt_addr, self.kernel_entry)
    }
}

impl From<BootPlan<'_>> for PowerOn {
    fn from(plan: BootPlan<'_>) -> Self {
        let (rom, htif) = (
            plan.rom(),
            plan.tohost.map(|tohost| (tohost, plan.fromhost)),
        );
        let (entry, fdt) = (plan.entry, plan.fdt_addr);
        let mut segments = Vec::new();
        for Segment {
            addr, bytes, len, ..
        } in plan.segments
        {
            let in_file = bytes.len();
            let zeros = usize::try_from(len)
                .unwrap_or(usize::MAX)
                .saturating_sub(in_file);
            segments.push((addr, bytes.into_owned()));
            if zeros > 0 {
                segments.push((addr + in_file as u64, vec![0; zeros]));
            }
        }
        Self {
            segments,
            rom,
            htif,
            entry,
            fdt,
        }
    }
}

/// Plans the boot.
///
/// # Errors
/// [`BootError`] names the option that is wrong. If RAM is too small, it also names a sufficient
/// size.
pub fn plan<'a>(config: &BootConfig<'a>) -> Result<BootPlan<'a>, BootError> {
    place(config).map_err(|mut error| {
        if let Some(remedy) = error.remedy() {
            *remedy = enough_memory(config);
        }
        error
    })
}

/// The smallest sufficient RAM size: a power of two, in MiB, of at most 1 TiB.
fn enough_memory(config: &BootConfig<'_>) -> Remedy {
    let sizes = (0..=20)
        .map(|power| 1u64 << power)
        .filter(|mib| mib * MIB > config.ram_size);
    let works = |mib: &u64| {
        place(&BootConfig {
            ram_size: mib * MIB,
            ..config.clone()
        })
        .is_ok()
    };
    sizes
        .into_iter()
        .find(works)
        .map_or(Remedy::Relink, Remedy::Memory)
}

#[cfg(test)]
mod tests;
