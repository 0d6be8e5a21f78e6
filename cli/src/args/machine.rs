//! The options of a machine, with the names that QEMU's users know.

use std::path::PathBuf;

use anyhow::Context;
use rr::host::disk::DriveOptions;
use rr::host::net::NetdevOptions;
use rr::host::serial::Backend;
use rr::recording::options::{Bios, IcountOptions, MachineOptions, fresh_seed, parse_memory};
use rr::run::images::default_bios;

/// Options of the machine.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// RAM: a number of MiB, or a size such as 512M or 2G
    #[arg(short, long, value_name = "SIZE", default_value = "128M", value_parser = parse_memory)]
    memory: u64,

    /// Number of harts, 1 to 8
    #[arg(long, value_name = "N", default_value_t = 1)]
    smp: u8,

    /// Varies length and order of the harts' turns, to bring out races: the same SEED, the same run
    #[arg(long, value_name = "SEED")]
    chaos: Option<u64>,

    /// Firmware: an ELF file or a flat binary, loaded at the start of RAM; `none`: the kernel
    /// starts in machine mode; `builtin`: the machine serves the kernel's SBI calls (the default
    /// for Linux)
    #[arg(long, value_name = "FILE|none|builtin")]
    bios: Option<Bios>,

    /// Kernel: an ELF file, a Linux Image, or raw:FILE for a flat binary that firmware starts
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Initial RAM disk for the kernel
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,

    /// Command line for the kernel
    #[arg(
        long,
        value_name = "STRING",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,

    /// A disk; `record` never changes the file
    #[arg(
        long,
        value_name = "file=FILE[,format=raw|qcow2][,id=ID][,readonly=on|off]"
    )]
    drive: Vec<DriveOptions>,

    /// A network adapter. With `user`, the guest reaches what this host reaches, and at 10.0.2.2
    /// the services of this host itself, those too that listen at 127.0.0.1 alone;
    /// user,restrict=on: nothing
    #[arg(
        long,
        value_name = "user[,hostfwd=tcp:127.0.0.1:PORT-:PORT]|unix:PATH[,server]|none"
    )]
    netdev: Vec<NetdevOptions>,

    /// Virtual time: one instruction takes 2^N ns (0 to 10, default 2); sleep=on (the default) lets
    /// an idle guest sleep in real time, sleep=off skips to its next timer
    #[arg(long, value_name = "shift=N[,sleep=on|off]")]
    icount: Option<IcountOptions>,

    /// All entropy that the guest gets comes from this: 64 hexadecimal digits; by default fresh.
    /// Recordings that are to be compared want the same
    #[arg(long, value_name = "HEX", value_parser = rng_seed)]
    rng_seed: Option<String>,
}

fn rng_seed(text: &str) -> Result<String, String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("`{text}`: expected 64 hexadecimal digits")),
    }
}

/// The option of the serial port.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct SerialArgs {
    /// Where the serial port leads: stdio (on a terminal, Ctrl-A x ends the run), null, file:PATH
    /// (output alone), unix:PATH (connects), unix:PATH,server=on (waits for a client; with
    /// ,wait=off clients come and go, and what is said to nobody is dropped), pty
    #[arg(long, value_name = "BACKEND", default_value = "stdio")]
    pub(crate) serial: Backend,
}

impl MachineArgs {
    /// The options as the engine's type, with a fresh seed for the guest's entropy.
    pub(crate) fn options(&self) -> anyhow::Result<MachineOptions> {
        let raw = self
            .kernel
            .as_deref()
            .and_then(|kernel| kernel.to_str()?.strip_prefix("raw:").map(PathBuf::from));
        let kernel = raw.clone().or_else(|| self.kernel.clone());
        let bios = self
            .bios
            .clone()
            .unwrap_or_else(|| default_bios(kernel.as_deref()));
        Ok(MachineOptions {
            memory: self.memory,
            harts: self.smp,
            chaos: self.chaos,
            bios,
            raw_kernel: raw.is_some(),
            kernel,
            initrd: self.initrd.clone(),
            append: self.append.clone(),
            drives: self.drive.clone(),
            netdevs: self.netdev.clone(),
            icount: self.icount.unwrap_or_default(),
            rng_seed: match &self.rng_seed {
                Some(seed) => seed.clone(),
                None => fresh_seed().context("the host gives no entropy for the guest")?,
            },
        })
    }
}
