//! The instruction table: one entry per instruction of RV64GC, Zicsr, Zifencei and the privileged
//! architecture.
//!
//! Source: RISC-V ISA Manual, volume I (20191213), chapter 24 "RV32/64G Instruction Set Listings";
//! volume II (1.12), chapter "Instruction Set Listings". A word is an instruction if `word & mask
//! == match`. No two entries overlap, so their order does not matter (`tests/table.rs`).

/// The operands of an instruction and their position in the word. Names follow the manual if it has
/// one.
///
/// In the names of floating-point formats `X` is an integer register and `F` a floating-point one,
/// destination first. `Rm` means that `funct3` is a rounding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `rd`, and 20 upper bits.
    U,
    /// `rd`, and a jump target.
    J,
    /// `rd, rs1`, and a signed 12-bit immediate.
    I,
    /// `rs1, rs2`, and a branch target.
    B,
    /// `rd`, and an address `imm(rs1)`.
    Load,
    /// `rs2`, and an address `imm(rs1)`.
    Store,
    /// `rd, rs1`, and a 6-bit shift amount.
    Shift,
    /// `rd, rs1`, and a 5-bit shift amount.
    ShiftW,
    /// `rd, rs1, rs2`.
    R,
    /// `rd, rs1` (reserved, ignored), and 12 bits of fence mode, predecessor and successor set.
    Fence,
    /// No operands.
    None,
    /// `rs1` (address), `rs2` (address space).
    SfenceVma,
    /// `rd, csr, rs1`.
    Csr,
    /// `rd, csr`, and five bits of immediate in the place of `rs1`.
    CsrI,
    /// `rd, (rs1)`, and the ordering bits.
    LoadReserved,
    /// `rd, rs2, (rs1)`, and the ordering bits.
    Amo,
    /// Floating-point `rd`, and an address `imm(rs1)`.
    FLoad,
    /// Floating-point `rs2`, and an address `imm(rs1)`.
    FStore,
    /// `rd, rs1, rs2, rs3` and the rounding mode.
    F4,
    /// `rd, rs1, rs2`.
    F,
    /// `rd, rs1, rs2` and the rounding mode.
    FRm,
    /// `rd, rs1` and the rounding mode.
    FFRm,
    /// Integer `rd`; `rs1, rs2`.
    FCmp,
    /// Integer `rd`; `rs1`.
    XF,
    /// Integer `rd`; `rs1` and the rounding mode.
    XFRm,
    /// `rd`; integer `rs1`.
    FX,
    /// `rd`; integer `rs1` and the rounding mode.
    FXRm,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The instruction.
    pub op: Op,
    /// Its name in assembly language.
    pub mnemonic: &'static str,
    /// Values of the fixed bits.
    pub match_bits: u32,
    /// Mask of the fixed bits.
    pub mask: u32,
    /// The operands, in the other bits.
    pub format: Format,
}

macro_rules! instructions {
    ($($variant:ident $mnemonic:literal $match_bits:literal $mask:literal $format:ident;)*) => {
        /// An instruction without its operands. The number of a variant is its index in [`TABLE`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Op {
            $(#[doc = concat!("`", $mnemonic, "`")] $variant,)*
        }

        /// Every instruction, in the order of [`Op`].
        pub static TABLE: [Entry; COUNT] = ENTRIES;

        const COUNT: usize = [$($mnemonic),*].len();

        /// The same as [`TABLE`], for use at compile time.
        pub(crate) const ENTRIES: [Entry; COUNT] = [
            $(Entry {
                op: Op::$variant,
                mnemonic: $mnemonic,
                match_bits: $match_bits,
                mask: $mask,
                format: Format::$format,
            },)*
        ];
    };
}

impl Op {
    /// The entry in [`TABLE`].
    pub fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// The name in assembly language.
    pub fn mnemonic(self) -> &'static str {
        self.entry().mnemonic
    }
}

