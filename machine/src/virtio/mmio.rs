//! The MMIO transport (section 4.2, version 2), with the device status (section 2.1) and feature
//! negotiation (section 2.2).

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::Dma;
use super::queue::{Queue, feature};
use super::{Kind, VirtioConfig};
use crate::device::{AccessError, Context};
use crate::inputs::{Arrival, Halted};
use crate::ram::Ram;
use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET,
};
use virtio_bindings::virtio_mmio::*;

/// "virt".
const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VERSION: u32 = 2;
/// "QEMU". Some teaching kernels require it.
const VENDOR: u32 = u32::from_le_bytes(*b"QEMU");

/// A device in a virtio-mmio slot, with its whole state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtioMmio {
    pub(super) device: Kind,
    // Registers.
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    /// The features that the driver accepted.
    driver_features: u64,
    queue_sel: u32,
    interrupt_status: u32,
    config_generation: u32,
    queues: Vec<Queue>,
    // For messages only. A reset by the driver does not clear them.
    last_error: Option<DeviceError>,
    errors: u64,
}

/// Reads a register of an empty slot. The device ID is 0, which means that there is no device
/// (section 4.2.2).
pub(crate) fn read_empty(offset: u64, size: u8) -> Result<u64, AccessError> {
    match (u32::try_from(offset).unwrap_or(u32::MAX), size) {
        (VIRTIO_MMIO_MAGIC_VALUE, 4) => Ok(MAGIC.into()),
        (VIRTIO_MMIO_VERSION, 4) => Ok(VERSION.into()),
        (VIRTIO_MMIO_VENDOR_ID, 4) => Ok(VENDOR.into()),
        _ => Ok(0),
    }
}

fn set_half(whole: &mut u64, high: bool, value: u32) {
    let shift = u32::from(high) * 32;
    *whole = *whole & !(0xffff_ffff << shift) | u64::from(value) << shift;
}

