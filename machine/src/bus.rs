//! The physical address space: RAM, the boot ROM, and the devices of QEMU's `virt` board.

use crate::board::{self, Fixed, Part};
use crate::device::clint::Clint;
use crate::device::goldfish_rtc::GoldfishRtc;
use crate::device::htif::{Effect, Htif};
use crate::device::plic::Plic;
use crate::device::test_finisher::{Request, TestFinisher};
use crate::device::uart16550::Uart16550;
use crate::device::{AccessError, Context, Device};
use crate::inputs::Halted;
use crate::probe::Accessor;
use crate::ram::Ram;
use crate::units::PhysAddr;
use crate::virtio::{VirtioConfig, VirtioMmio, read_empty};
use serde::{Deserialize, Serialize};

pub use crate::board::{RAM_BASE, ROM_BASE};

/// Why a bus access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusError {
    /// No register is at the address, or it does not have the access size: an access fault.
    Fault,
    /// The engine stopped the machine during the access.
    Halted,
}

/// All devices of the board. Their whole state is in these fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// CLINT: software and timer interrupts.
    pub clint: Clint,
    /// PLIC: external interrupts.
    pub plic: Plic,
    /// UART: serial port 0.
    pub uart: Uart16550,
    /// Real-time clock.
    pub rtc: GoldfishRtc,
    /// Test finisher: power-off and reset.
    pub finisher: TestFinisher,
    /// HTIF (host-target interface), if the guest has its symbols.
    pub htif: Option<Htif>,
    /// The request that the guest made through HTIF and that the run loop has not taken.
    pub htif_exit: Option<Request>,
    /// Virtio devices, indexed by slot.
    pub virtio: Vec<VirtioMmio>,
}

impl Devices {
    /// The devices at power-on, for `harts` harts. `virtio` fills the slots from slot 0 on.
    pub fn new(harts: u8, htif: Option<Htif>, virtio: &[VirtioConfig]) -> Self {
        let harts = usize::from(harts);
        Self {
            clint: Clint::new(harts),
            plic: Plic::new(harts),
            uart: Uart16550::new(0),
            rtc: GoldfishRtc::new(),
            finisher: TestFinisher::new(),
            htif,
            htif_exit: None,
            virtio: virtio
                .iter()
                .take(board::VIRTIO_SLOTS.into())
                .map(VirtioMmio::new)
                .collect(),
        }
    }

    /// Whether both belong to the same board: the same devices, for the same number of harts.
    pub(crate) fn same_board(&self, other: &Self) -> bool {
        let parts = |devices: &Self| {
            let Self { clint, plic, .. } = devices;
            let harts = [clint.msip.len(), clint.mtimecmp.len(), plic.targets.len()];
            (harts, plic.priority.len(), devices.htif.is_some())
        };
        let mut slots = self.virtio.iter().zip(&other.virtio);
        parts(self) == parts(other)
            && self.virtio.len() == other.virtio.len()
            && slots.all(|(one, other)| one.same_kind(other))
    }

    fn fixed(&mut self, device: Fixed) -> &mut dyn Device {
        match device {
            Fixed::Finisher => &mut self.finisher,
            Fixed::Rtc => &mut self.rtc,
            Fixed::Clint => &mut self.clint,
            Fixed::Plic => &mut self.plic,
            Fixed::Uart => &mut self.uart,
        }
    }

    fn all_fixed(&self) -> [&dyn Device; 5] {
        let Self {
            finisher,
            rtc,
            clint,
            plic,
            uart,
            ..
        } = self;
        [finisher, rtc, clint, plic, uart]
    }

    /// Resets all devices to their power-on state.
    pub(crate) fn reset(&mut self) {
        for device in Fixed::ALL {
            self.fixed(device).reset();
        }
        for device in &mut self.virtio {
            device.reset();
        }
        if let Some(htif) = &mut self.htif {
            htif.reset();
        }
    }

    /// Whether a store of `size` bytes to RAM at `address` is a command for HTIF.
    pub(crate) fn is_htif_store(&self, address: PhysAddr, size: usize) -> bool {
        // A guest that stores 32-bit halves stores the upper half last.
        self.htif.as_ref().is_some_and(|htif| {
            let upper = htif.tohost().saturating_add(4);
            address < upper.saturating_add(4) && upper < address.saturating_add(size as u64)
        })
    }

