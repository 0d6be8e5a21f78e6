//! Tests of boot plans, with images that are built byte by byte.

use proptest::prelude::*;

use super::*;
use crate::fdt::tests::{cells, parse, text};

const RAM: u64 = 0x8000_0000;

/// So many bytes into RAM.
fn at(offset: u64) -> PhysAddr {
    PhysAddr::new(RAM + offset)
}

const GIB: u64 = 1024 * MIB;
/// Code that is never executed. It looks like neither text nor an archive.
const CODE: [u8; 8] = [0x97, 0x02, 0, 0, 0x13, 0, 0, 0];

/// The content of a small ELF file.
#[derive(Clone)]
struct Elf {
    machine: u16,
    kind: u16,
    entry: u64,
    /// `p_vaddr`, `p_paddr`, bytes, `p_memsz`.
    segments: Vec<(u64, u64, Vec<u8>, u64)>,
    symbols: Vec<(&'static str, u64)>,
}

impl Elf {
    fn at(addr: u64) -> Self {
        let segments = vec![(addr, addr, CODE.to_vec(), 0x2000)];
        Self {
            machine: 243,
            kind: 2,
            entry: addr,
            segments,
            symbols: Vec::new(),
        }
    }

    fn build(&self) -> Vec<u8> {
        let (header, phdr, shdr, sym) = (64u64, 56u64, 64u64, 24u64);
        let mut body = Vec::new();
        let body_at = header + phdr * self.segments.len() as u64;
        let mut phdrs = Vec::new();
        for (vaddr, paddr, bytes, memory) in &self.segments {
            let offset = body_at + body.len() as u64;
            phdrs.extend(1u32.to_le_bytes());
            phdrs.extend(7u32.to_le_bytes());
            for word in [offset, *vaddr, *paddr, bytes.len() as u64, *memory, 4] {
                phdrs.extend(word.to_le_bytes());
            }
            body.extend(bytes);
        }
        let (mut names, mut symtab) = (vec![0u8], vec![0u8; 24]);
        for (name, value) in &self.symbols {
            symtab.extend((names.len() as u32).to_le_bytes());
            symtab.extend([0x10, 0, 0xf1, 0xff]);
            symtab.extend(value.to_le_bytes());
            symtab.extend([0; 8]);
            names.extend(name.bytes().chain([0]));
        }
        let symtab_at = body_at + body.len() as u64;
        let names_at = symtab_at + symtab.len() as u64;
        let shoff = names_at + names.len() as u64;
        let mut shdrs = vec![0u8; 64];
        for (kind, at, len, link, size) in [
            (2u32, symtab_at, symtab.len(), 2u32, sym),
            (3, names_at, names.len(), 0, 0),
        ] {
            shdrs.extend([0u32, kind].iter().flat_map(|w| w.to_le_bytes()));
            shdrs.extend(
                [0, 0, at, len as u64]
                    .iter()
                    .flat_map(|w: &u64| w.to_le_bytes()),
            );
            shdrs.extend([link, 0].iter().flat_map(|w| w.to_le_bytes()));
            shdrs.extend([1, size].iter().flat_map(|w: &u64| w.to_le_bytes()));
        }

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(
            [self.kind, self.machine]
                .iter()
                .flat_map(|w| w.to_le_bytes()),
        );
        file.extend(1u32.to_le_bytes());
        file.extend(
            [self.entry, header, shoff]
                .iter()
                .flat_map(|w| w.to_le_bytes()),
        );
        file.extend(0u32.to_le_bytes());
        let counts = [
            header,
            phdr,
            self.segments.len() as u64,
            shdr,
            shdrs.len() as u64 / shdr,
            0,
        ];
        file.extend(counts.iter().flat_map(|&w| (w as u16).to_le_bytes()));
        [file, phdrs, body, symtab, names, shdrs].concat()
    }
}

/// A Linux Image of `len` bytes in the file and `image_size` bytes in memory.
fn linux(text_offset: u64, image_size: u64, len: usize) -> Vec<u8> {
    let mut image = vec![0; len];
    image[8..16].copy_from_slice(&text_offset.to_le_bytes());
    image[16..24].copy_from_slice(&image_size.to_le_bytes());
    image[56..60].copy_from_slice(b"RSC\x05");
    image
}

fn message(config: &BootConfig<'_>) -> String {
    plan(config).unwrap_err().to_string()
}

fn segment<'p>(plan: &'p BootPlan<'_>, part: Part) -> &'p Segment<'p> {
    plan.segments
        .iter()
        .find(|segment| segment.part == part)
        .unwrap()
}

