//! The options of a machine, as `machine.json` holds them.

use crate::error::OptionFault;
use crate::host::disk::{DriveOptions, check_names};
use crate::host::net::{NetdevKind, NetdevOptions};
use machine::board::VIRTIO_SLOTS;
use machine::virtio::{NetConfig, RngConfig, VirtioConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The least RAM of a machine, in bytes: room for a device tree and a little more.
const MIN_MEMORY: u64 = 1 << 20;
/// The largest number of harts.
const MAX_HARTS: u8 = 8;
/// The hardware address of the first network adapter, as in QEMU. Further adapters count up from
/// it.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// The machine's settings: everything that defines it but the content of its images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineOptions {
    /// Bytes of RAM.
    pub memory: u64,
    /// Number of harts, 1 to 8.
    pub harts: u8,
    /// The seed of chaos mode, which varies the harts' turns. `None`: fixed turns.
    pub chaos: Option<u64>,
    /// Firmware.
    pub bios: Bios,
    /// Kernel.
    pub kernel: Option<PathBuf>,
    /// True if the kernel is a flat binary, even if it looks like an ELF file.
    pub raw_kernel: bool,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub append: String,
    /// Disks, in the order of the command line.
    pub drives: Vec<DriveOptions>,
    /// Network adapters, in the order of the command line.
    pub netdevs: Vec<NetdevOptions>,
    /// The relation of virtual time to executed instructions.
    pub icount: IcountOptions,
    /// Entropy for the guest, 64 hexadecimal digits.
    pub rng_seed: String,
}

impl Default for MachineOptions {
    /// A machine without images, whose entropy has a seed of zeroes.
    fn default() -> Self {
        Self {
            memory: 128 << 20,
            harts: 1,
            chaos: None,
            bios: Bios::None,
            kernel: None,
            raw_kernel: false,
            initrd: None,
            append: String::new(),
            drives: Vec::new(),
            netdevs: Vec::new(),
            icount: IcountOptions::default(),
            rng_seed: "0".repeat(64),
        }
    }
}

/// The firmware, which runs before the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bios {
    /// No firmware: the guest starts in machine mode.
    None,
    /// No firmware: the machine itself serves the kernel's SBI calls.
    Builtin,
    /// The firmware in this file.
    File(PathBuf),
}

impl std::str::FromStr for Bios {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            "builtin" => Self::Builtin,
            file => Self::File(file.into()),
        })
    }
}

/// The relation of virtual time to executed instructions (QEMU's `-icount`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IcountOptions {
    /// One instruction takes 2^shift ns, 0 to 10.
    pub shift: u8,
    /// True if idle time passes as on the host, false if it is skipped.
    pub sleep: bool,
}

impl Default for IcountOptions {
    /// Shift 2, 4 ns an instruction: about the interpreter's speed.
    fn default() -> Self {
        Self {
            shift: 2,
            sleep: true,
        }
    }
}

impl std::str::FromStr for IcountOptions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut icount = Self::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("shift", "auto")) => {
                    return Err(
                        "shift=auto follows the host's speed and cannot be replayed; \
                                give a number from 0 to 10"
                            .into(),
                    );
                }
                Some(("shift", value)) => {
                    icount.shift = value
                        .parse()
                        .ok()
                        .filter(|shift| *shift <= machine::clock::Clock::MAX_SHIFT)
                        .ok_or_else(|| format!("shift={value}: expected a number from 0 to 10"))?;
                }
                Some(("sleep", "on")) => icount.sleep = true,
                Some(("sleep", "off")) => icount.sleep = false,
                _ => return Err(format!("`{part}`: expected shift=N and sleep=on|off")),
            }
        }
        Ok(icount)
    }
}