    /// The earliest virtual time (ns) at which a device must be called; `None` if none is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let fixed = self.all_fixed().into_iter().filter_map(Device::deadline);
        let virtio = self.virtio.iter().filter_map(VirtioMmio::deadline);
        fixed.chain(virtio).min()
    }

    /// Calls the devices whose deadline has passed.
    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        for device in Fixed::ALL {
            let device = self.fixed(device);
            if device.deadline().is_some_and(|due| due <= cx.now) {
                device.tick(cx)?;
            }
        }
        Ok(())
    }

    /// Sends the bytes that the UART has buffered.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        self.uart.flush(cx)
    }

    /// Copies the devices' interrupt lines to the PLIC.
    pub(crate) fn route_interrupts(&mut self) {
        for device in Fixed::ALL {
            if let Some(source) = device.row().source {
                let level = self.fixed(device).irq();
                self.plic.set_level(source, level);
            }
        }
        for (slot, device) in (0..).zip(&self.virtio) {
            if let Some(source) = board::virtio(slot).and_then(|row| row.source) {
                self.plic.set_level(source, device.irq());
            }
        }
    }

    /// Takes the guest's request for power-off, reset or the like.
    pub(crate) fn take_request(&mut self) -> Option<Request> {
        self.finisher.take_request().or(self.htif_exit.take())
    }
}

/// Everything that a hart can address.
#[derive(Debug, Clone)]
pub struct Bus {
    /// RAM, from [`RAM_BASE`] on.
    pub ram: Ram,
    /// Boot ROM, from [`ROM_BASE`] on.
    pub rom: Vec<u8>,
    /// The memory-mapped devices.
    pub devices: Devices,
}

impl Bus {
    /// The `len` bytes at `address` if all of them are in RAM or in the boot ROM. It has no side
    /// effect.
    pub fn memory(&self, address: PhysAddr, len: usize) -> Option<&[u8]> {
        if let Some(offset) = address.checked_sub(RAM_BASE) {
            return self.ram.get(offset, len);
        }
        let start = usize::try_from(address.checked_sub(ROM_BASE)?).ok()?;
        self.rom.get(start..start.checked_add(len)?)
    }

    /// Reads from a device or the boot ROM.
    pub(crate) fn read(
        &mut self,
        address: PhysAddr,
        size: u8,
        cx: &mut Context<'_>,
    ) -> Result<u64, BusError> {
        if let Some(bytes) = self.memory(address, usize::from(size)) {
            let mut value = [0; 8];
            value[..bytes.len()].copy_from_slice(bytes);
            return Ok(u64::from_le_bytes(value));
        }
        let (part, offset) = board::find(address, size).ok_or(BusError::Fault)?;
        let answer = match part {
            Part::Fixed(device) => self.devices.fixed(device).read(offset, size, cx),
            Part::Virtio(slot) => match self.devices.virtio.get_mut(usize::from(slot)) {
                Some(device) => device.read(offset, size),
                None => read_empty(offset, size),
            },
        };
        // A device register that does not exist reads as zero, as on QEMU's board.
        lenient(answer, 0)
    }

    /// Writes to a device. A write to the boot ROM is an access fault.
    pub(crate) fn write(
        &mut self,
        address: PhysAddr,
        size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), BusError> {
        let (part, offset) = board::find(address, size).ok_or(BusError::Fault)?;
        let answer = match part {
            Part::Fixed(device) => self.devices.fixed(device).write(offset, size, value, cx),
            Part::Virtio(slot) => match self.devices.virtio.get_mut(usize::from(slot)) {
                Some(device) => self.ram.accessed_by(Accessor::Virtio { slot }, |ram| {
                    device.write(offset, size, value, ram, cx)
                }),
                None => Ok(()),
            },
        };
        lenient(answer, ())
    }

