//! Tests of the instruction table: no two entries overlap, and decoding and encoding preserve every
//! word.
#![allow(
    clippy::unwrap_used,
    reason = "a test: a panic is how it reports a failure"
)]

use proptest::prelude::*;
use riscv_isa::table::{Format, TABLE};
use riscv_isa::{Insn, Op, csr, decode, disassemble, encode, expand_compressed};

/// The word matches its entry but has a reserved rounding mode, so it is illegal.
fn has_reserved_rounding(format: Format, word: u32) -> bool {
    use Format::{F4, FFRm, FRm, FXRm, XFRm};
    matches!(format, F4 | FRm | FFRm | XFRm | FXRm) && matches!(word >> 12 & 7, 5 | 6)
}

#[test]
fn an_entry_has_no_match_bit_outside_its_mask_and_is_at_its_own_index() {
    for (i, entry) in TABLE.iter().enumerate() {
        assert_eq!(entry.match_bits & !entry.mask, 0, "{}", entry.mnemonic);
        assert_eq!(entry.match_bits & 3, 3, "{}", entry.mnemonic);
        assert_eq!(entry.op as usize, i, "{}", entry.mnemonic);
    }
}

#[test]
fn no_two_entries_overlap() {
    for (i, a) in TABLE.iter().enumerate() {
        for b in &TABLE[i + 1..] {
            let both = a.mask & b.mask;
            let overlap = (a.match_bits ^ b.match_bits) & both == 0;
            assert!(!overlap, "{} and {}", a.mnemonic, b.mnemonic);
        }
    }
}

#[test]
fn fixed_and_operand_bits_cover_the_word() {
    // A bit in neither would be ignored by the decoder and lost by the encoder.
    for entry in &TABLE {
        let zeros = decode(entry.match_bits).unwrap();
        for bit in 0..32 {
            let word = entry.match_bits | 1 << bit;
            if entry.mask >> bit & 1 == 0 && !has_reserved_rounding(entry.format, word) {
                let insn = decode(word).unwrap();
                assert_ne!(
                    Insn { raw: 0, ..insn },
                    Insn { raw: 0, ..zeros },
                    "{} bit {bit}",
                    entry.mnemonic
                );
            }
        }
    }
}

#[test]
fn a_compressed_instruction_decodes_as_its_expansion() {
    for half in 0..=u16::MAX {
        let expanded = expand_compressed(half);
        let Some(word) = expanded else {
            if half & 3 != 3 {
                assert_eq!(decode(u32::from(half)), None, "{half:#06x}");
            }
            continue;
        };
        let short = decode(u32::from(half) | 0xdead_0000).unwrap();
        let long = decode(word).unwrap();
        assert_eq!((short.len, short.raw), (2, u32::from(half)));
        assert_eq!((long.len, long.raw), (4, word));
        let short_as_long = Insn {
            len: 4,
            raw: word,
            ..short
        };
        assert_eq!(short_as_long, long, "{half:#06x}");
    }
}

#[test]
fn instructions_outside_rv64gc_are_illegal() {
    let foreign = [
        (0x0000_0000, "all zeros"),
        (0xffff_ffff, "all ones"),
        (0x0010_0073 | 1 << 7, "ebreak with rd"),
        (0x0020_0073, "uret"),
        (0x7b20_0073, "dret"),
        (0x1605_0073, "sinval.vma"),
        (0x2000_0073 | 0x11 << 25, "hfence.bvma"),
        (0x20a5_2533, "sh1add"),
        (0x0805_453b, "zext.h"),
        (0x4285_1513, "bseti"),
        (0x0a05_1533, "clmul"),
        (0x0205_1013 | 1 << 26, "slli with a seventh shift bit"),
        (0x0205_101b, "slliw with a sixth shift bit"),
        (0x0000_3057, "vector"),
        (0x0000_200f, "cbo.inval"),
        (0x1000_a52f | 1 << 20, "lr.w with rs2"),
        (0x0000_5053, "fadd.s with rounding mode 5"),
        (0x0400_0053, "half precision"),
        (0x0000_4007, "flq"),
    ];
    for (word, what) in foreign {
        assert_eq!(decode(word), None, "{what}: {}", disassemble(word, 0));
    }
    for half in [
        0x0000, 0x2001, 0x4002, 0x6002, 0x8002, 0x6101, 0x8000, 0x9c41,
    ] {
        assert_eq!(decode(half), None, "{half:#06x}");
    }
}

#[test]
fn csr_names_go_both_ways_and_ascend() {
    assert!(csr::ALL.is_sorted_by(|a, b| a.0 < b.0));
    for &(number, name) in csr::ALL {
        assert_eq!(csr::name(number), Some(name));
        assert_eq!(csr::from_name(name), Some(number));
    }
    assert_eq!(csr::name(0x5c0), None);
    assert_eq!(csr::from_name("mstatush"), None);
}

#[test]
fn disassembly_in_the_style_of_objdump() {
    let samples = [
        (0xfe01_0113, "addi sp,sp,-32"),
        (0x0005_0863, "beqz a0,0x80000010"),
        (0x0000_8067, "ret"),
        (0x0000_1141, "addi sp,sp,-16"),
        (0x0000_852e, "mv a0,a1"),
        (0x3000_2573, "csrr a0,mstatus"),
        (0x0000_0000, "unimp"),
        (0x0000_8000, ".half 0x8000"),
        (0xffff_ffff, ".word 0xffffffff"),
        (0x1605_a52f, "lr.w.aqrl a0,(a1)"),
        (0xc205_1553, "fcvt.w.d a0,fa0,rtz"),
    ];
    for (raw, text) in samples {
        assert_eq!(disassemble(raw, 0x8000_0000), text);
    }
}

proptest! {
    #[test]
    fn every_word_of_every_entry_survives(
        words in prop::collection::vec(any::<u32>(), TABLE.len())
    ) {
        for (entry, word) in TABLE.iter().zip(words) {
            let word = word & !entry.mask | entry.match_bits;
            match decode(word) {
                None => prop_assert!(has_reserved_rounding(entry.format, word), "{:#x}", word),
                Some(insn) => {
                    prop_assert_eq!(insn.op, entry.op);
                    prop_assert_eq!((insn.len, insn.raw), (4, word));
                    prop_assert_eq!(encode(&insn), word, "{:?}", insn);
                }
            }
        }
    }

    #[test]
    fn no_word_panics(word: u32, pc: u64) {
        let text = disassemble(word, pc);
        prop_assert!(!text.is_empty());
        if let Some(insn) = decode(word) {
            prop_assert!(insn.rd < 32 && insn.rs1 < 32 && insn.rs2 < 32 && insn.rs3 < 32);
            prop_assert!((insn.op as usize) <= Op::FmvDX as usize);
        }
    }
}
