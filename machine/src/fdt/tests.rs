//! Tests of the devicetree blob, with a small parser (Devicetree Specification, chapter 5).

use crate::units::PhysAddr;
use std::collections::BTreeMap;

use super::*;

/// All properties by path, for example `/soc/serial@10000000/reg`.
pub(crate) type Properties = BTreeMap<String, Vec<u8>>;

/// Parses a whole flattened devicetree.
pub(crate) fn parse(blob: &[u8]) -> Properties {
    let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap());
    let text = |at: usize| {
        let end = at + blob[at..].iter().position(|&b| b == 0).unwrap();
        String::from_utf8(blob[at..end].to_vec()).unwrap()
    };
    assert_eq!(
        (word(0), word(4) as usize, word(20)),
        (0xd00d_feed, blob.len(), 17)
    );
    let (mut at, strings) = (word(8) as usize, word(12) as usize);
    let (mut path, mut properties) = (Vec::<String>::new(), Properties::new());
    loop {
        let token = word(at);
        at += 4;
        match token {
            1 => {
                let name = text(at);
                at += (name.len() + 1).next_multiple_of(4);
                path.push(name);
            }
            2 => drop(path.pop().unwrap()),
            3 => {
                let (len, name) = (word(at) as usize, text(strings + word(at + 4) as usize));
                let key = format!("{}/{name}", path.join("/"));
                let fresh = properties.insert(key, blob[at + 8..at + 8 + len].to_vec());
                assert_eq!(fresh, None, "twice the same property");
                at += 8 + len.next_multiple_of(4);
            }
            4 => {}
            9 => break,
            _ => panic!("token {token}"),
        }
    }
    assert!(path.is_empty());
    properties
}

pub(crate) fn cells(properties: &Properties, path: &str) -> Vec<u32> {
    let value = properties.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert_eq!(value.len() % 4, 0);
    value
        .chunks(4)
        .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
        .collect()
}

pub(crate) fn text(properties: &Properties, path: &str) -> String {
    let value = properties.get(path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(value.clone()).unwrap()
}

fn range(start: u64, end: u64) -> Range<PhysAddr> {
    PhysAddr::new(start)..PhysAddr::new(end)
}

fn config() -> FdtConfig<'static> {
    FdtConfig {
        harts: 2,
        mmu: MmuType::Sv39,
        ram: range(0x8000_0000, 0x1_9000_0000),
        bootargs: "console=ttyS0",
        initrd: Some(range(0x8400_0000, 0x8412_3456)),
        rng_seed: [7; 32],
        virtio_slots: &[0, 7],
    }
}

#[test]
fn the_board() {
    let tree = parse(&build(&config()).unwrap());
    assert_eq!(text(&tree, "/compatible"), "riscv-virtio\0");
    assert_eq!(text(&tree, "/chosen/bootargs"), "console=ttyS0\0");
    assert_eq!(text(&tree, "/chosen/stdout-path"), "/soc/serial@10000000\0");
    assert_eq!(cells(&tree, "/chosen/linux,initrd-start"), [0, 0x8400_0000]);
    assert_eq!(cells(&tree, "/chosen/linux,initrd-end"), [0, 0x8412_3456]);
    assert_eq!(tree["/chosen/rng-seed"], [7; 32]);
    assert_eq!(
        cells(&tree, "/memory@80000000/reg"),
        [0, 0x8000_0000, 1, 0x1000_0000]
    );
    assert_eq!(cells(&tree, "/cpus/timebase-frequency"), [10_000_000]);
    assert_eq!(
        cells(&tree, "/soc/serial@10000000/clock-frequency"),
        [0x38_4000]
    );
    assert_eq!(cells(&tree, "/soc/serial@10000000/interrupts"), [10]);
    assert_eq!(cells(&tree, "/soc/rtc@101000/interrupts"), [11]);
    assert_eq!(cells(&tree, "/soc/plic@c000000/riscv,ndev"), [95]);
    assert_eq!(
        cells(&tree, "/soc/plic@c000000/reg"),
        [0, 0xc00_0000, 0, 0x60_0000]
    );
    assert_eq!(
        text(&tree, "/soc/test@100000/compatible"),
        "sifive,test1\0sifive,test0\0syscon\0"
    );
    assert_eq!(cells(&tree, "/poweroff/value"), [0x5555]);
    assert_eq!(
        cells(&tree, "/reboot/regmap"),
        cells(&tree, "/soc/test@100000/phandle")
    );
}

#[test]
fn harts_and_their_interrupts() {
    let tree = parse(&build(&config()).unwrap());
    let isa = "rv64imafdc_zicntr_zicsr_zifencei_sstc_svadu\0";
    let intc: Vec<u32> = (0..2)
        .map(|hart| {
            let cpu = format!("/cpus/cpu@{hart}");
            assert_eq!(text(&tree, &format!("{cpu}/riscv,isa")), isa);
            assert_eq!(text(&tree, &format!("{cpu}/mmu-type")), "riscv,sv39\0");
            let core = cells(&tree, &format!("/cpus/cpu-map/cluster0/core{hart}/cpu"));
            assert_eq!(core, cells(&tree, &format!("{cpu}/phandle")));
            cells(&tree, &format!("{cpu}/interrupt-controller/phandle"))[0]
        })
        .collect();
    let [a, b] = intc[..] else { panic!() };
    let clint = cells(&tree, "/soc/clint@2000000/interrupts-extended");
    assert_eq!(clint, [a, 3, a, 7, b, 3, b, 7]);
    let plic = cells(&tree, "/soc/plic@c000000/interrupts-extended");
    assert_eq!(plic, [a, 11, a, 9, b, 11, b, 9]);
}

#[test]
fn virtio_slots() {
    let tree = parse(&build(&config()).unwrap());
    assert_eq!(cells(&tree, "/soc/virtio_mmio@10001000/interrupts"), [1]);
    assert_eq!(cells(&tree, "/soc/virtio_mmio@10008000/interrupts"), [8]);
    assert_eq!(
        tree.keys()
            .filter(|path| path.contains("virtio_mmio"))
            .count(),
        2 * 4
    );
    let wrong = FdtConfig {
        virtio_slots: &[8],
        ..config()
    };
    assert_eq!(build(&wrong), Err(FdtError::NoSuchSlot(8)));
}

#[test]
fn optional_parts_and_a_constant_size() {
    let bare = FdtConfig {
        initrd: None,
        bootargs: "",
        mmu: MmuType::Sv48,
        ..config()
    };
    let tree = parse(&build(&bare).unwrap());
    assert!(
        !tree
            .keys()
            .any(|path| path.contains("initrd") || path.contains("bootargs"))
    );
    assert_eq!(text(&tree, "/cpus/cpu@1/mmu-type"), "riscv,sv48\0");
    let moved = FdtConfig {
        initrd: Some(range(0, u64::MAX)),
        ..config()
    };
    assert_eq!(
        build(&moved).unwrap().len(),
        build(&config()).unwrap().len()
    );
    let wrong = FdtConfig {
        bootargs: "a\0b",
        ..config()
    };
    assert_eq!(build(&wrong), Err(FdtError::NulInBootargs));
}
