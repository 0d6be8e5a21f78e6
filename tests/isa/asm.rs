//! A small assembler on `riscv_isa::encode`: labels, constants, compressed branches.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use riscv_isa::{Insn, Op, decode, encode};

pub(crate) const ZERO: u8 = 0;
pub(crate) const RA: u8 = 1;
pub(crate) const SP: u8 = 2;

/// A place in the program, which may not be known yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label(usize);

/// The kind of instruction to complete when the place of a label is known.
#[derive(Clone, Copy, Debug)]
enum Fixup {
    /// A branch or jump of four bytes.
    Relative(Insn),
    /// A branch or jump of two bytes.
    Compressed(Insn),
    /// `auipc` and `addi`.
    Address(u8),
}

#[derive(Debug)]
pub(crate) struct Asm {
    base: u64,
    bytes: Vec<u8>,
    labels: Vec<Option<u64>>,
    fixups: Vec<(u64, Label, Fixup)>,
}

impl Asm {
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            bytes: Vec::new(),
            labels: Vec::new(),
            fixups: Vec::new(),
        }
    }

    /// The address of the next byte.
    pub(crate) fn pc(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.pc());
    }

    /// A label at the present place.
    pub(crate) fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    pub(crate) fn address(&self, label: Label) -> u64 {
        self.labels[label.0].unwrap()
    }

    pub(crate) fn align(&mut self, to: usize) {
        while !self.bytes.len().is_multiple_of(to) {
            self.bytes.push(0);
        }
    }

    pub(crate) fn half(&mut self, half: u16) {
        self.bytes.extend(half.to_le_bytes());
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }

    pub(crate) fn double(&mut self, double: u64) {
        self.bytes.extend(double.to_le_bytes());
    }

    pub(crate) fn insn(&mut self, insn: Insn) {
        self.word(encode(&insn));
    }

    /// An instruction without operands.
    pub(crate) fn op(&mut self, op: Op) {
        self.insn(Insn::new(op));
    }

    /// `op rd, rs1, rs2`
    pub(crate) fn r(&mut self, op: Op, rd: u8, rs1: u8, rs2: u8) {
        self.insn(Insn {
            rd,
            rs1,
            rs2,
            ..Insn::new(op)
        });
    }

    /// `op rd, rs1, imm`; loads: `op rd, imm(rs1)`
    pub(crate) fn i(&mut self, op: Op, rd: u8, rs1: u8, imm: i32) {
        self.insn(Insn {
            rd,
            rs1,
            imm,
            ..Insn::new(op)
        });
    }

    /// `op rs2, imm(rs1)`
    pub(crate) fn store(&mut self, op: Op, rs2: u8, rs1: u8, imm: i32) {
        self.insn(Insn {
            rs1,
            rs2,
            imm,
            ..Insn::new(op)
        });
    }

    /// `op rd, csr, rs1`, where `rs1` may be an immediate.
    pub(crate) fn csr(&mut self, op: Op, rd: u8, csr: u16, rs1: u8) {
        self.i(op, rd, rs1, i32::from(csr));
    }

    /// `op rs1, rs2, label`
    pub(crate) fn branch(&mut self, op: Op, rs1: u8, rs2: u8, to: Label) {
        let insn = Insn {
            rs1,
            rs2,
            ..Insn::new(op)
        };
        self.fixup(to, Fixup::Relative(insn), 4);
    }

    /// `jal rd, label`
    pub(crate) fn jal(&mut self, rd: u8, to: Label) {
        let insn = Insn {
            rd,
            ..Insn::new(Op::Jal)
        };
        self.fixup(to, Fixup::Relative(insn), 4);
    }

    /// `c.j`, or `c.beqz` and `c.bnez` with `rs1` from x8 to x15.
    pub(crate) fn compressed_jump(&mut self, op: Op, rs1: u8, to: Label) {
        let insn = Insn {
            rs1,
            ..Insn::new(op)
        };
        self.fixup(to, Fixup::Compressed(insn), 2);
    }

    /// The address of a label in `rd`.
    pub(crate) fn la(&mut self, rd: u8, label: Label) {
        self.fixup(label, Fixup::Address(rd), 8);
    }

    fn fixup(&mut self, label: Label, fixup: Fixup, size: usize) {
        self.fixups.push((self.pc(), label, fixup));
        self.bytes.resize(self.bytes.len() + size, 0);
    }

    /// A constant in `rd`.
    pub(crate) fn li(&mut self, rd: u8, value: u64) {
        let value = value as i64;
        let low = (value << 52 >> 52) as i32;
        let high = value.wrapping_sub(i64::from(low));
        if high == 0 {
            self.i(Op::Addi, rd, ZERO, low);
        } else if i64::from(value as i32) == value {
            self.insn(Insn {
                rd,
                imm: high as i32,
                ..Insn::new(Op::Lui)
            });
            self.i(Op::Addiw, rd, rd, low);
        } else {
            let shift = high.trailing_zeros();
            self.li(rd, (high >> shift) as u64);
            self.i(Op::Slli, rd, rd, shift as i32);
            self.i(Op::Addi, rd, rd, low);
        }
    }

    /// The program, with all labels resolved.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        for (pc, label, fixup) in std::mem::take(&mut self.fixups) {
            let imm = self.address(label).wrapping_sub(pc) as i32;
            let at = (pc - self.base) as usize;
            match fixup {
                Fixup::Relative(insn) => self.put(at, &Insn { imm, ..insn }),
                Fixup::Compressed(insn) => {
                    let half = compressed_jump(insn.op, insn.rs1, imm);
                    self.bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
                }
                Fixup::Address(rd) => {
                    let low = imm << 20 >> 20;
                    let auipc = Insn {
                        rd,
                        imm: imm.wrapping_sub(low),
                        ..Insn::new(Op::Auipc)
                    };
                    let addi = Insn {
                        rd,
                        rs1: rd,
                        imm: low,
                        ..Insn::new(Op::Addi)
                    };
                    self.put(at, &auipc);
                    self.put(at + 4, &addi);
                }
            }
        }
        self.bytes
    }

    fn put(&mut self, at: usize, insn: &Insn) {
        let word = encode(insn);
        // A target that is out of reach would be truncated.
        let back = decode(word).unwrap();
        assert_eq!(back.imm, insn.imm, "{insn:?} does not reach");
        self.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}

/// The halfword of a compressed jump or branch, found by decoding all of them.
fn compressed_jump(op: Op, rs1: u8, imm: i32) -> u16 {
    static ALL: OnceLock<BTreeMap<(Op, u8, i32), u16>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        (0..=u16::MAX)
            .filter(|half| half & 3 == 1)
            .filter_map(|half| Some((decode(u32::from(half))?, half)))
            .filter(|(insn, _)| matches!(insn.op, Op::Jal | Op::Beq | Op::Bne))
            .map(|(insn, half)| ((insn.op, insn.rs1, insn.imm), half))
            .collect()
    });
    all[&(op, rs1, imm)]
}