#[test]
fn bare_metal_elf() {
    let mut elf = Elf::at(RAM);
    elf.entry += 4;
    elf.symbols = vec![
        ("main", RAM),
        ("tohost", RAM + 0x1000),
        ("fromhost", RAM + 0x1040),
    ];
    let elf = elf.build();
    let plan = plan(&BootConfig {
        kernel: Some(&elf),
        ..BootConfig::new(128 * MIB)
    })
    .unwrap();
    assert_eq!(
        (plan.entry, plan.kernel_entry, &plan.initrd),
        (at(4), Some(at(4)), &None)
    );
    assert_eq!(
        (plan.tohost, plan.fromhost),
        (Some(at(0x1000)), Some(at(0x1040)))
    );
    let kernel = segment(&plan, Part::Kernel);
    assert_eq!(
        (kernel.addr, &*kernel.bytes, kernel.len),
        (at(0), &CODE[..], 0x2000)
    );
    assert_eq!(plan.fdt_addr, at(126 * MIB));

    let on: PowerOn = plan.into();
    assert_eq!(on.htif, Some((at(0x1000), Some(at(0x1040)))));
    assert_eq!(on.segments[1], (at(8), vec![0; 0x2000 - 8]));
    assert_eq!(on.rom[24..32], (RAM + 4).to_le_bytes());
}

#[test]
fn firmware_kernel_and_initrd_as_qemu_places_them() {
    let (bios, kernel) = (vec![0x13; 0x4_0000], linux(0x20_0000, 0x180_0000, 0x1000));
    let initrd = vec![0x1f; 0x30_0001];
    let config = BootConfig {
        bios: Some(&bios),
        kernel: Some(&kernel),
        initrd: Some(&initrd),
        append: "console=ttyS0",
        harts: 3,
        rng_seed: [9; 32],
        virtio_slots: &[0],
        ..BootConfig::new(256 * MIB)
    };
    let plan = plan(&config).unwrap();
    assert_eq!(
        (plan.entry, plan.kernel_entry),
        (at(0), Some(at(0x20_0000)))
    );
    assert_eq!(segment(&plan, Part::Kernel).len, 0x180_0000);
    let initrd = at(0x20_0000 + 128 * MIB);
    assert_eq!(plan.initrd, Some(initrd..initrd + 0x30_0001));
    assert_eq!(plan.fdt_addr, at(254 * MIB));
    let tree = parse(&segment(&plan, Part::DeviceTree).bytes);
    assert_eq!(text(&tree, "/chosen/bootargs"), "console=ttyS0\0");
    assert_eq!(
        cells(&tree, "/chosen/linux,initrd-start"),
        [0, initrd.get() as u32]
    );
    assert_eq!(
        cells(&tree, "/chosen/linux,initrd-end"),
        [0, initrd.get() as u32 + 0x30_0001]
    );
    assert!(tree.contains_key("/cpus/cpu@2/reg"));
    // fw_dynamic_info.next_addr
    assert_eq!(plan.rom()[56..64], (RAM + 0x20_0000).to_le_bytes());
}

#[test]
fn firmware_alone_and_large_memory() {
    let bios = Elf::at(RAM).build();
    let plan = plan(&BootConfig {
        bios: Some(&bios),
        ..BootConfig::new(8 * GIB)
    })
    .unwrap();
    assert_eq!((plan.entry, plan.kernel_entry), (at(0), None));
    assert_eq!(
        plan.fdt_addr,
        PhysAddr::new(3 * GIB - 2 * MIB),
        "below 3 GiB"
    );
}

#[test]
fn a_firmware_of_over_2_mib_moves_the_kernel() {
    let bios = vec![0x13; 0x20_0001];
    let raw = BootConfig {
        bios: Some(&bios),
        kernel: Some(&CODE),
        ..BootConfig::new(64 * MIB)
    };
    assert_eq!(plan(&raw).unwrap().kernel_entry, Some(at(4 * MIB)));
}

#[test]
fn linux_without_firmware_goes_where_its_header_says() {
    let m_mode = linux(0, 0, 100);
    let config = BootConfig {
        kernel: Some(&m_mode),
        ..BootConfig::new(64 * MIB)
    };
    assert_eq!(plan(&config).unwrap().entry, at(0));
    let s_mode = linux(0x20_0000, 0, 100);
    let config = BootConfig {
        kernel: Some(&s_mode),
        ..config
    };
    assert_eq!(plan(&config).unwrap().entry, at(0x20_0000));
}

