//! The disassembler. Its output is that of GNU objdump: ABI names and the usual
//! pseudo-instructions. One difference is intended: an immediate operation keeps its name (`addi`),
//! where objdump 2.40 prints `add`.

use crate::reg::{f, x};
use crate::table::Format;
use crate::{Insn, Op, csr, decode};

const ZERO: u8 = 0;
const RA: u8 = 1;

/// The text of the instruction at address `pc`, which jumps and branches need: mnemonic, a space,
/// and operands separated by commas. A word that [`decode()`] rejects becomes `.word 0x...`, or
/// `.half 0x...` if its low two bits are not 3.
pub fn disassemble(raw: u32, pc: u64) -> String {
    if raw & 0xffff == 0 {
        return "unimp".to_owned();
    }
    match decode(raw) {
        Some(insn) => text(&insn, pc),
        None if raw & 3 == 3 => format!(".word {raw:#010x}"),
        None => format!(".half {:#06x}", raw & 0xffff),
    }
}

fn text(insn: &Insn, pc: u64) -> String {
    pseudo(insn, pc).unwrap_or_else(|| plain(insn, pc))
}

fn target(insn: &Insn, pc: u64) -> String {
    format!("{:#x}", pc.wrapping_add_signed(i64::from(insn.imm)))
}

fn csr_name(insn: &Insn) -> String {
    let number = insn.imm as u16 & 0xfff;
    csr::name(number).map_or_else(|| format!("{number:#x}"), str::to_owned)
}

/// The text of an instruction under its own mnemonic.
fn plain(insn: &Insn, pc: u64) -> String {
    let name = insn.op.mnemonic();
    let Insn {
        rd, rs1, rs2, imm, ..
    } = *insn;
    match insn.op.entry().format {
        Format::U => format!("{name} {},{:#x}", x(rd), imm as u32 >> 12),
        Format::J => format!("{name} {},{}", x(rd), target(insn, pc)),
        Format::I if insn.op == Op::Jalr => format!("{name} {},{imm}({})", x(rd), x(rs1)),
        Format::I => format!("{name} {},{},{imm}", x(rd), x(rs1)),
        Format::B => format!("{name} {},{},{}", x(rs1), x(rs2), target(insn, pc)),
        Format::Load => format!("{name} {},{imm}({})", x(rd), x(rs1)),
        Format::Store => format!("{name} {},{imm}({})", x(rs2), x(rs1)),
        Format::Shift | Format::ShiftW => format!("{name} {},{},{imm:#x}", x(rd), x(rs1)),
        Format::R => format!("{name} {},{},{}", x(rd), x(rs1), x(rs2)),
        Format::Fence => fence(insn),
        Format::None => name.to_owned(),
        Format::SfenceVma => match (rs1, rs2) {
            (ZERO, ZERO) => name.to_owned(),
            (_, ZERO) => format!("{name} {}", x(rs1)),
            _ => format!("{name} {},{}", x(rs1), x(rs2)),
        },
        Format::Csr => format!("{name} {},{},{}", x(rd), csr_name(insn), x(rs1)),
        Format::CsrI => format!("{name} {},{},{rs1}", x(rd), csr_name(insn)),
        Format::LoadReserved => format!("{name}{} {},({})", ordering(insn.rm), x(rd), x(rs1)),
        Format::Amo => {
            let ordering = ordering(insn.rm);
            format!("{name}{ordering} {},{},({})", x(rd), x(rs2), x(rs1))
        }
        Format::FLoad => format!("{name} {},{imm}({})", f(rd), x(rs1)),
        Format::FStore => format!("{name} {},{imm}({})", f(rs2), x(rs1)),
        Format::F4 => {
            let (rs3, rm) = (f(insn.rs3), rounding(insn));
            format!("{name} {},{},{},{rs3}{rm}", f(rd), f(rs1), f(rs2))
        }
        Format::F => format!("{name} {},{},{}", f(rd), f(rs1), f(rs2)),
        Format::FRm => {
            let rm = rounding(insn);
            format!("{name} {},{},{}{rm}", f(rd), f(rs1), f(rs2))
        }
        Format::FFRm => format!("{name} {},{}{}", f(rd), f(rs1), rounding(insn)),
        Format::FCmp => format!("{name} {},{},{}", x(rd), f(rs1), f(rs2)),
        Format::XF => format!("{name} {},{}", x(rd), f(rs1)),
        Format::XFRm => format!("{name} {},{}{}", x(rd), f(rs1), rounding(insn)),
        Format::FX => format!("{name} {},{}", f(rd), x(rs1)),
        Format::FXRm => format!("{name} {},{}{}", f(rd), x(rs1), rounding(insn)),
    }
}

