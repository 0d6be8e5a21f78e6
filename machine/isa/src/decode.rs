//! The decoder: words to instructions.

use crate::table::{ENTRIES, Entry, Format, TABLE};
use crate::{Insn, compressed};

/// Bits 6:2 (major opcode) and 14:12 (`funct3`) select a bucket, so that a word is compared with
/// only a few entries.
const BUCKETS: usize = 32 * 8;

const fn bucket_of(word: u32) -> usize {
    ((word >> 2 & 0x1f) << 3 | word >> 12 & 7) as usize
}

/// Whether an entry has words in this bucket: the bucket matches all bits that the entry fixes.
const fn belongs(entry: &Entry, bucket: usize) -> bool {
    let word = (bucket as u32 >> 3) << 2 | (bucket as u32 & 7) << 12;
    (word ^ entry.match_bits) & entry.mask & 0x707c == 0
}

/// An entry with a free `funct3` is in eight buckets, so the flat list is longer than the table.
const FLAT_LEN: usize = {
    let mut total = 0;
    let mut bucket = 0;
    while bucket < BUCKETS {
        let mut i = 0;
        while i < ENTRIES.len() {
            if belongs(&ENTRIES[i], bucket) {
                total += 1;
            }
            i += 1;
        }
        bucket += 1;
    }
    total
};

struct Index {
    /// `flat[start[b]..start[b + 1]]` are the entries of bucket `b`, as indices in the table.
    start: [u16; BUCKETS + 1],
    flat: [u8; FLAT_LEN],
}

static INDEX: Index = {
    let mut start = [0; BUCKETS + 1];
    let mut flat = [0; FLAT_LEN];
    let mut at = 0;
    let mut bucket = 0;
    while bucket < BUCKETS {
        start[bucket] = at as u16;
        let mut i = 0;
        while i < ENTRIES.len() {
            if belongs(&ENTRIES[i], bucket) {
                flat[at] = i as u8;
                at += 1;
            }
            i += 1;
        }
        bucket += 1;
    }
    start[BUCKETS] = at as u16;
    Index { start, flat }
};

fn find(word: u32) -> Option<&'static Entry> {
    let bucket = bucket_of(word);
    INDEX.flat[usize::from(INDEX.start[bucket])..usize::from(INDEX.start[bucket + 1])]
        .iter()
        .map(|&i| &TABLE[usize::from(i)])
        .find(|entry| word & entry.mask == entry.match_bits)
}

/// Decodes the instruction at the start of `raw`. If its low two bits are not 3, it is a compressed
/// instruction, and the upper 16 bits are ignored.
///
/// `None`: an illegal instruction. That includes reserved encodings, the static rounding modes 5
/// and 6, and instructions of extensions other than RV64GC. A HINT is decoded as the instruction
/// that it encodes.
pub fn decode(raw: u32) -> Option<Insn> {
    if raw & 3 != 3 {
        let half = raw as u16;
        let insn = decode_word(compressed::expand_compressed(half)?)?;
        return Some(Insn {
            len: 2,
            raw: u32::from(half),
            ..insn
        });
    }
    decode_word(raw)
}

fn decode_word(raw: u32) -> Option<Insn> {
    let entry = find(raw)?;
    let rd = (raw >> 7 & 31) as u8;
    let rs1 = (raw >> 15 & 31) as u8;
    let rs2 = (raw >> 20 & 31) as u8;
    let rm = (raw >> 12 & 7) as u8;
    let base = Insn {
        raw,
        ..Insn::new(entry.op)
    };
    let insn = match entry.format {
        Format::U => Insn {
            rd,
            imm: (raw & 0xffff_f000) as i32,
            ..base
        },
        Format::J => Insn {
            rd,
            imm: imm_j(raw),
            ..base
        },
        Format::I | Format::Load | Format::FLoad => Insn {
            rd,
            rs1,
            imm: imm_i(raw),
            ..base
        },
        Format::B => Insn {
            rs1,
            rs2,
            imm: imm_b(raw),
            ..base
        },
        Format::Store | Format::FStore => Insn {
            rs1,
            rs2,
            imm: imm_s(raw),
            ..base
        },
        Format::Shift => Insn {
            rd,
            rs1,
            imm: (raw >> 20 & 63) as i32,
            ..base
        },
        Format::ShiftW => Insn {
            rd,
            rs1,
            imm: (raw >> 20 & 31) as i32,
            ..base
        },
        Format::R | Format::F | Format::FCmp => Insn {
            rd,
            rs1,
            rs2,
            ..base
        },
        Format::Fence | Format::Csr | Format::CsrI => Insn {
            rd,
            rs1,
            imm: (raw >> 20) as i32,
            ..base
        },
        Format::None => base,
        Format::SfenceVma => Insn { rs1, rs2, ..base },
        Format::LoadReserved | Format::Amo => Insn {
            rd,
            rs1,
            rs2,
            rm: (raw >> 25 & 3) as u8,
            ..base
        },
        Format::XF | Format::FX => Insn { rd, rs1, ..base },
        Format::F4 => Insn {
            rd,
            rs1,
            rs2,
            rs3: (raw >> 27) as u8,
            rm: static_or_dynamic(rm)?,
            ..base
        },
        Format::FRm => Insn {
            rd,
            rs1,
            rs2,
            rm: static_or_dynamic(rm)?,
            ..base
        },
        Format::FFRm | Format::XFRm | Format::FXRm => Insn {
            rd,
            rs1,
            rm: static_or_dynamic(rm)?,
            ..base
        },
    };
    Some(insn)
}

/// Rounding modes 5 and 6 are reserved (volume I, section 11.2).
fn static_or_dynamic(rm: u8) -> Option<u8> {
    (rm != 5 && rm != 6).then_some(rm)
}

fn imm_i(raw: u32) -> i32 {
    raw as i32 >> 20
}

fn imm_s(raw: u32) -> i32 {
    (raw as i32 >> 25) << 5 | (raw >> 7 & 31) as i32
}

fn imm_b(raw: u32) -> i32 {
    (raw as i32 >> 31) << 12
        | ((raw >> 7 & 1) << 11 | (raw >> 25 & 0x3f) << 5 | (raw >> 8 & 0xf) << 1) as i32
}

fn imm_j(raw: u32) -> i32 {
    (raw as i32 >> 31) << 20
        | (raw & 0xff000 | (raw >> 20 & 1) << 11 | (raw >> 21 & 0x3ff) << 1) as i32
}