impl VirtioMmio {
    /// Whether both are of the same device type.
    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.device) == std::mem::discriminant(&other.device)
            && self.queues.len() == other.queues.len()
    }

    /// Drops state that differs from the start between two recordings of the same machine.
    pub(crate) fn forget_seed(&mut self) {
        self.device.backend_mut().forget_seed();
    }

    /// A device in its power-on state.
    #[must_use]
    pub fn new(config: &VirtioConfig) -> Self {
        let device = Kind::new(config);
        let queues = device.backend().queues();
        Self {
            queues: queues.iter().map(|&max| Queue::new(max)).collect(),
            device,
            status: 0,
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            queue_sel: 0,
            interrupt_status: 0,
            config_generation: 0,
            last_error: None,
            errors: 0,
        }
    }

    /// The level of the interrupt line.
    #[must_use]
    pub fn irq(&self) -> bool {
        self.interrupt_status != 0
    }

    /// Whether DEVICE_NEEDS_RESET is set: the driver violated the specification and has not reset
    /// the device since.
    #[must_use]
    pub fn needs_reset(&self) -> bool {
        self.status & VIRTIO_CONFIG_S_NEEDS_RESET != 0
    }

    /// The last violation of the specification by the driver. A reset by the driver does not clear
    /// it.
    #[must_use]
    pub fn last_error(&self) -> Option<&DeviceError> {
        self.last_error.as_ref()
    }

    /// Number of violations of the specification by the driver since power-on.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The features offered to the driver.
    pub(super) fn offered(&self) -> u64 {
        let common = feature::VERSION_1 | feature::INDIRECT | feature::EVENT_IDX;
        self.device.backend().features() | common
    }

    /// Whether FEATURES_OK and DRIVER_OK are set and the device needs no reset.
    fn live(&self) -> bool {
        let mask =
            VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET;
        self.status & mask == VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK
    }

    /// Runs `act` on the device and its queues, if the driver is ready.
    fn work(
        &mut self,
        ram: &mut Ram,
        act: impl FnOnce(&mut dyn Backend, &mut Live<'_>) -> Result<(), Fault>,
    ) -> Result<(), Halted> {
        if !self.live() {
            return Ok(());
        }
        let mut live = Live {
            dma: Dma(ram),
            queues: &mut self.queues,
            features: self.driver_features,
            interrupt: false,
        };
        let outcome = act(self.device.backend_mut(), &mut live);
        if live.interrupt {
            self.interrupt_status |= VIRTIO_MMIO_INT_VRING;
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault::Halted(halted)) => Err(halted),
            Err(Fault::Broken(error)) => {
                self.fail(error);
                Ok(())
            }
        }
    }

    /// Sets DEVICE_NEEDS_RESET (section 2.1.2). The device does nothing until it is reset.
    fn fail(&mut self, error: DeviceError) {
        self.device.backend_mut().reset();
        self.last_error = Some(error);
        self.errors += 1;
        self.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        if self.status & VIRTIO_CONFIG_S_DRIVER_OK != 0 {
            self.config_generation = self.config_generation.wrapping_add(1);
            self.interrupt_status |= VIRTIO_MMIO_INT_CONFIG;
        }
    }

    /// Resets the device, for the driver or for the board.
    pub fn reset(&mut self) {
        self.device.backend_mut().reset();
        for queue in &mut self.queues {
            *queue = Queue::new(queue.max);
        }
        self.status = 0;
        self.device_features_sel = 0;
        self.driver_features_sel = 0;
        self.driver_features = 0;
        self.queue_sel = 0;
        self.interrupt_status = 0;
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::try_from(self.queue_sel).ok()?)
    }

    /// Reads `size` bytes at `offset` from the slot's base.
    ///
    /// # Errors
    /// [`AccessError`] if there is no register of that size at the offset.
    pub fn read(&mut self, offset: u64, size: u8) -> Result<u64, AccessError> {
        let offset = u32::try_from(offset).map_err(|_| AccessError::InvalidRegister)?;
        if let Some(at) = offset.checked_sub(VIRTIO_MMIO_CONFIG) {
            let bytes = self.device.backend().config().into_iter();
            let bytes = bytes.skip(at as usize).take(usize::from(size).min(8));
            let places = (0..).step_by(8);
            return Ok(places
                .zip(bytes)
                .map(|(bit, byte)| u64::from(byte) << bit)
                .sum());
        }
        if size != 4 {
            return Err(AccessError::InvalidRegister);
        }
        let value = match offset {
            VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            VIRTIO_MMIO_VERSION => VERSION,
            VIRTIO_MMIO_DEVICE_ID => self.device.backend().id(),
            VIRTIO_MMIO_VENDOR_ID => VENDOR,
            VIRTIO_MMIO_DEVICE_FEATURES => match self.device_features_sel {
                0 => self.offered() as u32,
                1 => (self.offered() >> 32) as u32,
                _ => 0,
            },
            VIRTIO_MMIO_QUEUE_NUM_MAX => self.queue().map_or(0, |queue| queue.max.into()),
            VIRTIO_MMIO_QUEUE_READY => self.queue().map_or(0, |queue| queue.ready.into()),
            VIRTIO_MMIO_INTERRUPT_STATUS => self.interrupt_status,
            VIRTIO_MMIO_STATUS => self.status,
            // There is no shared memory region: its length and base read as all ones (section
            // 4.2.2).
            VIRTIO_MMIO_SHM_LEN_LOW..=VIRTIO_MMIO_SHM_BASE_HIGH => u32::MAX,
            VIRTIO_MMIO_CONFIG_GENERATION => self.config_generation,
            _ => return Err(AccessError::InvalidRegister),
        };
        Ok(value.into())
    }

    /// Writes the low `size` bytes of `value` at `offset` from the slot's base. The device may work
    /// on its queues in `ram`.
    ///
    /// # Errors
    /// [`AccessError`] if there is no register of that size at the offset or the engine stops the
    /// machine.
    pub fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        ram: &mut Ram,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        let offset = u32::try_from(offset).map_err(|_| AccessError::InvalidRegister)?;
        // The configuration space of these devices has no field that the driver can write.
        if size != 4 || offset >= VIRTIO_MMIO_CONFIG {
            return Err(AccessError::InvalidRegister);
        }
        let value = value as u32;
        match offset {
            VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.device_features_sel = value,
            VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.driver_features_sel = value,
            VIRTIO_MMIO_DRIVER_FEATURES => self.accept(value),
            VIRTIO_MMIO_QUEUE_SEL => self.queue_sel = value,
            VIRTIO_MMIO_QUEUE_READY => self.set_ready(value, ram),
            VIRTIO_MMIO_QUEUE_NOTIFY => self.notify(value, ram, cx)?,
            VIRTIO_MMIO_INTERRUPT_ACK => self.interrupt_status &= !value,
            VIRTIO_MMIO_STATUS => self.set_status(value & 0xff, ram, cx)?,
            _ => return self.set_up_queue(offset, value),
        }
        Ok(())
    }

    /// Stores the features that the driver accepts. It has no effect after FEATURES_OK.
    fn accept(&mut self, value: u32) {
        if self.status & VIRTIO_CONFIG_S_FEATURES_OK == 0 && self.driver_features_sel < 2 {
            let high = self.driver_features_sel == 1;
            set_half(&mut self.driver_features, high, value);
        }
    }

    /// Stores the size and the addresses of a queue. They are fixed while the queue is ready.
    fn set_up_queue(&mut self, offset: u32, value: u32) -> Result<(), AccessError> {
        let mut unused = Queue::new(0);
        let queue = self.queue().filter(|queue| !queue.ready);
        let queue = queue.unwrap_or(&mut unused);
        match offset {
            VIRTIO_MMIO_QUEUE_NUM => queue.size = value,
            VIRTIO_MMIO_QUEUE_DESC_LOW => set_half(&mut queue.descriptors, false, value),
            VIRTIO_MMIO_QUEUE_DESC_HIGH => set_half(&mut queue.descriptors, true, value),
            VIRTIO_MMIO_QUEUE_AVAIL_LOW => set_half(&mut queue.available, false, value),
            VIRTIO_MMIO_QUEUE_AVAIL_HIGH => set_half(&mut queue.available, true, value),
            VIRTIO_MMIO_QUEUE_USED_LOW => set_half(&mut queue.used, false, value),
            VIRTIO_MMIO_QUEUE_USED_HIGH => set_half(&mut queue.used, true, value),
            _ => return Err(AccessError::InvalidRegister),
        }
        Ok(())
    }

    fn set_ready(&mut self, value: u32, ram: &mut Ram) {
        let enabled = match self.queue() {
            Some(queue) if queue.ready && value & 1 == 0 => {
                queue.ready = false;
                // Requests in flight belong to the queue that the driver has just disabled.
                self.device.backend_mut().reset();
                Ok(())
            }
            Some(queue) if !queue.ready && value & 1 != 0 => queue.enable(&Dma(ram)),
            _ => Ok(()),
        };
        if let Err(error) = enabled {
            self.fail(error);
        }
    }

    fn notify(&mut self, queue: u32, ram: &mut Ram, cx: &mut Context<'_>) -> Result<(), Halted> {
        let queue = queue as usize;
        if queue >= self.queues.len() {
            return Ok(());
        }
        self.work(ram, |device, live| device.notify(queue, live, cx))
    }

    fn set_status(
        &mut self,
        mut value: u32,
        ram: &mut Ram,
        cx: &mut Context<'_>,
    ) -> Result<(), Halted> {
        if value == 0 {
            self.reset();
            return Ok(());
        }
        // Accept only features that were offered. VIRTIO_F_VERSION_1 is not required: xv6 reads and
        // writes only the low half of the features, and QEMU accepts that.
        if self.driver_features & !self.offered() != 0 {
            value &= !VIRTIO_CONFIG_S_FEATURES_OK;
        }
        let was_live = self.live();
        let broken = self.status & VIRTIO_CONFIG_S_NEEDS_RESET;
        self.status = value & !VIRTIO_CONFIG_S_NEEDS_RESET | broken;
        if self.live() && !was_live {
            // Buffers may have been available before DRIVER_OK.
            for queue in 0..self.queues.len() {
                self.work(ram, |device, live| device.notify(queue, live, cx))?;
            }
        }
        Ok(())
    }

    /// The virtual time (ns) at which [`VirtioMmio::tick`] must be called next; `None`: never.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.device.backend().deadline().filter(|_| self.live())
    }

    /// Calls the device if its deadline has passed or it can continue deferred work.
    pub(crate) fn tick(&mut self, ram: &mut Ram, cx: &mut Context<'_>) -> Result<(), Halted> {
        let device = self.device.backend();
        if !device.ready() && device.deadline().is_none_or(|due| due > cx.now) {
            return Ok(());
        }
        self.work(ram, |device, live| device.tick(live, cx))
    }

    /// Delivers an arrival. Returns false if it is for another device.
    pub fn arrive(&mut self, arrival: &Arrival, ram: &mut Ram) -> bool {
        if !self.live() {
            let device = self.device.backend_mut();
            // Without queues this call cannot find an invalid one.
            return device.arrive(arrival, None) == Ok(true);
        }
        let mut taken = true;
        // No device calls the engine here, and only the engine could halt the machine.
        let _: Result<(), Halted> = self.work(ram, |device, live| {
            taken = device.arrive(arrival, Some(live))?;
            Ok(())
        });
        taken
    }
}
