//! Settings of a machine that cannot be.

use crate::host::disk::DriveOptionsError;

/// Why a machine with these settings cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionFault {
    /// Too little RAM.
    #[error("{bytes} bytes are too few; at least 1M")]
    MemoryTooSmall {
        /// What was asked for, in bytes.
        bytes: u64,
    },
    /// More RAM than the host has.
    #[error("{asked}M is more than this host has ({has}M)")]
    MemoryTooLarge {
        /// What was asked for, in MiB.
        asked: u64,
        /// What the host has, in MiB.
        has: u64,
    },
    /// An instruction would take too long.
    #[error("shift={shift}: expected a number from 0 to {most}")]
    Shift {
        /// What was asked for: an instruction takes 2^shift ns.
        shift: u8,
        /// The largest.
        most: u8,
    },
    /// The entropy for the guest is none.
    #[error("is not 64 hexadecimal digits")]
    Seed,
    /// No hart, or too many.
    #[error("{found} harts; expected 1 to {most}")]
    Harts {
        /// What was asked for.
        found: u8,
        /// The most.
        most: u8,
    },
    /// More devices than there are slots.
    #[error("{found} disks and networks; at most {most}")]
    Devices {
        /// What was asked for.
        found: usize,
        /// The most.
        most: usize,
    },
    /// Two drives have one name.
    #[error(transparent)]
    DriveNames(#[from] DriveOptionsError),
    /// Neither a kernel nor firmware.
    #[error("nothing to run; name a kernel, or firmware")]
    NothingToRun,
}

impl OptionFault {
    /// The setting, as `machine.json` names it.
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
