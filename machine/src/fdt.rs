//! The devicetree blob that the guest receives: the board as QEMU's `virt` describes it (Devicetree
//! Specification 0.4; bindings `riscv/cpus.yaml`, `sifive,clint`, `sifive,plic-1.0.0`, `ns16550a`,
//! `google,goldfish-rtc`, `syscon-poweroff`, `virtio,mmio`).

use crate::units::PhysAddr;
use std::ops::Range;

use riscv_isa::cause::interrupt;
use vm_fdt::FdtWriter;

use crate::board::{self, Fixed, Row, VIRTIO_SLOTS};
use crate::device::{clint, plic};

/// The ratified extensions of each hart, in the canonical order of `riscv,isa`.
pub const ISA_EXTENSIONS: [&str; 11] = [
    "i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei", "sstc", "svadu",
];

/// Clock frequency of the UART in Hz.
const UART_CLOCK: u32 = 3_686_400;

/// Phandles, by which nodes refer to each other. Each hart has two, from [`phandle::HARTS`] on.
mod phandle {
    pub(super) const PLIC: u32 = 1;
    pub(super) const TEST: u32 = 2;
    const HARTS: u32 = 3;

    pub(super) fn cpu(hart: u32) -> u32 {
        HARTS.saturating_add(hart.saturating_mul(2))
    }

    pub(super) fn intc(hart: u32) -> u32 {
        cpu(hart).saturating_add(1)
    }
}

/// The largest virtual address space of a hart (property `mmu-type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MmuType {
    /// Sv39: three levels, 39 bits.
    #[default]
    Sv39,
    /// Sv48: four levels, 48 bits.
    Sv48,
}

/// The variable content of the devicetree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdtConfig<'a> {
    /// Number of harts, at least 1. Their ids start at 0.
    pub harts: u32,
    /// The MMU of each hart.
    pub mmu: MmuType,
    /// Range of physical addresses of RAM.
    pub ram: Range<PhysAddr>,
    /// Kernel command line (`/chosen/bootargs`). It must not contain a NUL.
    pub bootargs: &'a str,
    /// Range of physical addresses of the initial RAM disk.
    pub initrd: Option<Range<PhysAddr>>,
    /// Entropy for the guest (`/chosen/rng-seed`). The guest's execution depends on it, so a
    /// recording keeps it.
    pub rng_seed: [u8; 32],
    /// Virtio-mmio slots to list, each below [`VIRTIO_SLOTS`].
    pub virtio_slots: &'a [u8],
}

/// Why the devicetree blob cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FdtError {
    /// The command line contains a NUL, which would end it early.
    #[error("the kernel's command line (--append) holds a NUL byte; remove it")]
    NulInBootargs,
    /// There is no virtio-mmio slot of this number.
    #[error("there is no virtio slot {0}: the board has {VIRTIO_SLOTS}, counted from 0")]
    NoSuchSlot(u8),
    /// The writer failed, for example because the blob exceeds 4 GiB.
    #[error("the device tree cannot be written: {0}")]
    Writer(String),
}

impl From<vm_fdt::Error> for FdtError {
    fn from(error: vm_fdt::Error) -> Self {
        Self::Writer(error.to_string())
    }
}

type Result<T = ()> = std::result::Result<T, FdtError>;

/// Builds the flattened devicetree. Its size does not depend on the addresses in it.
///
/// # Errors
/// [`FdtError`] says which part of the configuration is invalid.
pub fn build(config: &FdtConfig<'_>) -> Result<Vec<u8>> {
    if config.bootargs.contains('\0') {
        return Err(FdtError::NulInBootargs);
    }
    let mut tree = Tree(FdtWriter::new()?);
    tree.node("", |tree| {
        tree.cells(2, 2)?;
        tree.text("compatible", "riscv-virtio")?;
        tree.text("model", "riscv-virtio,qemu")?;
        chosen(tree, config)?;
        memory(tree, &config.ram)?;
        cpus(tree, config)?;
        power(tree, "poweroff", "syscon-poweroff", 0x5555)?;
        power(tree, "reboot", "syscon-reboot", 0x7777)?;
        tree.node("soc", |tree| soc(tree, config))
    })?;
    Ok(tree.0.finish()?)
}

