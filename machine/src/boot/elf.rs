//! ELF files: the segments to load, the entry point, and the symbols of HTIF (System V ABI, "Object
//! Files"; RISC-V psABI, "ELF Object Files").

use crate::units::{PhysAddr, VirtAddr};
use object::elf::{ET_DYN, ET_EXEC, FileHeader64, PT_LOAD, SHT_SYMTAB};
use object::read::StringTable;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionTable, Sym as _};
use object::{LittleEndian, ReadRef as _};

/// Why an ELF file cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The file is for another instruction set.
    #[error("is an ELF file for {name} (e_machine {machine}); give one for 64-bit RISC-V (243)")]
    Machine {
        /// `e_machine`.
        machine: u16,
        /// Common name of that machine.
        name: &'static str,
    },
    /// The class is `ELFCLASS32`.
    #[error("is a 32-bit ELF file; give one for 64-bit RISC-V")]
    Class32,
    /// The byte order is `ELFDATA2MSB`.
    #[error("is a big-endian ELF file; the machine is little-endian")]
    BigEndian,
    /// The type is neither `ET_EXEC` nor `ET_DYN`.
    #[error("is an ELF file of type {0}, not a linked program (2 or 3); link it first")]
    Type(u16),
    /// A header or table of the file is malformed.
    #[error("is a damaged ELF file: {0}; copy or build it again")]
    Malformed(String),
    /// The file ends before the bytes of a segment.
    #[error(
        "is a truncated ELF file: segment {index} needs {size} bytes at offset {offset}, and the \
         file has {file_size} in all; copy or build it again"
    )]
    Truncated {
        /// Index of the program header.
        index: usize,
        /// `p_offset`.
        offset: u64,
        /// `p_filesz`.
        size: u64,
        /// Size of the file in bytes.
        file_size: u64,
    },
    /// A segment wraps around the address space, or is larger in the file than in memory.
    #[error(
        "is a damaged ELF file: segment {index} at {address:#x} has {in_file:#x} bytes in the file \
         and {in_memory:#x} in memory"
    )]
    SegmentSize {
        /// Index of the program header.
        index: usize,
        /// `p_paddr`.
        address: PhysAddr,
        /// `p_filesz`.
        in_file: u64,
        /// `p_memsz`.
        in_memory: u64,
    },
    /// The file has no segment to load.
    #[error("is an ELF file without loadable segments; link it as a program")]
    NoSegments,
    /// The entry point is in no segment.
    #[error(
        "is an ELF file whose entry point {0:#x} is in none of its segments; check ENTRY() in its \
         linker script"
    )]
    Entry(VirtAddr),
}

/// A contiguous part of an image in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Physical address of the first byte.
    pub(super) addr: PhysAddr,
    pub(super) bytes: &'a [u8],
    /// Size in memory in bytes. The bytes after `bytes` are zero.
    pub(super) len: u64,
}

/// An image to load, its entry point, and its HTIF symbols. All addresses are physical.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) entry: PhysAddr,
    pub(super) tohost: Option<PhysAddr>,
    pub(super) fromhost: Option<PhysAddr>,
}

/// Common names of other machines, by `e_machine`.
const MACHINES: [(u16, &str); 9] = [
    (3, "x86"),
    (8, "MIPS"),
    (20, "PowerPC"),
    (21, "64-bit PowerPC"),
    (22, "S/390"),
    (40, "arm"),
    (62, "x86-64"),
    (183, "arm64"),
    (258, "LoongArch"),
];

const RISCV: u16 = 243;
const PAGE: u64 = 4096;

/// A map from virtual to physical addresses, made of the segments of the file.
struct Map(Vec<(VirtAddr, PhysAddr, u64)>);

impl Map {
    /// The physical address of a virtual address. A physical address maps to itself: the entry
    /// point of many files is one.
    fn physical(&self, address: VirtAddr) -> Option<PhysAddr> {
        let by_virtual = self.0.iter().find_map(|&(v, p, len)| {
            let offset = address.checked_sub(v).filter(|&at| at < len)?;
            Some(p.wrapping_add(offset))
        });
        let address = PhysAddr::new(address.get());
        by_virtual.or_else(|| {
            self.0
                .iter()
                .any(|&(_, p, len)| address.checked_sub(p).is_some_and(|at| at < len))
                .then_some(address)
        })
    }
}