#[test]
fn addresses_of_a_kernel_that_is_linked_high() {
    let mut elf = Elf::at(0xffff_ffff_8000_0000);
    elf.segments[0].1 = RAM + 0x20_0000;
    elf.entry += 4;
    elf.symbols = vec![("tohost", 0xffff_ffff_8000_1000)];
    let elf = elf.build();
    let plan = plan(&BootConfig {
        kernel: Some(&elf),
        ..BootConfig::new(64 * MIB)
    })
    .unwrap();
    assert_eq!(
        (plan.entry, plan.tohost),
        (at(0x20_0004), Some(at(0x20_1000)))
    );
}

#[test]
fn position_independent_firmware_moves_to_ram() {
    let mut elf = Elf {
        kind: 3,
        ..Elf::at(0)
    };
    elf.entry = 4;
    let elf = elf.build();
    let plan = plan(&BootConfig {
        bios: Some(&elf),
        ..BootConfig::new(64 * MIB)
    })
    .unwrap();
    assert_eq!(
        (plan.entry, segment(&plan, Part::Firmware).addr),
        (at(4), at(0))
    );
}

#[test]
fn small_memory_moves_the_pieces_together() {
    let (kernel, initrd) = (Elf::at(RAM).build(), vec![1; 0xe_0000]);
    let config = BootConfig {
        kernel: Some(&kernel),
        initrd: Some(&initrd),
        ..BootConfig::new(MIB)
    };
    let plan = plan(&config).unwrap();
    assert!(plan.fdt_addr > at(MIB - 0x4000) && plan.fdt_addr.get().is_multiple_of(4096));
    assert!(plan.initrd.unwrap().start >= at(0x2000));
}

#[test]
fn too_little_memory_names_a_sufficient_size() {
    let mut elf = Elf::at(RAM);
    elf.segments[0].3 = 70 * MIB;
    let elf = elf.build();
    let kernel = BootConfig {
        kernel: Some(&elf),
        ..BootConfig::new(64 * MIB)
    };
    let said = message(&kernel);
    assert!(
        said.contains("kernel (--kernel) takes the addresses 0x80000000 to 0x84600000"),
        "{said}"
    );
    assert!(said.ends_with("-m 128M would suffice"), "{said}");

    let initrd = vec![1; 5 * MIB as usize];
    let config = BootConfig {
        initrd: Some(&initrd),
        ..BootConfig::new(4 * MIB)
    };
    let small = Elf::at(RAM).build();
    let said = message(&BootConfig {
        kernel: Some(&small),
        ..config
    });
    assert!(said.contains("no room for the initial RAM disk"), "{said}");
    assert!(said.ends_with("-m 8M would suffice"), "{said}");

    let low = Elf::at(0x1_0000).build();
    let said = message(&BootConfig {
        kernel: Some(&low),
        ..BootConfig::new(64 * MIB)
    });
    assert!(said.ends_with("more memory (-m) would not help"), "{said}");
}

#[test]
fn overlaps() {
    let (bios, kernel) = (vec![0x13; 0x1000], Elf::at(RAM).build());
    let config = BootConfig {
        bios: Some(&bios),
        kernel: Some(&kernel),
        ..BootConfig::new(64 * MIB)
    };
    assert!(matches!(
        plan(&config),
        Err(BootError::Overlap {
            a: Part::Kernel,
            b: Part::Firmware,
            ..
        })
    ));
    let mut twice = Elf::at(RAM);
    twice.segments.push(twice.segments[0].clone());
    let twice = twice.build();
    let config = BootConfig {
        bios: None,
        kernel: Some(&twice),
        ..config
    };
    assert!(matches!(
        plan(&config),
        Err(BootError::Overlap {
            a: Part::Kernel,
            b: Part::Kernel,
            ..
        })
    ));
}

