//! The board, QEMU's `virt`: the physical address of each device and its interrupt source at the
//! PLIC. The bus decodes addresses by these rows, and the devicetree is written from them.

use crate::units::PhysAddr;
/// Physical address of RAM.
pub const RAM_BASE: PhysAddr = PhysAddr::new(0x8000_0000);
/// Physical address of the boot ROM, which is the reset vector of every hart.
pub const ROM_BASE: PhysAddr = PhysAddr::new(0x1000);

/// The devices that every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// SiFive's test finisher: power-off and reset.
    Finisher,
    /// Goldfish real-time clock.
    Rtc,
    /// CLINT (core-local interruptor): software and timer interrupts.
    Clint,
    /// PLIC (platform-level interrupt controller): external interrupts.
    Plic,
    /// UART (serial port 0).
    Uart,
}

/// The device whose registers are at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A device that every machine has.
    Fixed(Fixed),
    /// The virtio-mmio slot of this number. It may be empty.
    Virtio(u8),
}

/// A device's place in the physical address space, and its interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Name of its devicetree node, without the unit address.
    pub name: &'static str,
    /// Physical address of its first register.
    pub base: PhysAddr,
    /// Size of its window in bytes, as in the devicetree.
    pub size: u64,
    /// Bytes from the base that hold registers, at most `size`. An access beyond them is an access
    /// fault.
    pub registers: u64,
    /// Its interrupt source at the PLIC; `None` if it does not interrupt through the PLIC.
    pub source: Option<u32>,
}

impl Fixed {
    /// All fixed devices, in the order of the devicetree.
    pub const ALL: [Self; 5] = [
        Self::Finisher,
        Self::Rtc,
        Self::Clint,
        Self::Plic,
        Self::Uart,
    ];

    /// The device's row.
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

/// Number of virtio-mmio slots. They are numbered from 0.
pub const VIRTIO_SLOTS: u8 = 8;

/// The row of a virtio-mmio slot; `None` if there is no slot of this number.
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

/// The rows of the whole board: the fixed devices, then the virtio-mmio slots.
pub fn rows() -> impl Iterator<Item = (Part, Row)> {
    let fixed = Fixed::ALL.map(|device| (Part::Fixed(device), device.row()));
    let slot = |slot| Some((Part::Virtio(slot), virtio(slot)?));
    fixed.into_iter().chain((0..VIRTIO_SLOTS).filter_map(slot))
}

/// The device that an access of `size` bytes at `address` reaches, and the offset from its base.
/// `None` if no device has registers there.
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