fn chosen(tree: &mut Tree, config: &FdtConfig<'_>) -> Result {
    tree.node("chosen", |tree| {
        if !config.bootargs.is_empty() {
            tree.text("bootargs", config.bootargs)?;
        }
        tree.text(
            "stdout-path",
            &format!("/soc/{}", node_name(&Fixed::Uart.row())),
        )?;
        if let Some(initrd) = &config.initrd {
            tree.0
                .property_u64("linux,initrd-start", initrd.start.get())?;
            tree.0.property_u64("linux,initrd-end", initrd.end.get())?;
        }
        Ok(tree.0.property("rng-seed", &config.rng_seed)?)
    })
}

fn memory(tree: &mut Tree, ram: &Range<PhysAddr>) -> Result {
    tree.node(&format!("memory@{:x}", ram.start), |tree| {
        tree.text("device_type", "memory")?;
        tree.reg((ram.start, ram.end.checked_sub(ram.start).unwrap_or(0)))
    })
}

fn cpus(tree: &mut Tree, config: &FdtConfig<'_>) -> Result {
    tree.node("cpus", |tree| {
        tree.cells(1, 0)?;
        let ticks_per_second = 1_000_000_000 / clint::TICK_NS;
        tree.number(
            "timebase-frequency",
            u32::try_from(ticks_per_second).unwrap_or(u32::MAX),
        )?;
        for hart in 0..config.harts {
            cpu(tree, hart, config.mmu)?;
        }
        tree.node("cpu-map", |tree| {
            tree.node("cluster0", |tree| {
                (0..config.harts).try_for_each(|hart| {
                    tree.node(&format!("core{hart}"), |t| {
                        t.number("cpu", phandle::cpu(hart))
                    })
                })
            })
        })
    })
}

fn cpu(tree: &mut Tree, hart: u32, mmu: MmuType) -> Result {
    tree.node(&format!("cpu@{hart:x}"), |tree| {
        tree.0.property_phandle(phandle::cpu(hart))?;
        tree.text("device_type", "cpu")?;
        tree.number("reg", hart)?;
        tree.text("status", "okay")?;
        tree.text("compatible", "riscv")?;
        tree.text("riscv,isa", &isa_string())?;
        tree.text("riscv,isa-base", "rv64i")?;
        tree.texts("riscv,isa-extensions", &ISA_EXTENSIONS)?;
        let mmu = match mmu {
            MmuType::Sv39 => "riscv,sv39",
            MmuType::Sv48 => "riscv,sv48",
        };
        tree.text("mmu-type", mmu)?;
        tree.node("interrupt-controller", |tree| {
            tree.0.property_phandle(phandle::intc(hart))?;
            tree.interrupt_controller("riscv,cpu-intc")
        })
    })
}

/// The value of `riscv,isa`: single-letter extensions in one word, the others after underscores.
fn isa_string() -> String {
    let mut isa = String::from("rv64");
    for extension in ISA_EXTENSIONS {
        if extension.len() > 1 {
            isa.push('_');
        }
        isa.push_str(extension);
    }
    isa
}

/// Adds a node for power-off or reboot: a value to write to the test finisher.
fn power(tree: &mut Tree, name: &str, compatible: &str, value: u32) -> Result {
    tree.node(name, |tree| {
        tree.number("value", value)?;
        tree.number("offset", 0)?;
        tree.number("regmap", phandle::TEST)?;
        tree.text("compatible", compatible)
    })
}

fn soc(tree: &mut Tree, config: &FdtConfig<'_>) -> Result {
    tree.cells(2, 2)?;
    tree.text("compatible", "simple-bus")?;
    tree.0.property_null("ranges")?;
    for device in Fixed::ALL {
        fixed(tree, device, config.harts)?;
    }
    for &slot in config.virtio_slots {
        let row = board::virtio(slot).ok_or(FdtError::NoSuchSlot(slot))?;
        tree.device(&row, &["virtio,mmio"], |_| Ok(()))?;
    }
    Ok(())
}

