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
    /// The operation.
    pub op: Op,
    /// Destination register, 0 to 31.
    pub rd: u8,
    /// First source register, 0 to 31. For `csrrwi`, `csrrsi` and `csrrci` it is the immediate.
    pub rs1: u8,
    /// Second source register, 0 to 31.
    pub rs2: u8,
    /// Third source register (multiply-add), 0 to 31.
    pub rs3: u8,
    /// Rounding mode: 0 to 4, or 7 (dynamic). For atomics the ordering bits, `aq << 1 | rl`.
    pub rm: u8,
    /// Length in bytes: 2 for a compressed instruction, otherwise 4.
    pub len: u8,
    /// The immediate, sign-extended. It is in bytes for loads, stores, jumps and branches. For
    /// `lui` and `auipc` it is the added value, a multiple of 4096. Unsigned are shift amounts, CSR
    /// numbers (0 to 4095), and the 12 bits `fm, pred, succ` of a fence.
    pub imm: i32,
    /// The fetched bits. For a compressed instruction only the low 16 bits are used.
    pub raw: u32,
}

impl Insn {
    /// An instruction of length 4 whose operands and `raw` are 0. Callers then set single fields.
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
