//! Errors of a boot plan. Each message names the command-line option and a remedy.

use crate::units::PhysAddr;
use std::fmt;

use super::elf::ElfError;
use super::image::Foreign;
use crate::fdt::FdtError;

/// The images that the boot plan places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Firmware (`--bios`).
    Firmware,
    /// Kernel (`--kernel`).
    Kernel,
    /// Initial RAM disk (`--initrd`).
    Initrd,
    /// Devicetree blob, which the plan generates.
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

/// The remedy if an image does not fit into RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// RAM of this size in MiB is sufficient.
    Memory(u64),
    /// No RAM size is sufficient: the image must be linked to other addresses.
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

/// Why a machine cannot be booted with these images.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// There is neither firmware nor a kernel.
    #[error("there is nothing to run: give a kernel (--kernel FILE) or firmware (--bios FILE)")]
    NothingToRun,
    /// There is an initial RAM disk but no kernel.
    #[error("an initial RAM disk (--initrd) is for a kernel: give that too (--kernel FILE)")]
    InitrdWithoutKernel,
    /// A file has a format that the machine cannot load.
    #[error("the {part} {foreign}")]
    Foreign {
        /// The image.
        part: Part,
        /// The format of the file, and a hint.
        foreign: Foreign,
    },
    /// An ELF file cannot be loaded.
    #[error("the {part} {error}")]
    Elf {
        /// The image.
        part: Part,
        /// The error of the ELF file.
        error: ElfError,
    },
    /// A Linux `Image` is for a big-endian machine.
    #[error("the {0} is a big-endian Linux Image; the machine is little-endian")]
    BigEndianImage(Part),
    /// The kernel has an unknown format, and there is no firmware to start it.
    #[error(
        "the kernel (--kernel) is neither an ELF file nor a Linux Image; if it is a flat binary, \
         say --kernel raw:FILE to start it at {start:#x}, or give the firmware that starts it \
         (--bios FILE)"
    )]
    UnknownKernel {
        /// The physical address at which it would be loaded.
        start: PhysAddr,
    },
    /// An image is not completely within RAM.
    #[error(
        "the {part} takes the addresses {start:#x} to {end:#x}, and RAM is from {ram_start:#x} to \
         {ram_end:#x}; {remedy}"
    )]
    OutsideRam {
        /// The image.
        part: Part,
        /// Its first physical address.
        start: PhysAddr,
        /// The physical address after its end.
        end: PhysAddr,
        /// The first physical address of RAM.
        ram_start: PhysAddr,
        /// The physical address after the end of RAM.
        ram_end: PhysAddr,
        /// The remedy.
        remedy: Remedy,
    },
    /// No gap in RAM is large enough for an image that may be placed anywhere.
    #[error("there is no room for the {part} of {len} bytes in {ram_size} bytes of RAM; {remedy}")]
    NoRoom {
        /// The image.
        part: Part,
        /// Its size in bytes.
        len: u64,
        /// Size of RAM in bytes.
        ram_size: u64,
        /// The remedy.
        remedy: Remedy,
    },
    /// Two segments overlap.
    #[error(
        "the {a} at {a_start:#x} to {a_end:#x} overlaps the {b} at {b_start:#x} to {b_end:#x}; \
         link or choose one of them differently"
    )]
    Overlap {
        /// One image.
        a: Part,
        /// Its first physical address.
        a_start: PhysAddr,
        /// The physical address after its end.
        a_end: PhysAddr,
        /// The other image. It may be the same one.
        b: Part,
        /// Its first physical address.
        b_start: PhysAddr,
        /// The physical address after its end.
        b_end: PhysAddr,
    },
    /// The devicetree blob cannot be built.
    #[error(transparent)]
    Fdt(#[from] FdtError),
}

impl BootError {
    /// The remedy of an error that more RAM may mend, to be filled in.
    pub(super) fn remedy(&mut self) -> Option<&mut Remedy> {
        match self {
            Self::OutsideRam { remedy, .. } | Self::NoRoom { remedy, .. } => Some(remedy),
            _ => None,
        }
    }
}