instructions! {
    // RV64I: upper immediates and jumps
    Lui       "lui"        0x00000037 0x0000007f U;
    Auipc     "auipc"      0x00000017 0x0000007f U;
    Jal       "jal"        0x0000006f 0x0000007f J;
    Jalr      "jalr"       0x00000067 0x0000707f I;
    // RV64I: branches
    Beq       "beq"        0x00000063 0x0000707f B;
    Bne       "bne"        0x00001063 0x0000707f B;
    Blt       "blt"        0x00004063 0x0000707f B;
    Bge       "bge"        0x00005063 0x0000707f B;
    Bltu      "bltu"       0x00006063 0x0000707f B;
    Bgeu      "bgeu"       0x00007063 0x0000707f B;
    // RV64I: loads and stores
    Lb        "lb"         0x00000003 0x0000707f Load;
    Lh        "lh"         0x00001003 0x0000707f Load;
    Lw        "lw"         0x00002003 0x0000707f Load;
    Ld        "ld"         0x00003003 0x0000707f Load;
    Lbu       "lbu"        0x00004003 0x0000707f Load;
    Lhu       "lhu"        0x00005003 0x0000707f Load;
    Lwu       "lwu"        0x00006003 0x0000707f Load;
    Sb        "sb"         0x00000023 0x0000707f Store;
    Sh        "sh"         0x00001023 0x0000707f Store;
    Sw        "sw"         0x00002023 0x0000707f Store;
    Sd        "sd"         0x00003023 0x0000707f Store;
    // RV64I: register and immediate
    Addi      "addi"       0x00000013 0x0000707f I;
    Slti      "slti"       0x00002013 0x0000707f I;
    Sltiu     "sltiu"      0x00003013 0x0000707f I;
    Xori      "xori"       0x00004013 0x0000707f I;
    Ori       "ori"        0x00006013 0x0000707f I;
    Andi      "andi"       0x00007013 0x0000707f I;
    Slli      "slli"       0x00001013 0xfc00707f Shift;
    Srli      "srli"       0x00005013 0xfc00707f Shift;
    Srai      "srai"       0x40005013 0xfc00707f Shift;
    Addiw     "addiw"      0x0000001b 0x0000707f I;
    Slliw     "slliw"      0x0000101b 0xfe00707f ShiftW;
    Srliw     "srliw"      0x0000501b 0xfe00707f ShiftW;
    Sraiw     "sraiw"      0x4000501b 0xfe00707f ShiftW;
    // RV64I: register and register
    Add       "add"        0x00000033 0xfe00707f R;
    Sub       "sub"        0x40000033 0xfe00707f R;
    Sll       "sll"        0x00001033 0xfe00707f R;
    Slt       "slt"        0x00002033 0xfe00707f R;
    Sltu      "sltu"       0x00003033 0xfe00707f R;
    Xor       "xor"        0x00004033 0xfe00707f R;
    Srl       "srl"        0x00005033 0xfe00707f R;
    Sra       "sra"        0x40005033 0xfe00707f R;
    Or        "or"         0x00006033 0xfe00707f R;
    And       "and"        0x00007033 0xfe00707f R;
    Addw      "addw"       0x0000003b 0xfe00707f R;
    Subw      "subw"       0x4000003b 0xfe00707f R;
    Sllw      "sllw"       0x0000103b 0xfe00707f R;
    Srlw      "srlw"       0x0000503b 0xfe00707f R;
    Sraw      "sraw"       0x4000503b 0xfe00707f R;
    // RV64I and Zifencei: fences. Implementations ignore their reserved fields.
    Fence     "fence"      0x0000000f 0x0000707f Fence;
    FenceI    "fence.i"    0x0000100f 0x0000707f Fence;
    // System and privileged
    Ecall     "ecall"      0x00000073 0xffffffff None;
    Ebreak    "ebreak"     0x00100073 0xffffffff None;
    Sret      "sret"       0x10200073 0xffffffff None;
    Mret      "mret"       0x30200073 0xffffffff None;
    Wfi       "wfi"        0x10500073 0xffffffff None;
    SfenceVma "sfence.vma" 0x12000073 0xfe007fff SfenceVma;
    // Zicsr
    Csrrw     "csrrw"      0x00001073 0x0000707f Csr;
    Csrrs     "csrrs"      0x00002073 0x0000707f Csr;
    Csrrc     "csrrc"      0x00003073 0x0000707f Csr;
    Csrrwi    "csrrwi"     0x00005073 0x0000707f CsrI;
    Csrrsi    "csrrsi"     0x00006073 0x0000707f CsrI;
    Csrrci    "csrrci"     0x00007073 0x0000707f CsrI;
    // M: multiply and divide
    Mul       "mul"        0x02000033 0xfe00707f R;
    Mulh      "mulh"       0x02001033 0xfe00707f R;
    Mulhsu    "mulhsu"     0x02002033 0xfe00707f R;
    Mulhu     "mulhu"      0x02003033 0xfe00707f R;
    Div       "div"        0x02004033 0xfe00707f R;
    Divu      "divu"       0x02005033 0xfe00707f R;
    Rem       "rem"        0x02006033 0xfe00707f R;
    Remu      "remu"       0x02007033 0xfe00707f R;
    Mulw      "mulw"       0x0200003b 0xfe00707f R;
    Divw      "divw"       0x0200403b 0xfe00707f R;
    Divuw     "divuw"      0x0200503b 0xfe00707f R;
    Remw      "remw"       0x0200603b 0xfe00707f R;
    Remuw     "remuw"      0x0200703b 0xfe00707f R;
    // A: atomics
    LrW       "lr.w"       0x1000202f 0xf9f0707f LoadReserved;
    ScW       "sc.w"       0x1800202f 0xf800707f Amo;
    AmoswapW  "amoswap.w"  0x0800202f 0xf800707f Amo;
    AmoaddW   "amoadd.w"   0x0000202f 0xf800707f Amo;
    AmoxorW   "amoxor.w"   0x2000202f 0xf800707f Amo;
    AmoandW   "amoand.w"   0x6000202f 0xf800707f Amo;
    AmoorW    "amoor.w"    0x4000202f 0xf800707f Amo;
    AmominW   "amomin.w"   0x8000202f 0xf800707f Amo;
    AmomaxW   "amomax.w"   0xa000202f 0xf800707f Amo;
    AmominuW  "amominu.w"  0xc000202f 0xf800707f Amo;
    AmomaxuW  "amomaxu.w"  0xe000202f 0xf800707f Amo;
    LrD       "lr.d"       0x1000302f 0xf9f0707f LoadReserved;
    ScD       "sc.d"       0x1800302f 0xf800707f Amo;
    AmoswapD  "amoswap.d"  0x0800302f 0xf800707f Amo;
    AmoaddD   "amoadd.d"   0x0000302f 0xf800707f Amo;
    AmoxorD   "amoxor.d"   0x2000302f 0xf800707f Amo;
    AmoandD   "amoand.d"   0x6000302f 0xf800707f Amo;
    AmoorD    "amoor.d"    0x4000302f 0xf800707f Amo;
    AmominD   "amomin.d"   0x8000302f 0xf800707f Amo;
    AmomaxD   "amomax.d"   0xa000302f 0xf800707f Amo;
    AmominuD  "amominu.d"  0xc000302f 0xf800707f Amo;
    AmomaxuD  "amomaxu.d"  0xe000302f 0xf800707f Amo;
    // F: single precision
    Flw       "flw"        0x00002007 0x0000707f FLoad;
    Fsw       "fsw"        0x00002027 0x0000707f FStore;
    FmaddS    "fmadd.s"    0x00000043 0x0600007f F4;
    FmsubS    "fmsub.s"    0x00000047 0x0600007f F4;
    FnmsubS   "fnmsub.s"   0x0000004b 0x0600007f F4;
    FnmaddS   "fnmadd.s"   0x0000004f 0x0600007f F4;
    FaddS     "fadd.s"     0x00000053 0xfe00007f FRm;
    FsubS     "fsub.s"     0x08000053 0xfe00007f FRm;
    FmulS     "fmul.s"     0x10000053 0xfe00007f FRm;
    FdivS     "fdiv.s"     0x18000053 0xfe00007f FRm;
    FsqrtS    "fsqrt.s"    0x58000053 0xfff0007f FFRm;
    FsgnjS    "fsgnj.s"    0x20000053 0xfe00707f F;
    FsgnjnS   "fsgnjn.s"   0x20001053 0xfe00707f F;
    FsgnjxS   "fsgnjx.s"   0x20002053 0xfe00707f F;
    FminS     "fmin.s"     0x28000053 0xfe00707f F;
    FmaxS     "fmax.s"     0x28001053 0xfe00707f F;
    FleS      "fle.s"      0xa0000053 0xfe00707f FCmp;
    FltS      "flt.s"      0xa0001053 0xfe00707f FCmp;
    FeqS      "feq.s"      0xa0002053 0xfe00707f FCmp;
    FcvtWS    "fcvt.w.s"   0xc0000053 0xfff0007f XFRm;
    FcvtWuS   "fcvt.wu.s"  0xc0100053 0xfff0007f XFRm;
    FcvtLS    "fcvt.l.s"   0xc0200053 0xfff0007f XFRm;
    FcvtLuS   "fcvt.lu.s"  0xc0300053 0xfff0007f XFRm;
    FcvtSW    "fcvt.s.w"   0xd0000053 0xfff0007f FXRm;
    FcvtSWu   "fcvt.s.wu"  0xd0100053 0xfff0007f FXRm;
    FcvtSL    "fcvt.s.l"   0xd0200053 0xfff0007f FXRm;
    FcvtSLu   "fcvt.s.lu"  0xd0300053 0xfff0007f FXRm;
    FclassS   "fclass.s"   0xe0001053 0xfff0707f XF;
    FmvXW     "fmv.x.w"    0xe0000053 0xfff0707f XF;
    FmvWX     "fmv.w.x"    0xf0000053 0xfff0707f FX;
    // D: double precision
    Fld       "fld"        0x00003007 0x0000707f FLoad;
    Fsd       "fsd"        0x00003027 0x0000707f FStore;
    FmaddD    "fmadd.d"    0x02000043 0x0600007f F4;
    FmsubD    "fmsub.d"    0x02000047 0x0600007f F4;
    FnmsubD   "fnmsub.d"   0x0200004b 0x0600007f F4;
    FnmaddD   "fnmadd.d"   0x0200004f 0x0600007f F4;
    FaddD     "fadd.d"     0x02000053 0xfe00007f FRm;
    FsubD     "fsub.d"     0x0a000053 0xfe00007f FRm;
    FmulD     "fmul.d"     0x12000053 0xfe00007f FRm;
    FdivD     "fdiv.d"     0x1a000053 0xfe00007f FRm;
    FsqrtD    "fsqrt.d"    0x5a000053 0xfff0007f FFRm;
    FsgnjD    "fsgnj.d"    0x22000053 0xfe00707f F;
    FsgnjnD   "fsgnjn.d"   0x22001053 0xfe00707f F;
    FsgnjxD   "fsgnjx.d"   0x22002053 0xfe00707f F;
    FminD     "fmin.d"     0x2a000053 0xfe00707f F;
    FmaxD     "fmax.d"     0x2a001053 0xfe00707f F;
    FleD      "fle.d"      0xa2000053 0xfe00707f FCmp;
    FltD      "flt.d"      0xa2001053 0xfe00707f FCmp;
    FeqD      "feq.d"      0xa2002053 0xfe00707f FCmp;
    FcvtSD    "fcvt.s.d"   0x40100053 0xfff0007f FFRm;
    FcvtDS    "fcvt.d.s"   0x42000053 0xfff0007f FFRm;
    FcvtWD    "fcvt.w.d"   0xc2000053 0xfff0007f XFRm;
    FcvtWuD   "fcvt.wu.d"  0xc2100053 0xfff0007f XFRm;
    FcvtLD    "fcvt.l.d"   0xc2200053 0xfff0007f XFRm;
    FcvtLuD   "fcvt.lu.d"  0xc2300053 0xfff0007f XFRm;
    FcvtDW    "fcvt.d.w"   0xd2000053 0xfff0007f FXRm;
    FcvtDWu   "fcvt.d.wu"  0xd2100053 0xfff0007f FXRm;
    FcvtDL    "fcvt.d.l"   0xd2200053 0xfff0007f FXRm;
    FcvtDLu   "fcvt.d.lu"  0xd2300053 0xfff0007f FXRm;
    FclassD   "fclass.d"   0xe2001053 0xfff0707f XF;
    FmvXD     "fmv.x.d"    0xe2000053 0xfff0707f XF;
    FmvDX     "fmv.d.x"    0xf2000053 0xfff0707f FX;
}
