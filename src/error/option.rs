//! Settings of a machine that are not valid.

use crate::host::disk::DriveOptionsError;

/// Why a machine with these settings cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionFault {
    /// Too little RAM.
    #[error("{bytes} bytes are too few; at least 1M")]
    MemoryTooSmall {
        /// The size that was set, in bytes.
        bytes: u64,
    },
    /// More RAM than the host can give.
    #[error("{asked}M is more than this host has ({has}M)")]
    MemoryTooLarge {
        /// The size that was set, in MiB.
        asked: u64,
        /// The host's memory, in MiB.
        has: u64,
    },
    /// The time of an instruction is too long.
    #[error("shift={shift}: expected a number from 0 to {most}")]
    Shift {
        /// The shift that was set: an instruction takes 2^shift ns.
        shift: u8,
        /// The largest shift.
        most: u8,
    },
    /// The seed of the guest's entropy is not 64 hexadecimal digits.
    #[error("is not 64 hexadecimal digits")]
    Seed,
    /// No hart, or too many harts.
    #[error("{found} harts; expected 1 to {most}")]
    Harts {
        /// The number that was set.
        found: u8,
        /// The largest number.
        most: u8,
    },
    /// More devices than the machine has slots.
    #[error("{found} disks and networks; at most {most}")]
    Devices {
        /// The number that was set.
        found: usize,
        /// The largest number.
        most: usize,
    },
    /// Two drives have one name.
    #[error(transparent)]
    DriveNames(#[from] DriveOptionsError),
    /// The machine has neither a kernel nor firmware.
    #[error("nothing to run; name a kernel, or firmware")]
    NothingToRun,
}

impl OptionFault {
    /// The setting's name in `machine.json`.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::MemoryTooSmall { .. } | Self::MemoryTooLarge { .. } => "memory",
            Self::Shift { .. } => "icount",
            Self::Seed => "rng_seed",
            Self::Harts { .. } => "harts",
            Self::Devices { .. } | Self::DriveNames(_) => "drives",
            Self::NothingToRun => "kernel",
        }
    }
}
