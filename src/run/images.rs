//! The images that a machine starts from: firmware, kernel, initial RAM disk, disks.

use crate::error::{Error, OptionFault};
use crate::host::disk::{Disk, DriveOptions, FileIdentity, Writes};
use crate::host::map::MappedFile;
use crate::recording::options::{Bios, MachineOptions};
use crate::recording::{Image, LoadedImage, Recording};
use machine::boot::{self, BootConfig, ImageKind};
use machine::virtio::{BlockConfig, VirtioConfig};
use machine::{Config, Machine, PowerOn};
use std::path::Path;

/// The firmware if the user names none. A Linux kernel needs an SBI; other kernels start in machine
/// mode.
pub fn default_bios(kernel: Option<&Path>) -> Bios {
    // A file that cannot be read gives its error later.
    let linux = kernel
        .and_then(|path| MappedFile::open(path).ok())
        .is_some_and(|bytes| boot::detect(&bytes) == Ok(ImageKind::LinuxImage));
    if linux { Bios::Builtin } else { Bios::None }
}

/// A disk, as the guest will see it.
#[derive(Debug)]
struct Drive {
    capacity: u64,
    readonly: bool,
    name: String,
    /// The files of the image and its backing files, without their hashes.
    files: Vec<FileIdentity>,
}

/// The images of a machine, as they are before its first instruction.
#[derive(Debug)]
pub(crate) struct Images {
    bios: Option<LoadedImage>,
    kernel: Option<LoadedImage>,
    initrd: Option<LoadedImage>,
    drives: Vec<Drive>,
}

impl Images {
    /// Opens the images that the options name.
    pub(crate) fn open(options: &MachineOptions) -> Result<Self, Error> {
        let open =
            |role, path: Option<&Path>| path.map(|path| LoadedImage::open(role, path)).transpose();
        let bios = match &options.bios {
            Bios::File(path) => Some(path.as_path()),
            Bios::None | Bios::Builtin => None,
        };
        let drives = options.drives.iter().enumerate();
        Ok(Self {
            bios: open("bios", bios)?,
            kernel: open("kernel", options.kernel.as_deref())?,
            initrd: open("initrd", options.initrd.as_deref())?,
            drives: drives
                .map(|(place, drive)| Drive::look(drive, place))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Opens the images of a recording, and checks that they are the recorded ones unless `changed`
    /// allows others. The disks are open already; [`crate::run::verify_images`] checks them.
    pub(crate) fn of(recording: &Recording, changed: bool, disks: &[Disk]) -> Result<Self, Error> {
        let options = recording.manifest.machine.drives.iter().enumerate();
        Ok(Self {
            bios: recording.image("bios", changed)?,
            kernel: recording.image("kernel", changed)?,
            initrd: recording.image("initrd", changed)?,
            drives: options
                .zip(disks)
                .map(|((place, options), disk)| Drive::of(disk, options, place))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Makes the machine that starts from the images.
    pub(crate) fn machine(&self, options: &MachineOptions) -> Result<Machine, Error> {
        let seed = options.seed().ok_or(OptionFault::Seed)?;
        let virtio = self.virtio(options, &seed);
        let slots: Vec<u8> = (0u8..).zip(&virtio).map(|(slot, _)| slot).collect();
        let sbi = options.bios == Bios::Builtin;
        let boot = BootConfig {
            bios: bytes(&self.bios),
            kernel: bytes(&self.kernel),
            raw_kernel: options.raw_kernel,
            initrd: bytes(&self.initrd),
            append: &options.append,
            rng_seed: seed,
            harts: options.harts.into(),
            sbi,
            virtio_slots: &slots,
            ..BootConfig::new(options.memory)
        };
        let power_on = PowerOn::from(boot::plan(&boot)?);
        let config = Config {
            harts: options.harts,
            shift: options.icount.shift,
            virtio,
            sbi,
            chaos: options.chaos,
            ..Config::new(options.memory)
        };
        Ok(Machine::new(&config, power_on)?)
    }

    /// The virtio slots: the disks, then the devices without an image.
    fn virtio(&self, options: &MachineOptions, seed: &[u8; 32]) -> Vec<VirtioConfig> {
        let disks = (0u8..).zip(&self.drives).map(|(drive, disk)| {
            VirtioConfig::Block(BlockConfig {
                drive,
                size: disk.capacity,
                read_only: disk.readonly,
                serial: disk.name.chars().take(20).collect(),
            })
        });
        disks.chain(options.devices(seed)).collect()
    }

    /// The images as a recording's manifest names them.
    pub(crate) fn list(&self) -> Vec<Image> {
        let files = [&self.bios, &self.kernel, &self.initrd];
        let files = files
            .into_iter()
            .flatten()
            .map(|loaded| loaded.image.clone());
        let drives = self.drives.iter().enumerate();
        files
            .chain(drives.flat_map(|(place, drive)| named(place, drive.files.clone())))
            .collect()
    }
}

impl Drive {
    /// Reads the facts about an image, which is opened read-only.
    fn look(options: &DriveOptions, place: usize) -> Result<Self, Error> {
        let looked_at = DriveOptions {
            readonly: true,
            ..options.clone()
        };
        Self::of(&Disk::open(&looked_at, Writes::Image)?, options, place)
    }

    fn of(disk: &Disk, options: &DriveOptions, place: usize) -> Result<Self, Error> {
        Ok(Self {
            capacity: disk.capacity(),
            readonly: options.readonly,
            name: options.name(place),
            files: disk.look()?,
        })
    }
}

/// The files of the drive at this place, as a recording's manifest names them.
pub(crate) fn named(place: usize, files: Vec<FileIdentity>) -> impl Iterator<Item = Image> {
    let name = move |(depth, file): (usize, FileIdentity)| Image {
        role: match depth {
            0 => format!("drive {place}"),
            _ => format!("backing file {depth} of drive {place}"),
        },
        path: file.path,
        size: file.size,
        modified: Some(file.modified),
        blake3: file.blake3,
    };
    files.into_iter().enumerate().map(name)
}

fn bytes(image: &Option<LoadedImage>) -> Option<&[u8]> {
    image.as_ref().map(|image| &*image.bytes)
}
