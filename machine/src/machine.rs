//! The machine: all of its state, how it is powered on, and how it is reset.

use crate::bus::{Bus, Devices, RAM_BASE, ROM_BASE};
use crate::clock::Clock;
use crate::cpu::{BlockCache, Execution, Hart, Tlb};
use crate::device::htif::Htif;
use crate::probe::Probes;
use crate::ram::{OutOfMemory, Ram};
use crate::sbi;
use crate::schedule::Schedule;
use crate::units::{Icount, PhysAddr};
use crate::virtio::VirtioConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the board loads into memory at power-on and at reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerOn {
    /// Contents of RAM: the physical address of each segment and its bytes.
    pub segments: Vec<(PhysAddr, Vec<u8>)>,
    /// Contents of the boot ROM, which starts at [`ROM_BASE`].
    pub rom: Vec<u8>,
    /// Physical addresses of `tohost` and `fromhost`, if the guest uses HTIF (the host-target
    /// interface).
    pub htif: Option<(PhysAddr, Option<PhysAddr>)>,
    /// Physical address of hart 0's first instruction in S-mode. It is used only with
    /// [`Config::sbi`]; without it the boot ROM jumps to the firmware.
    pub entry: PhysAddr,
    /// Physical address of the devicetree blob. It is used only with [`Config::sbi`].
    pub fdt: PhysAddr,
}

/// The configuration of a machine. It does not change while the machine exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Size of RAM in bytes.
    pub ram_size: u64,
    /// Number of harts, 1 to [`Config::MAX_HARTS`].
    pub harts: u8,
    /// One instruction takes 2^`shift` ns of virtual time. The range is 0 to [`Clock::MAX_SHIFT`].
    pub shift: u8,
    /// The devices in the virtio-mmio slots, from slot 0 on; at most
    /// [`VIRTIO_SLOTS`](crate::board::VIRTIO_SLOTS).
    pub virtio: Vec<VirtioConfig>,
    /// The machine implements the SBI (RISC-V SBI specification 2.0) itself, and hart 0 starts in
    /// S-mode. There is no firmware.
    pub sbi: bool,
    /// Seed of the chaos schedule, which varies the length and the order of the harts' turns.
    /// `None`: the turns have a fixed length and go round.
    pub chaos: Option<u64>,
}

impl Config {
    /// The largest number of harts.
    pub const MAX_HARTS: u8 = 8;

    /// A machine with one hart, `ram_size` bytes of RAM, shift 0 (1 ns per instruction) and no
    /// virtio devices.
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

/// A whole machine: harts, memory, devices, clock and schedule.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) icount: Icount,
    pub(crate) clock: Clock,
    pub(crate) harts: Vec<Hart>,
    pub(crate) schedule: Schedule,
    pub(crate) bus: Bus,
    /// One per hart, in the order of the hart ids.
    pub(crate) tlbs: Vec<Box<Tlb>>,
    pub(crate) blocks: BlockCache,
    /// When it is set, the run ends at the next boundary between blocks. The icount of that
    /// boundary is not reproducible.
    pub(crate) kick: Arc<AtomicBool>,
    pub(crate) config: Config,
    pub(crate) power_on: PowerOn,
    /// Breakpoints, watchpoints and other probes. They are not part of the machine's state.
    pub(crate) probes: Probes,
}

impl Machine {
    /// Creates a machine at power-on.
    ///
    /// `config.harts` is clamped to 1 to [`Config::MAX_HARTS`]. A segment that does not lie in RAM
    /// is not loaded: the loader has checked them.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the host has no memory for the RAM.
    pub fn new(config: &Config, power_on: PowerOn) -> Result<Self, OutOfMemory> {
        let htif = power_on
            .htif
            .map(|(tohost, fromhost)| Htif::new(tohost, fromhost));
        let mut ram = Ram::new(config.ram_size)?;
        if let Some((tohost, _)) = power_on.htif {
            ram.mark_device(tohost.wrapping_sub(RAM_BASE));
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
        Ok(machine)
    }

    /// Resets harts and devices and loads the images again. The rest of RAM keeps its content, and
    /// the icount and virtual time go on.
    pub fn reset(&mut self) {
        self.probes.clear_stops();
        self.bus.ram.clear_watch_hits();
        for hart in &mut self.harts {
            *hart = Hart::new(hart.id, ROM_BASE.get());
        }
        self.schedule.restart(self.harts.len());
        self.bus.devices.reset();
        self.start();
    }

    /// Loads the images. With [`Config::sbi`] it also sets the registers that firmware would set.
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

    /// Replaces the kick flag, which ends a run early when it is set. The run loop reads it between
    /// two blocks of instructions, so a kick can end the run at nearly any instruction.
    pub fn set_kick(&mut self, kick: Arc<AtomicBool>) {
        self.kick = kick;
    }

    /// Selects how instructions are executed from now on: interpreter, block cache or JIT.
    pub fn set_execution(&mut self, execution: Execution) {
        self.drop_caches();
        self.blocks = BlockCache::new(execution);
    }

    /// Drops decoded blocks and cached address translations. The guest cannot observe this.
    pub fn drop_caches(&mut self) {
        self.blocks.clear();
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush());
        self.bus.ram.unmark_tables();
    }

    /// The configuration that the machine was created with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The icount: instructions executed since power-on, including those that raised an exception.
    pub fn icount(&self) -> Icount {
        self.icount
    }

    /// The hart with this id; `None` if the machine has no such hart.
    pub fn hart(&self, id: u8) -> Option<&Hart> {
        self.harts.get(usize::from(id))
    }

    /// All harts, in the order of their ids. The first id is 0.
    pub fn harts(&self) -> &[Hart] {
        &self.harts
    }

    /// The hart that has the current turn; [`Machine::moment`] reports the same one.
    pub(crate) fn current(&self) -> &Hart {
        &self.harts[self.schedule.current()]
    }

    /// The physical address space: RAM, boot ROM and devices.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
