//! The machine: all of its state in one place, from power-on to digest.

use crate::bus::{Bus, Devices, RAM_BASE, ROM_BASE};
use crate::clock::Clock;
use crate::cpu::{BlockCache, Hart, Tlb};
use crate::device::htif::Htif;
use crate::ram::Ram;
use crate::virtio::VirtioConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use xxhash_rust::xxh3::xxh3_128;

/// What lies in memory when the machine is switched on or reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerOn {
    /// Bytes of RAM: physical address and content.
    pub segments: Vec<(u64, Vec<u8>)>,
    /// The boot ROM, at [`ROM_BASE`].
    pub rom: Vec<u8>,
    /// Physical addresses of `tohost` and `fromhost`, where the guest has the host-target interface.
    pub htif: Option<(u64, Option<u64>)>,
}

/// The fixed properties of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Bytes of RAM.
    pub ram_size: u64,
    /// One instruction takes 2^shift ns of virtual time.
    pub shift: u8,
    /// What sits in the virtio-mmio slots, from the first on; eight at most.
    pub virtio: Vec<VirtioConfig>,
}

/// The whole machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) icount: u64,
    pub(crate) clock: Clock,
    pub(crate) hart: Hart,
    pub(crate) bus: Bus,
    pub(crate) tlb: Box<Tlb>,
    pub(crate) blocks: BlockCache,
    /// Set from outside to make a run end soon, at an instruction count of no meaning.
    pub(crate) kick: Arc<AtomicBool>,
    power_on: PowerOn,
}

/// All state but RAM, as it goes into digests.
#[derive(Serialize)]
struct State<'a> {
    icount: u64,
    clock: &'a Clock,
    hart: &'a Hart,
    devices: &'a Devices,
}

impl Machine {
    /// A machine at power-on. Segments outside RAM are cut off: the caller has checked them.
    pub fn new(config: &Config, power_on: PowerOn) -> Self {
        let htif = power_on
            .htif
            .map(|(tohost, fromhost)| Htif::new(tohost, fromhost));
        let mut ram = Ram::new(config.ram_size);
        if let Some((tohost, _)) = power_on.htif {
            ram.watch_for_device(tohost.wrapping_sub(RAM_BASE));
        }
        let mut machine = Self {
            icount: 0,
            clock: Clock::new(config.shift),
            hart: Hart::new(0, ROM_BASE),
            bus: Bus {
                ram,
                rom: power_on.rom.clone(),
                devices: Devices::new(1, htif),
            },
            tlb: Tlb::new(),
            blocks: BlockCache::new(),
            kick: Arc::default(),
            power_on,
        };
        machine.load();
        machine
    }

    /// Resets harts and devices and loads the images anew; other RAM keeps its content, and time
    /// goes on.
    pub fn reset(&mut self) {
        self.hart = Hart::new(self.hart.id, ROM_BASE);
        self.bus.devices.reset();
        self.load();
    }

    fn load(&mut self) {
        for (address, bytes) in &self.power_on.segments {
            self.bus.ram.write(address.wrapping_sub(RAM_BASE), bytes);
        }
        self.drop_caches();
    }

    /// Uses `kick` as the flag that ends a run soon: it is looked at between two blocks of
    /// instructions, so that what the engine then does can fall on nearly any instruction.
    pub fn set_kick(&mut self, kick: Arc<AtomicBool>) {
        self.kick = kick;
    }

    /// Forgets decoded blocks and cached translations. The guest cannot tell.
    pub fn drop_caches(&mut self) {
        self.blocks.clear();
        self.tlb.flush();
        self.bus.ram.unwatch_tables();
    }

    /// Instructions executed since power-on, trapping ones included.
    pub fn icount(&self) -> u64 {
        self.icount
    }

    /// The state of hart `id`.
    pub fn hart(&self, id: u8) -> Option<&Hart> {
        (id == self.hart.id).then_some(&self.hart)
    }

    /// The address space.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The digest of the whole state: equal states have equal digests, on any host.
    pub fn digest(&mut self) -> u128 {
        let state = State {
            icount: self.icount,
            clock: &self.clock,
            hart: &self.hart,
            devices: &self.bus.devices,
        };
        // Plain data without maps or sequences of unknown length: serialising it cannot fail.
        let bytes = postcard::to_stdvec(&state).unwrap_or_default();
        let ram = self.bus.ram.digest();
        self.tlb.flush_stores();
        xxh3_128(&[bytes.as_slice(), &ram.to_le_bytes()].concat())
    }
}
