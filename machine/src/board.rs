//! The board, QEMU's `virt`: at which physical address each device answers, and which source of the
//! PLIC it drives. The bus decodes addresses by these rows; the device tree is written from them.

use crate::units::PhysAddr;
/// Where RAM starts.
pub const RAM_BASE: PhysAddr = PhysAddr::new(0x8000_0000);
/// Where the boot ROM starts; harts come out of reset here.
pub const ROM_BASE: PhysAddr = PhysAddr::new(0x1000);

/// The devices that every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// SiFive's test finisher: power-off and reset.
    Finisher,
    /// Goldfish real-time clock.
    Rtc,
    /// Core-local interruptor: software and timer interrupts.
    Clint,
    /// Platform-level interrupt controller.
    Plic,
    /// Serial port.
    Uart,
}

/// Whose registers are at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A device that every machine has.
    Fixed(Fixed),
    /// The virtio-mmio slot of this number, with or without a device in it.
    Virtio(u8),
}

/// A device in the physical address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name of its node in the device tree, without the address.
    pub name: &'static str,
    /// Physical address of its first register.
    pub base: PhysAddr,
    /// Bytes of its window, as in the device tree.
    pub size: u64,
    /// Bytes from the base that hold registers, `size` at most. An access behind them is a fault.
    pub registers: u64,
    /// Its interrupt source at the PLIC; `None`: it has no such interrupt.
    pub source: Option<u32>,
}

impl Fixed {
    /// All of them, in the order of the device tree.
    pub const ALL: [Self; 5] = [
        Self::Finisher,
        Self::Rtc,
        Self::Clint,
        Self::Plic,
        Self::Uart,
    ];

    /// Where it is.
    #[must_use]
    pub const fn row(self) -> Row {
        let (name, base, size, source) = match self {
            Self::Finisher => ("test", 0x10_0000, 0x1000, None),
            Self::Rtc => ("rtc", 0x10_1000, 0x1000, Some(11)),
            Self::Clint => ("clint", 0x200_0000, 0x1_0000, None),
            Self::Plic => ("plic", 0xc00_0000, 0x60_0000, None),
            Self::Uart => ("serial", 0x1000_0000, 0x100, Some(10)),
        };
        let registers = size;
        Row {
            name,
            base: PhysAddr::new(base),
            size,
            registers,
            source,
        }
    }
}

/// Slots for virtio devices, numbered from 0.
pub const VIRTIO_SLOTS: u8 = 8;

/// Where the virtio slot of this number is; `None` from [`VIRTIO_SLOTS`] on.
#[must_use]
pub const fn virtio(slot: u8) -> Option<Row> {
    if slot >= VIRTIO_SLOTS {
        return None;
    }
    Some(Row {
        name: "virtio_mmio",
        base: PhysAddr::new(0x1000_1000 + 0x1000 * slot as u64),
        size: 0x1000,
        registers: 0x200,
        source: Some(slot as u32 + 1),
    })
}

/// The whole board: the fixed devices, then the virtio slots.
pub fn rows() -> impl Iterator<Item = (Part, Row)> {
    let fixed = Fixed::ALL.map(|device| (Part::Fixed(device), device.row()));
    let slot = |slot| Some((Part::Virtio(slot), virtio(slot)?));
    fixed.into_iter().chain((0..VIRTIO_SLOTS).filter_map(slot))
}

/// Whose registers an access of `size` bytes at `address` reaches, and the offset from the first.
#[must_use]
pub fn find(address: PhysAddr, size: u8) -> Option<(Part, u64)> {
    rows().find_map(|(part, row)| {
        let offset = address.checked_sub(row.base)?;
        let end = offset.checked_add(u64::from(size))?;
        (end <= row.registers).then_some((part, offset))
    })
}

#[cfg(test)]
mod tests;
