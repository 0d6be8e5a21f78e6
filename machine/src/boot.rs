//! From images to a load plan: what lies where in RAM at power-on, and where the harts start.
//! Images come as bytes; the engine reads the files.
//!
//! Placement is that of QEMU's `virt`: firmware at the start of RAM; a flat kernel at the next 2
//! MiB behind it, an ELF file where it says; the initial RAM disk half-way up, at most 512 MiB
//! behind the kernel; the device tree near the top of RAM below 3 GiB. Where RAM is too small for
//! that, pieces move together before the plan fails.

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

/// What is to be booted, on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootConfig<'a> {
    /// Physical address of RAM.
    pub ram_base: PhysAddr,
    /// Bytes of RAM.
    pub ram_size: u64,
    /// Firmware: an ELF file or a flat binary.
    pub bios: Option<&'a [u8]>,
    /// Kernel: an ELF file, a Linux `Image`, or a flat binary that firmware starts.
    pub kernel: Option<&'a [u8]>,
    /// Takes the kernel as a flat binary, whatever it looks like (`--kernel raw:FILE`).
    pub raw_kernel: bool,
    /// The machine is its own firmware ([`crate::Config::sbi`]), so the kernel is one for
    /// supervisor mode and lies where it would behind firmware. Nothing lies below it.
    pub sbi: bool,
    /// Initial RAM disk.
    pub initrd: Option<&'a [u8]>,
    /// The kernel's command line.
    pub append: &'a str,
    /// Number of harts, from 1.
    pub harts: u32,
    /// What their MMU can do, for the device tree.
    pub mmu: MmuType,
    /// Entropy for the guest; a recording keeps it.
    pub rng_seed: [u8; 32],
    /// Virtio slots to list in the device tree.
    pub virtio_slots: &'a [u8],
}

impl BootConfig<'_> {
    /// One hart with `ram_size` bytes of RAM at the address of the board, and nothing to run.
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

/// A range of RAM and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What it belongs to.
    pub part: Part,
    /// Physical address.
    pub addr: PhysAddr,
    /// Its first bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Bytes in memory, at least those of `bytes`; the others are zeros.
    pub len: u64,
}

impl Segment<'_> {
    /// Its physical addresses.
    #[must_use]
    pub fn range(&self) -> Range<PhysAddr> {
        self.addr..self.addr.saturating_add(self.len)
    }
}

/// Where everything goes. No two segments overlap, and all are in RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlan<'a> {
    /// The content of RAM, the device tree included.
    pub segments: Vec<Segment<'a>>,
    /// Physical address to which the boot ROM jumps: of the firmware, or of the kernel without one.
    pub entry: PhysAddr,
    /// Physical address at which firmware starts the kernel.
    pub kernel_entry: Option<PhysAddr>,
    /// Physical addresses of the initial RAM disk.
    pub initrd: Option<Range<PhysAddr>>,
    /// Physical address of the device tree.
    pub fdt_addr: PhysAddr,
    /// Physical address of the ELF symbol `tohost`, of the kernel or else of the firmware.
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

/// Makes the plan.
///
/// # Errors
/// [`BootError`] names the option that is wrong, and where RAM is too small, a size that suffices.
pub fn plan<'a>(config: &BootConfig<'a>) -> Result<BootPlan<'a>, BootError> {
    place(config).map_err(|mut error| {
        if let Some(remedy) = error.remedy() {
            *remedy = enough_memory(config);
        }
        error
    })
}

/// The smallest power of two, in MiB up to 1 TiB, with which the plan succeeds.
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