fn ordering(bits: u8) -> &'static str {
    [".rl", ".aq", ".aqrl"]
        .get(usize::from(bits).wrapping_sub(1))
        .copied()
        .unwrap_or("")
}

/// The rounding mode as the last operand. It is empty for the dynamic mode, and for mode 0 of a
/// conversion that is always exact.
fn rounding(insn: &Insn) -> &'static str {
    let exact = matches!(insn.op, Op::FcvtDS | Op::FcvtDW | Op::FcvtDWu);
    match insn.rm {
        0 if exact => "",
        0 => ",rne",
        1 => ",rtz",
        2 => ",rdn",
        3 => ",rup",
        4 => ",rmm",
        _ => "",
    }
}

fn fence(insn: &Insn) -> String {
    let set = |bits: i32| match bits & 15 {
        0 => "unknown".to_owned(),
        bits => "iorw"
            .chars()
            .zip([8, 4, 2, 1])
            .filter(|&(_, bit)| bits & bit != 0)
            .map(|(letter, _)| letter)
            .collect(),
    };
    match (insn.op, insn.imm) {
        (Op::FenceI, _) => "fence.i".to_owned(),
        (_, 0x0ff) => "fence".to_owned(),
        (_, 0x833) => "fence.tso".to_owned(),
        (_, 0x010) if insn.rd == ZERO && insn.rs1 == ZERO => "pause".to_owned(),
        (_, imm) => format!("fence {},{}", set(imm >> 4), set(imm)),
    }
}

/// The text of an instruction as a pseudo-instruction, if there is one (volume I, tables 25.2 and
/// 25.3).
fn pseudo(insn: &Insn, pc: u64) -> Option<String> {
    let Insn {
        op,
        rd,
        rs1,
        rs2,
        imm,
        ..
    } = *insn;
    Some(match (op, rd, rs1, rs2, imm) {
        (Op::Addi, ZERO, ZERO, _, 0) => "nop".to_owned(),
        (Op::Addi, _, ZERO, _, _) => format!("li {},{imm}", x(rd)),
        (Op::Addi, _, _, _, 0) => format!("mv {},{}", x(rd), x(rs1)),
        (Op::Add, _, ZERO, _, _) if insn.len == 2 => format!("mv {},{}", x(rd), x(rs2)),
        (Op::Addiw, _, _, _, 0) => format!("sext.w {},{}", x(rd), x(rs1)),
        (Op::Xori, _, _, _, -1) => format!("not {},{}", x(rd), x(rs1)),
        (Op::Andi, _, _, _, 255) => format!("zext.b {},{}", x(rd), x(rs1)),
        (Op::Sltiu, _, _, _, 1) => format!("seqz {},{}", x(rd), x(rs1)),
        (Op::Sub, _, ZERO, _, _) => format!("neg {},{}", x(rd), x(rs2)),
        (Op::Subw, _, ZERO, _, _) => format!("negw {},{}", x(rd), x(rs2)),
        (Op::Sltu, _, ZERO, _, _) => format!("snez {},{}", x(rd), x(rs2)),
        (Op::Slt, _, _, ZERO, _) => format!("sltz {},{}", x(rd), x(rs1)),
        (Op::Slt, _, ZERO, _, _) => format!("sgtz {},{}", x(rd), x(rs2)),
        (Op::Jal, ZERO, ..) => format!("j {}", target(insn, pc)),
        (Op::Jal, RA, ..) => format!("jal {}", target(insn, pc)),
        (Op::Jalr, ZERO, RA, _, 0) => "ret".to_owned(),
        (Op::Jalr, ZERO, _, _, 0) => format!("jr {}", x(rs1)),
        (Op::Jalr, ZERO, ..) => format!("jr {imm}({})", x(rs1)),
        (Op::Jalr, RA, _, _, 0) => format!("jalr {}", x(rs1)),
        (Op::Jalr, RA, ..) => format!("jalr {imm}({})", x(rs1)),
        (Op::Jalr, _, _, _, 0) => format!("jalr {},{}", x(rd), x(rs1)),
        (Op::Beq | Op::Bne | Op::Blt | Op::Bge, _, _, ZERO, _) => {
            format!("{}z {},{}", op.mnemonic(), x(rs1), target(insn, pc))
        }
        (Op::Blt, _, ZERO, ..) => format!("bgtz {},{}", x(rs2), target(insn, pc)),
        (Op::Bge, _, ZERO, ..) => format!("blez {},{}", x(rs2), target(insn, pc)),
        (Op::FsgnjS | Op::FsgnjD, ..) if rs1 == rs2 => sign("fmv", insn),
        (Op::FsgnjnS | Op::FsgnjnD, ..) if rs1 == rs2 => sign("fneg", insn),
        (Op::FsgnjxS | Op::FsgnjxD, ..) if rs1 == rs2 => sign("fabs", insn),
        (Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci, ..) => {
            return csr_pseudo(insn);
        }
        _ => return None,
    })
}

