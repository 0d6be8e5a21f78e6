//! The machine: all of its state in one place, from power-on to digest.

use crate::bus::{Bus, Devices, RAM_BASE, ROM_BASE};
use crate::clock::Clock;
use crate::cpu::{BlockCache, Execution, Hart, Tlb};
use crate::device::htif::Htif;
use crate::probe::Probes;
use crate::ram::Ram;
use crate::sbi;
use crate::schedule::Schedule;
use crate::units::{Icount, PhysAddr};
use crate::virtio::VirtioConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What lies in memory when the machine is switched on or reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerOn {
    /// Bytes of RAM: physical address and content.
    pub segments: Vec<(PhysAddr, Vec<u8>)>,
    /// The boot ROM, at [`ROM_BASE`].
    pub rom: Vec<u8>,
    /// Physical addresses of `tohost` and `fromhost`, where the guest has the host-target interface.
    pub htif: Option<(PhysAddr, Option<PhysAddr>)>,
    /// Physical address at which hart 0 starts in supervisor mode, where the machine is its own
    /// firmware ([`Config::sbi`]). Otherwise the ROM knows where to go.
    pub entry: PhysAddr,
    /// Physical address of the device tree, for the same case.
    pub fdt: PhysAddr,
}

/// The fixed properties of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Bytes of RAM.
    pub ram_size: u64,
    /// Number of harts, 1 to [`Config::MAX_HARTS`].
    pub harts: u8,
    /// One instruction takes 2^shift ns of virtual time.
    pub shift: u8,
    /// What sits in the virtio-mmio slots, from the first on; eight at most.
    pub virtio: Vec<VirtioConfig>,
    /// The machine serves calls from supervisor mode itself (RISC-V SBI specification 2.0), and starts
    /// hart 0 in that mode: there is no firmware.
    pub sbi: bool,
    /// Length and order of the harts' turns vary: the seed of how.
    pub chaos: Option<u64>,
}

impl Config {
    /// The most harts that there can be.
    pub const MAX_HARTS: u8 = 8;

    /// One hart with `ram_size` bytes of RAM, an instruction a nanosecond, and nothing else.
    pub fn new(ram_size: u64) -> Self {
        Self {
            ram_size,
            harts: 1,
            shift: 0,
            virtio: Vec::new(),
            sbi: false,
            chaos: None,
        }
    }
}

/// The whole machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) icount: Icount,
    pub(crate) clock: Clock,
    pub(crate) harts: Vec<Hart>,
    pub(crate) schedule: Schedule,
    pub(crate) bus: Bus,
    /// One a hart.
    pub(crate) tlbs: Vec<Box<Tlb>>,
    pub(crate) blocks: BlockCache,
    /// Set from outside to make a run end soon, at an instruction count of no meaning.
    pub(crate) kick: Arc<AtomicBool>,
    pub(crate) config: Config,
    pub(crate) power_on: PowerOn,
    /// What looks at execution: the debugger's, and no state of the machine.
    pub(crate) probes: Probes,
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
        let harts = config.harts.clamp(1, Config::MAX_HARTS);
        let tlbs = (0..harts).map(|_| Tlb::new(ram.size())).collect();
        let mut machine = Self {
            icount: Icount::ZERO,
            clock: Clock::new(config.shift),
            harts: (0..harts).map(|id| Hart::new(id, ROM_BASE.get())).collect(),
            schedule: Schedule::new(usize::from(harts), config.chaos),
            bus: Bus {
                ram,
                rom: power_on.rom.clone(),
                devices: Devices::new(harts, htif, &config.virtio),
            },
            tlbs,
            blocks: BlockCache::new(Execution::default()),
            kick: Arc::default(),
            config: config.clone(),
            power_on,
            probes: Probes::default(),
        };
        machine.start();
        machine
    }

    /// Resets harts and devices and loads the images anew; other RAM keeps its content, and time
    /// goes on.
    pub fn reset(&mut self) {
        self.probes.moved();
        self.bus.ram.forget_heard();
        for hart in &mut self.harts {
            *hart = Hart::new(hart.id, ROM_BASE.get());
        }
        self.schedule.restart(self.harts.len());
        self.bus.devices.reset();
        self.start();
    }

    /// Loads the images, and does what firmware would where there is none.
    fn start(&mut self) {
        if self.config.sbi {
            for hart in &mut self.harts {
                sbi::power_on(hart, self.power_on.entry, self.power_on.fdt);
            }
        }
        for (address, bytes) in &self.power_on.segments {
            self.bus.ram.place(address.wrapping_sub(RAM_BASE), bytes);
        }
        self.drop_caches();
    }

    /// Uses `kick` as the flag that ends a run soon: it is looked at between two blocks of
    /// instructions, so that what the engine then does can fall on nearly any instruction.
    pub fn set_kick(&mut self, kick: Arc<AtomicBool>) {
        self.kick = kick;
    }

    /// Says which tier executes from now on.
    pub fn set_execution(&mut self, execution: Execution) {
        self.drop_caches();
        self.blocks = BlockCache::new(execution);
    }

    /// Forgets decoded blocks and cached translations. The guest cannot tell.
    pub fn drop_caches(&mut self) {
        self.blocks.clear();
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush());
        self.bus.ram.unwatch_tables();
    }

    /// Its fixed properties.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Instructions executed since power-on, trapping ones included.
    pub fn icount(&self) -> Icount {
        self.icount
    }

    /// The state of hart `id`.
    pub fn hart(&self, id: u8) -> Option<&Hart> {
        self.harts.get(usize::from(id))
    }

    /// All harts, in the order of their ids, which count from 0.
    pub fn harts(&self) -> &[Hart] {
        &self.harts
    }

    /// The hart whose turn it is: the one that [`Machine::moment`] names.
    pub(crate) fn current(&self) -> &Hart {
        &self.harts[self.schedule.current()]
    }

    /// The address space.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