fn fixed(tree: &mut Tree, device: Fixed, harts: u32) -> Result {
    let row = device.row();
    match device {
        Fixed::Finisher => {
            let compatible = ["sifive,test1", "sifive,test0", "syscon"];
            tree.device(&row, &compatible, |tree| {
                Ok(tree.0.property_phandle(phandle::TEST)?)
            })
        }
        Fixed::Rtc => tree.device(&row, &["google,goldfish-rtc"], |_| Ok(())),
        Fixed::Clint => tree.device(&row, &["sifive,clint0", "riscv,clint0"], |tree| {
            tree.local_interrupts(harts, [interrupt::M_SOFTWARE, interrupt::M_TIMER])
        }),
        Fixed::Plic => tree.device(&row, &["sifive,plic-1.0.0", "riscv,plic0"], |tree| {
            tree.0.property_phandle(phandle::PLIC)?;
            tree.number("riscv,ndev", plic::SOURCES)?;
            tree.local_interrupts(harts, [interrupt::M_EXTERNAL, interrupt::S_EXTERNAL])?;
            tree.number("#address-cells", 0)?;
            tree.number("#interrupt-cells", 1)?;
            Ok(tree.0.property_null("interrupt-controller")?)
        }),
        Fixed::Uart => tree.device(&row, &["ns16550a"], |tree| {
            tree.number("clock-frequency", UART_CLOCK)
        }),
    }
}

/// The name of a device's node with its unit address.
fn node_name(row: &Row) -> String {
    format!("{}@{:x}", row.name, row.base)
}

/// The writer, with helpers for the kinds of nodes of this tree.
struct Tree(FdtWriter);

impl Tree {
    fn node(&mut self, name: &str, content: impl FnOnce(&mut Self) -> Result) -> Result {
        let node = self.0.begin_node(name)?;
        content(self)?;
        Ok(self.0.end_node(node)?)
    }

    /// Adds the node of a device: `reg`, `compatible`, `interrupts`, and further properties.
    fn device(
        &mut self,
        row: &Row,
        compatible: &[&str],
        content: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        self.node(&node_name(row), |tree| {
            tree.reg((row.base, row.size))?;
            tree.texts("compatible", compatible)?;
            if let Some(source) = row.source {
                tree.number("interrupts", source)?;
                tree.number("interrupt-parent", phandle::PLIC)?;
            }
            content(tree)
        })
    }

    fn reg(&mut self, (address, size): (PhysAddr, u64)) -> Result {
        Ok(self.0.property_array_u64("reg", &[address.get(), size])?)
    }

    fn cells(&mut self, address: u32, size: u32) -> Result {
        self.number("#address-cells", address)?;
        self.number("#size-cells", size)
    }

    fn number(&mut self, name: &str, value: u32) -> Result {
        Ok(self.0.property_u32(name, value)?)
    }

    fn text(&mut self, name: &str, value: &str) -> Result {
        Ok(self.0.property_string(name, value)?)
    }

    fn texts(&mut self, name: &str, values: &[&str]) -> Result {
        let values = values.iter().map(ToString::to_string).collect();
        Ok(self.0.property_string_list(name, values)?)
    }

    fn interrupt_controller(&mut self, compatible: &str) -> Result {
        self.number("#interrupt-cells", 1)?;
        self.0.property_null("interrupt-controller")?;
        self.text("compatible", compatible)
    }

    /// Adds `interrupts-extended`: two interrupts to the local controller of each hart.
    fn local_interrupts(&mut self, harts: u32, numbers: [u32; 2]) -> Result {
        let cells: Vec<u32> = (0..harts)
            .flat_map(|hart| numbers.map(|number| [phandle::intc(hart), number]))
            .flatten()
            .collect();
        Ok(self.0.property_array_u32("interrupts-extended", &cells)?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
