//! RV64GC with Zicsr, Zifencei, Zicntr and the privileged instructions: one table ([`table`]), and
//! the decoder, encoder and disassembler derived from it; names of registers, CSRs and trap causes.
//!
//! ```
//! use riscv_isa::{Op, decode, disassemble, encode};
//! let insn = decode(0xfe010113).unwrap();
//! assert_eq!((insn.op, insn.rd, insn.rs1, insn.imm), (Op::Addi, 2, 2, -32));
//! assert_eq!(encode(&insn), 0xfe010113);
//! assert_eq!(disassemble(0xfe010113, 0), "addi sp,sp,-32");
//! assert_eq!(decode(0x0000), None);
//! ```
#![forbid(unsafe_code)]

pub mod cause;
mod compressed;
pub mod csr;
mod decode;
mod disasm;
mod encode;
pub mod reg;
pub mod table;

pub use compressed::expand_compressed;
pub use decode::decode;
pub use disasm::disassemble;
pub use encode::encode;
pub use table::Op;

/// A decoded instruction. Fields that its format ([`table::Format`]) does not have are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Insn {
    /// What it does.
    pub op: Op,
    /// Destination register, 0 to 31.
    pub rd: u8,
    /// First source register, 0 to 31; of `csrrwi`, `csrrsi` and `csrrci` the immediate.
    pub rs1: u8,
    /// Second source register, 0 to 31.
    pub rs2: u8,
    /// Third source register (multiply-add), 0 to 31.
    pub rs3: u8,
    /// Rounding mode (0 to 4, 7 for the dynamic one); of atomics the ordering bits, `aq << 1 | rl`.
    pub rm: u8,
    /// 2 if it was fetched as a compressed instruction, else 4.
    pub len: u8,
    /// The immediate, sign-extended. In bytes for loads, stores, jumps and branches; of `lui` and
    /// `auipc` the value that is added (a multiple of 4096). Unsigned: shift amounts, CSR numbers
    /// (0 to 4095), the 12 bits `fm, pred, succ` of a fence.
    pub imm: i32,
    /// As fetched; of a compressed instruction the low 16 bits.
    pub raw: u32,
}

impl Insn {
    /// An instruction without operands, of length 4: a start for building one field by field. `raw`
    /// is 0.
    pub const fn new(op: Op) -> Self {
        Self {
            op,
            rd: 0,
            rs1: 0,
            rs2: 0,
            rs3: 0,
            rm: 0,
            len: 4,
            imm: 0,
            raw: 0,
        }
    }
}