#[test]
fn wrong_elf_files_are_named() {
    let good = Elf::at(RAM);
    let mut bytes = good.build();
    bytes[4] = 1;
    let class32 = bytes.clone();
    bytes[4..6].copy_from_slice(&[2, 2]);
    bytes[18..20].copy_from_slice(&243u16.to_be_bytes());
    let with = |change: fn(&mut Elf)| {
        let mut elf = good.clone();
        change(&mut elf);
        elf.build()
    };
    let truncated = {
        let mut elf = good.build();
        elf.truncate(124);
        elf
    };
    for (file, expected) in [
        (class32, "32-bit ELF"),
        (bytes, "big-endian ELF"),
        (with(|elf| elf.machine = 62), "ELF file for x86-64"),
        (
            with(|elf| elf.machine = 999),
            "another machine (e_machine 999)",
        ),
        (with(|elf| elf.kind = 1), "not a linked program"),
        (
            with(|elf| elf.segments.clear()),
            "without loadable segments",
        ),
        (with(|elf| elf.entry = 0x1234), "entry point 0x1234"),
        (
            with(|elf| elf.segments[0].3 = 4),
            "damaged ELF file: segment 0",
        ),
        (
            with(|elf| elf.segments[0].3 = u64::MAX),
            "damaged ELF file: segment 0",
        ),
        (
            truncated,
            "truncated ELF file: segment 0 needs 8 bytes at offset 120",
        ),
        (b"\x7fELF\x02\x01\x01".to_vec(), "damaged ELF file"),
    ] {
        let said = message(&BootConfig {
            kernel: Some(&file),
            ..BootConfig::new(64 * MIB)
        });
        assert!(
            said.starts_with("the kernel (--kernel) is a") && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn an_unknown_kernel_format_is_an_error() {
    let mut big_endian = linux(0, 0, 64);
    big_endian[24] = 1;
    for (file, expected) in [
        (
            b"\x1f\x8b\x08\0\0".to_vec(),
            "is gzip data; unpack it first, with gunzip",
        ),
        (b"#!/bin/sh\n".to_vec(), "is text;"),
        (Vec::new(), "is empty;"),
        (big_endian, "big-endian Linux Image"),
        (linux(0, 0, 64)[..60].to_vec(), "-m"),
        (CODE.to_vec(), "--kernel raw:FILE to start it at 0x80000000"),
    ] {
        let config = BootConfig {
            kernel: Some(&file),
            ..BootConfig::new(0)
        };
        let said = message(&config);
        assert!(said.contains(expected), "{said}");
    }
    let raw = BootConfig {
        kernel: Some(b"#!"),
        raw_kernel: true,
        ..BootConfig::new(64 * MIB)
    };
    assert_eq!(plan(&raw).unwrap().entry, at(0));
    assert_eq!(
        plan(&BootConfig::new(64 * MIB)),
        Err(BootError::NothingToRun)
    );
    let config = BootConfig {
        initrd: Some(&CODE),
        bios: Some(&CODE),
        ..BootConfig::new(MIB)
    };
    assert_eq!(plan(&config), Err(BootError::InitrdWithoutKernel));
}

/// Checks that no two segments of a plan overlap and that all of them are in RAM.
fn check(plan: &BootPlan<'_>, config: &BootConfig<'_>) {
    for (n, segment) in plan.segments.iter().enumerate() {
        let range = segment.range();
        assert!(segment.bytes.len() as u64 <= segment.len);
        assert!(range.start >= config.ram_base && range.end <= config.ram().end);
        for other in &plan.segments[..n] {
            assert!(other.range().end <= range.start || range.end <= other.addr);
        }
    }
}

proptest! {
    #[test]
    fn damaged_images_never_panic(
        at in 0..400usize, with in any::<[u8; 8]>(), cut in 0..500usize, bios in any::<bool>(),
    ) {
        let mut elf = Elf::at(RAM);
        elf.symbols = vec![("tohost", RAM)];
        let mut bytes = elf.build();
        for (n, byte) in with.into_iter().enumerate() {
            if let Some(place) = bytes.get_mut(at + n) {
                *place = byte;
            }
        }
        bytes.truncate(bytes.len().min(cut.max(60)));
        let mut config = BootConfig::new(4 * MIB);
        if bios { config.bios = Some(&bytes) } else { config.kernel = Some(&bytes) }
        if let Ok(plan) = plan(&config) {
            check(&plan, &config);
        }
    }

    #[test]
    fn plans_hold_together(
        ram in 0..600 * MIB,
        bios in prop::option::of(1..0x30_0000usize),
        kernel in 64..0x10_0000usize,
        image_size in prop_oneof![0..100 * MIB, any::<u64>()],
        initrd in prop::option::of(1..0x80_0000usize),
    ) {
        let bios = bios.map(|len| vec![0x13; len]);
        let kernel = linux(0x20_0000, image_size, kernel);
        let initrd = initrd.map(|len| vec![0; len]);
        let config = BootConfig {
            bios: bios.as_deref(),
            kernel: Some(&kernel),
            initrd: initrd.as_deref(),
            ..BootConfig::new(ram)
        };
        match plan(&config) {
            Ok(plan) => check(&plan, &config),
            Err(mut error) => match error.remedy() {
                Some(&mut Remedy::Memory(mib)) => {
                    let config = BootConfig { ram_size: mib * MIB, ..config };
                    check(&plan(&config).unwrap(), &config);
                }
                Some(Remedy::Relink) => prop_assert!(image_size > 1 << 39),
                None => prop_assert!(false, "{error}"),
            },
        }
    }
}