fn sign(name: &str, insn: &Insn) -> String {
    let single = matches!(insn.op, Op::FsgnjS | Op::FsgnjnS | Op::FsgnjxS);
    let suffix = if single { 's' } else { 'd' };
    format!("{name}.{suffix} {},{}", f(insn.rd), f(insn.rs1))
}

fn csr_pseudo(insn: &Insn) -> Option<String> {
    let Insn { op, rd, rs1, .. } = *insn;
    let number = insn.imm as u16;
    let short = match number {
        csr::FFLAGS => Some("flags"),
        csr::FRM => Some("rm"),
        csr::FCSR => Some("csr"),
        _ => None,
    };
    let counter = match number {
        csr::CYCLE => Some("rdcycle"),
        csr::TIME => Some("rdtime"),
        csr::INSTRET => Some("rdinstret"),
        _ => None,
    };
    let csr = csr_name(insn);
    Some(match (op, rd, rs1, short) {
        (Op::Csrrw, ZERO, ZERO, _) if number == csr::CYCLE => "unimp".to_owned(),
        (Op::Csrrs, _, ZERO, Some(short)) => format!("fr{short} {}", x(rd)),
        (Op::Csrrs, _, ZERO, _) => match counter {
            Some(name) => format!("{name} {}", x(rd)),
            None => format!("csrr {},{csr}", x(rd)),
        },
        (Op::Csrrw, ZERO, _, Some(short)) => format!("fs{short} {}", x(rs1)),
        (Op::Csrrw, _, _, Some(short)) => format!("fs{short} {},{}", x(rd), x(rs1)),
        (Op::Csrrwi, ZERO, _, Some(short)) if number != csr::FCSR => format!("fs{short}i {rs1}"),
        (Op::Csrrwi, _, _, Some(short)) if number != csr::FCSR => {
            format!("fs{short}i {},{rs1}", x(rd))
        }
        (Op::Csrrw, ZERO, ..) => format!("csrw {csr},{}", x(rs1)),
        (Op::Csrrs, ZERO, ..) => format!("csrs {csr},{}", x(rs1)),
        (Op::Csrrc, ZERO, ..) => format!("csrc {csr},{}", x(rs1)),
        (Op::Csrrwi, ZERO, ..) => format!("csrwi {csr},{rs1}"),
        (Op::Csrrsi, ZERO, ..) => format!("csrsi {csr},{rs1}"),
        (Op::Csrrci, ZERO, ..) => format!("csrci {csr},{rs1}"),
        _ => return None,
    })
}
