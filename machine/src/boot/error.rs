//! What can be wrong with what is to be booted. Each message names the option and what to do.

use crate::units::PhysAddr;
use std::fmt;

use super::elf::ElfError;
use super::image::Foreign;
use crate::fdt::FdtError;

/// The things that are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `--bios`.
    Firmware,
    /// `--kernel`.
    Kernel,
    /// `--initrd`.
    Initrd,
    /// Generated.
    DeviceTree,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware (--bios)",
            Self::Kernel => "kernel (--kernel)",
            Self::Initrd => "initial RAM disk (--initrd)",
            Self::DeviceTree => "device tree",
        })
    }
}

/// What more RAM would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// This many MiB suffice.
    Memory(u64),
    /// No size does.
    Relink,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(mib) => write!(f, "-m {mib}M would suffice"),
            Self::Relink => f.write_str("more memory (-m) would not help"),
        }
    }
}

/// Why the machine cannot be booted like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// Neither firmware nor kernel.
    #[error("there is nothing to run: give a kernel (--kernel FILE) or firmware (--bios FILE)")]
    NothingToRun,
    /// An initial RAM disk and no kernel to use it.
    #[error("an initial RAM disk (--initrd) is for a kernel: give that too (--kernel FILE)")]
    InitrdWithoutKernel,
    /// A file of another kind.
    #[error("the {part} {foreign}")]
    Foreign {
        /// Which file.
        part: Part,
        /// What it is.
        foreign: Foreign,
    },
    /// An ELF file that cannot be loaded.
    #[error("the {part} {error}")]
    Elf {
        /// Which file.
        part: Part,
        /// What is wrong with it.
        error: ElfError,
    },
    /// A Linux `Image` for a big-endian machine.
    #[error("the {0} is a big-endian Linux Image; the machine is little-endian")]
    BigEndianImage(Part),
    /// A file of no known format as a kernel, and no firmware.
    #[error(
        "the kernel (--kernel) is neither an ELF file nor a Linux Image; if it is a flat binary, \
         say --kernel raw:FILE to start it at {start:#x}, or give the firmware that starts it \
         (--bios FILE)"
    )]
    UnknownKernel {
        /// Where it would be loaded.
        start: PhysAddr,
    },
    /// A piece is not in RAM.
    #[error(
        "the {part} takes the addresses {start:#x} to {end:#x}, and RAM is from {ram_start:#x} to \
         {ram_end:#x}; {remedy}"
    )]
    OutsideRam {
        /// Which file.
        part: Part,
        /// Its first address.
        start: PhysAddr,
        /// The address behind it.
        end: PhysAddr,
        /// The first address of RAM.
        ram_start: PhysAddr,
        /// The address behind RAM.
        ram_end: PhysAddr,
        /// What to do.
        remedy: Remedy,
    },
    /// There is no gap for a piece that may lie anywhere.
    #[error("there is no room for the {part} of {len} bytes in {ram_size} bytes of RAM; {remedy}")]
    NoRoom {
        /// What finds no room.
        part: Part,
        /// Its bytes.
        len: u64,
        /// Bytes of RAM.
        ram_size: u64,
        /// What to do.
        remedy: Remedy,
    },
    /// Two pieces want the same addresses.
    #[error(
        "the {a} at {a_start:#x} to {a_end:#x} overlaps the {b} at {b_start:#x} to {b_end:#x}; \
         link or choose one of them differently"
    )]
    Overlap {
        /// One file.
        a: Part,
        /// Its first address.
        a_start: PhysAddr,
        /// The address behind it.
        a_end: PhysAddr,
        /// The other file, or the same.
        b: Part,
        /// Its first address.
        b_start: PhysAddr,
        /// The address behind it.
        b_end: PhysAddr,
    },
    /// The device tree cannot be built.
    #[error(transparent)]
    Fdt(#[from] FdtError),
}

impl BootError {
    /// Where the remedy goes, if memory is what is wrong.
    pub(super) fn remedy(&mut self) -> Option<&mut Remedy> {
        match self {
            Self::OutsideRam { remedy, .. } | Self::NoRoom { remedy, .. } => Some(remedy),
            _ => None,
        }
    }
}