    /// Calls the devices whose deadline has passed, and the virtio devices that wait for memory.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        self.devices.tick(cx)?;
        for (slot, device) in (0..).zip(&mut self.devices.virtio) {
            let by = Accessor::Virtio { slot };
            self.ram.accessed_by(by, |ram| device.tick(ram, cx))?;
        }
        Ok(())
    }

    /// Handles a store to `tohost` that has just happened.
    pub(crate) fn htif_stored(&mut self, cx: &mut Context<'_>) -> Result<(), Halted> {
        let Some(htif) = &mut self.devices.htif else {
            return Ok(());
        };
        let word = htif
            .tohost()
            .checked_sub(RAM_BASE)
            .and_then(|at| self.ram.get(at, 8));
        let Some(word) = word.and_then(|bytes| bytes.first_chunk()) else {
            return Ok(());
        };
        let effect = htif.store(u64::from_le_bytes(*word), cx)?;
        // Clear `tohost` whatever the command was, so that the guest can send the next one.
        let tohost = htif.tohost().wrapping_sub(RAM_BASE);
        self.ram.write_for(Accessor::Htif, tohost, &[0; 8]);
        if let Effect::Unsupported {
            device: 0,
            request: 0,
            payload,
        } = effect
        {
            return self.htif_call(PhysAddr::new(payload), cx);
        }
        self.htif_effect(effect);
        Ok(())
    }

    /// Serves an HTIF system call whose arguments are at physical address `arguments`.
    fn htif_call(&mut self, arguments: PhysAddr, cx: &mut Context<'_>) -> Result<(), Halted> {
        let Some(htif) = &mut self.devices.htif else {
            return Ok(());
        };
        let ram = &self.ram;
        let memory = |at: PhysAddr, len| Some(ram.get(at.checked_sub(RAM_BASE)?, len)?.to_vec());
        let result = htif.write_call(arguments, memory, cx)?;
        if let Some(result) = result {
            let at = arguments.wrapping_sub(RAM_BASE);
            self.ram
                .write_for(Accessor::Htif, at, &result.to_le_bytes());
            self.htif_effect(Effect::Answer(1));
        }
        Ok(())
    }

    /// Delivers bytes to the UART, or to the HTIF console if the guest uses that.
    pub(crate) fn serial_input(&mut self, data: &[u8], now: u64) {
        match &mut self.devices.htif {
            Some(htif) if htif.console_used() => {
                let effect = htif.push_input(data);
                self.htif_effect(effect);
            }
            _ => self.devices.uart.push_input(data, now),
        }
    }

    fn htif_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Answer(word) => {
                let fromhost = self.devices.htif.as_ref().and_then(Htif::fromhost);
                if let Some(fromhost) = fromhost {
                    let at = fromhost.wrapping_sub(RAM_BASE);
                    self.ram.write_for(Accessor::Htif, at, &word.to_le_bytes());
                }
            }
            Effect::Exit(request) => self.devices.htif_exit = Some(request),
            Effect::None | Effect::Unsupported { .. } => {}
        }
    }
}

fn lenient<T>(result: Result<T, AccessError>, absent: T) -> Result<T, BusError> {
    match result {
        Ok(value) => Ok(value),
        Err(AccessError::InvalidRegister) => Ok(absent),
        Err(AccessError::InvalidAccessSize) => Err(BusError::Fault),
        Err(AccessError::Halted(_)) => Err(BusError::Halted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Moment;
    use crate::units::{Icount, VirtAddr};
    use crate::virtio::ConsoleConfig;
    use crate::virtio::testing::Outside;

    const FIRST: u64 = 0x1000_1000;

    fn bus() -> Bus {
        let virtio = [VirtioConfig::Console(ConsoleConfig { port: 1 })];
        Bus {
            ram: Ram::new(1 << 16).unwrap(),
            rom: Vec::new(),
            devices: Devices::new(1, None, &virtio),
        }
    }

    fn context(inputs: &mut Outside) -> Context<'_> {
        let at = Moment {
            icount: Icount::ZERO,
            hart: 0,
            pc: VirtAddr::new(0),
        };
        Context { now: 0, at, inputs }
    }

    #[test]
    fn eight_virtio_slots() {
        let (mut bus, mut inputs) = (bus(), Outside::default());
        let mut read = |at, size| bus.read(PhysAddr::new(at), size, &mut context(&mut inputs));
        for slot in 0..8 {
            let base = FIRST + 0x1000 * slot;
            assert_eq!(read(base, 4), Ok(0x7472_6976));
            let id = if slot == 0 { 3 } else { 0 };
            assert_eq!(read(base + 8, 4), Ok(id));
            assert_eq!(read(base + 8, 1), Ok(0), "registers are words");
            assert_eq!(read(base + 0x1ff, 1), Ok(0));
            assert_eq!(read(base + 0x200, 1), Err(BusError::Fault));
            assert_eq!(read(base + 0x1fc, 8), Err(BusError::Fault));
        }
        assert_eq!(read(FIRST + 0x8000, 4), Err(BusError::Fault));
    }

    #[test]
    fn a_virtio_device_interrupts_through_the_plic() {
        let (mut bus, mut inputs) = (bus(), Outside::default());
        let mut write = |bus: &mut Bus, at, value| {
            let at = PhysAddr::new(at);
            let done = bus.write(at, 4, value, &mut context(&mut inputs));
            assert_eq!(done, Ok(()));
        };
        // Set the priority and enable the source for hart 0 in M-mode; then make a queue invalid.
        write(&mut bus, 0xc00_0004, 1);
        write(&mut bus, 0xc00_2000, 2);
        for status in [3, 11, 15] {
            write(&mut bus, FIRST + 0x70, status);
        }
        bus.devices.route_interrupts();
        assert!(!bus.devices.plic.external(0));
        write(&mut bus, FIRST + 0x44, 1);
        bus.devices.route_interrupts();
        assert!(bus.devices.plic.external(0));
        bus.devices.reset();
        bus.devices.route_interrupts();
        assert!(!bus.devices.plic.external(0));
    }
}