/// Parses a memory size as QEMU does: a number of MiB, or a number with K, M, G or T. Returns
/// bytes.
///
/// # Errors
/// A text that says which values are valid.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "K" | "KB" | "KIB" => 1 << 10,
        "" | "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return Err(format!("`{text}`: expected a size such as 256M or 1G")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}`: expected a size such as 256M or 1G"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}`: more than 64 bits can address"))
}

impl MachineOptions {
    /// Checks the settings, as far as that is possible without the images.
    ///
    /// # Errors
    /// The setting that is not valid.
    pub fn check(&self) -> Result<(), OptionFault> {
        let memory = self.memory;
        if memory < MIN_MEMORY {
            return Err(OptionFault::MemoryTooSmall { bytes: memory });
        }
        let host = rustix::system::sysinfo();
        let total = host.totalram as u64 * u64::from(host.mem_unit.max(1));
        if memory > total {
            return Err(OptionFault::MemoryTooLarge {
                asked: memory >> 20,
                has: total >> 20,
            });
        }
        let (shift, most) = (self.icount.shift, machine::clock::Clock::MAX_SHIFT);
        if shift > most {
            return Err(OptionFault::Shift { shift, most });
        }
        let seed = self.seed().ok_or(OptionFault::Seed)?;
        if !(1..=MAX_HARTS).contains(&self.harts) {
            return Err(OptionFault::Harts {
                found: self.harts,
                most: MAX_HARTS,
            });
        }
        let slots = self.drives.len() + self.devices(&seed).len();
        if slots > VIRTIO_SLOTS.into() {
            // The user does not know of the slot for entropy, which every machine has.
            return Err(OptionFault::Devices {
                found: slots - 1,
                most: usize::from(VIRTIO_SLOTS) - 1,
            });
        }
        check_names(&self.drives)?;
        match (&self.kernel, &self.bios) {
            (Some(_), _) | (None, Bios::File(_)) => Ok(()),
            (None, _) => Err(OptionFault::NothingToRun),
        }
    }

    /// The guest's network adapters.
    pub fn adapters(&self) -> impl Iterator<Item = &NetdevOptions> {
        let present = |netdev: &&NetdevOptions| netdev.kind != NetdevKind::None;
        self.netdevs.iter().filter(present)
    }

    /// The devices that have no image, in the order of their slots, which come after those of the
    /// disks. The order is part of recordings: a new device goes to the end.
    pub(crate) fn devices(&self, seed: &[u8; 32]) -> Vec<VirtioConfig> {
        let adapters = self.adapters().enumerate().map(|(place, _)| {
            // `check` refuses more adapters than there are slots.
            let adapter = u8::try_from(place).unwrap_or(u8::MAX);
            let mut mac = MAC;
            mac[5] = mac[5].wrapping_add(adapter);
            VirtioConfig::Net(NetConfig { adapter, mac })
        });
        // A key derived from the seed, because the seed itself is in the device tree.
        let seed = blake3::derive_key("rr 2026-11-22 seed of the virtio entropy device", seed);
        let entropy = [VirtioConfig::Rng(RngConfig { seed })];
        adapters.chain(entropy).collect()
    }

    /// The seed of the guest's entropy.
    pub(crate) fn seed(&self) -> Option<[u8; 32]> {
        let digits = self.rng_seed.as_bytes();
        if digits.len() != 64 || !self.rng_seed.is_ascii() {
            return None;
        }
        let mut seed = [0; 32];
        for (byte, digits) in seed.iter_mut().zip(self.rng_seed.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(seed)
    }
}

/// A fresh seed for the entropy of a recording's guest, as `machine.json` holds it.
///
/// # Errors
/// If the host's generator fails.
pub fn fresh_seed() -> std::io::Result<String> {
    let mut seed = [0u8; 32];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
    Ok(seed.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_sizes() {
        assert_eq!(parse_memory("256"), Ok(256 << 20));
        assert_eq!(parse_memory("256M"), Ok(256 << 20));
        assert_eq!(parse_memory("1g"), Ok(1 << 30));
        assert_eq!(parse_memory("512KiB"), Ok(512 << 10));
        for wrong in ["", "M", "1.5G", "-1", "1X", "99999999999T"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    /// Every device that gets a slot counts, but for the one of entropy. The order is part of
    /// recordings.
    #[test]
    fn devices_and_their_slots() {
        let with = |drives: usize, adapters: usize| MachineOptions {
            drives: vec!["file=disk.raw".parse().unwrap(); drives],
            netdevs: vec!["user".parse().unwrap(); adapters],
            ..MachineOptions::default()
        };
        for (drives, adapters) in [(0, 7), (4, 3), (7, 0)] {
            let fault = with(drives, adapters).check();
            assert!(
                !matches!(fault, Err(OptionFault::Devices { .. })),
                "{fault:?}"
            );
        }
        for (drives, adapters) in [(0, 8), (4, 4), (8, 0), (1, 300)] {
            let (found, most) = (drives + adapters, 7);
            let fault = with(drives, adapters).check();
            assert_eq!(fault, Err(OptionFault::Devices { found, most }));
        }
        let mut options = with(1, 2);
        options.netdevs.insert(1, "none".parse().unwrap());
        let devices = options.devices(&[0; 32]);
        let net = |adapter| {
            let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + adapter];
            VirtioConfig::Net(NetConfig { adapter, mac })
        };
        assert_eq!(devices[..2], [net(0), net(1)]);
        assert!(
            matches!(devices[2..], [VirtioConfig::Rng(_)]),
            "{devices:?}"
        );
    }

    #[test]
    fn icount_options() {
        assert_eq!(
            "shift=7,sleep=off".parse(),
            Ok(IcountOptions {
                shift: 7,
                sleep: false
            })
        );
        for wrong in [
            "",
            "shift",
            "shift=11",
            "shift=auto",
            "sleep=maybe",
            "align=on",
        ] {
            assert!(wrong.parse::<IcountOptions>().is_err(), "{wrong}");
        }
    }
}