/// Parses an ELF file. A position-independent file linked below `ram_base` (usually at 0) is loaded
/// at `load_at` instead; it relocates itself there.
pub(super) fn load(
    data: &[u8],
    ram_base: PhysAddr,
    load_at: PhysAddr,
) -> Result<Loaded<'_>, ElfError> {
    check_ident(data)?;
    let endian = LittleEndian;
    let malformed = |error: object::read::Error| ElfError::Malformed(error.to_string());
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(malformed)?;
    let kind = header.e_type(endian);
    if kind != ET_EXEC && kind != ET_DYN {
        return Err(ElfError::Type(kind.0));
    }

    let (mut pieces, mut map) = (Vec::new(), Map(Vec::new()));
    let headers = header.program_headers(endian, data).map_err(malformed)?;
    for (index, segment) in headers.iter().enumerate() {
        let address = PhysAddr::new(segment.p_paddr(endian));
        let len = segment.p_memsz(endian);
        if segment.p_type(endian) != PT_LOAD || len == 0 {
            continue;
        }
        let (offset, in_file) = segment.file_range(endian);
        if in_file > len || address.get().checked_add(len).is_none() {
            return Err(ElfError::SegmentSize {
                index,
                address,
                in_file,
                in_memory: len,
            });
        }
        let file_size = data.len() as u64;
        let bytes = data
            .read_bytes_at(offset, in_file)
            .map_err(|()| ElfError::Truncated {
                index,
                offset,
                size: in_file,
                file_size,
            })?;
        pieces.push(Piece {
            addr: address,
            bytes,
            len,
        });
        map.0
            .push((VirtAddr::new(segment.p_vaddr(endian)), address, len));
    }
    let lowest = pieces
        .iter()
        .map(|piece| piece.addr)
        .min()
        .ok_or(ElfError::NoSegments)?;
    let highest = pieces
        .iter()
        .map(|piece| piece.addr + piece.len)
        .max()
        .unwrap_or(lowest);

    let movable = kind == ET_DYN && highest <= ram_base;
    let bias = if movable {
        load_at.wrapping_sub(lowest.align_down(PAGE))
    } else {
        0
    };
    for piece in &mut pieces {
        piece.addr = piece.addr.wrapping_add(bias);
    }
    let physical = |address: u64| {
        let physical = map.physical(VirtAddr::new(address))?;
        Some(physical.wrapping_add(bias))
    };

    let entry = match header.e_entry(endian) {
        // A linker script that has neither ENTRY() nor _start.
        0 if physical(0).is_none() => lowest,
        entry => physical(entry).ok_or(ElfError::Entry(VirtAddr::new(entry)))?,
    };

    // Without section names: a file need not have them.
    let sections = header.section_headers(endian, data).map_err(malformed)?;
    let sections =
        SectionTable::<FileHeader64<LittleEndian>>::new(sections, StringTable::default());
    let symbols = sections
        .symbols(endian, data, SHT_SYMTAB)
        .map_err(malformed)?;
    let symbol = |wanted: &[u8]| {
        let symbol = symbols.iter().find(|symbol| {
            symbol
                .name(endian, symbols.strings())
                .is_ok_and(|name| name == wanted)
        })?;
        physical(symbol.st_value(endian))
    };
    let (tohost, fromhost) = (symbol(b"tohost"), symbol(b"fromhost"));
    Ok(Loaded {
        pieces,
        entry,
        tohost,
        fromhost,
    })
}

/// Checks class, byte order and machine, the most frequent mistakes first.
fn check_ident(data: &[u8]) -> Result<(), ElfError> {
    let Some(&[.., class, order]) = data.first_chunk::<6>() else {
        return Err(ElfError::Malformed("shorter than its header".into()));
    };
    let big_endian = order == 2;
    if let Some(&machine) = data.get(18..).and_then(|rest| rest.first_chunk::<2>()) {
        let machine = if big_endian {
            u16::from_be_bytes(machine)
        } else {
            u16::from_le_bytes(machine)
        };
        if machine != RISCV {
            let name = MACHINES
                .iter()
                .find(|(id, _)| *id == machine)
                .map_or("another machine", |m| m.1);
            return Err(ElfError::Machine { machine, name });
        }
    }
    match (class, big_endian) {
        (1, _) => Err(ElfError::Class32),
        (_, true) => Err(ElfError::BigEndian),
        _ => Ok(()),
    }
}
