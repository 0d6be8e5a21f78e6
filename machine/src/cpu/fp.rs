//! The F and D extensions (unprivileged specification 20191213, chapters 11 and 12), on top of
//! `softfloat`.

use super::csr::mstatus;
use super::mem::At;
use super::trap::cause;
use super::{Core, Trap};
use riscv_isa::{Insn, Op};
use softfloat::{Flags, Round, f32, f64};

/// The upper half of a register that contains a NaN-boxed single-precision value.
const BOX: u64 = 0xffff_ffff_0000_0000;
/// The canonical NaN. A register that is not NaN-boxed reads as this.
const NAN: u32 = 0x7fc0_0000;

/// The operands of an operation in one format.
struct Operands<T> {
    a: T,
    b: T,
    c: T,
}

impl Core<'_> {
    fn illegal(insn: &Insn) -> Trap {
        Trap::Exception {
            cause: cause::ILLEGAL,
            tval: u64::from(insn.raw),
        }
    }

    fn check_fp_on(&self, insn: &Insn) -> Result<(), Trap> {
        if self.hart.csrs.mstatus & mstatus::FS == 0 {
            Err(Self::illegal(insn))
        } else {
            Ok(())
        }
    }

    fn single(&self, register: u8) -> u32 {
        let value = self.hart.f[usize::from(register & 31)];
        if value & BOX == BOX {
            value as u32
        } else {
            NAN
        }
    }

    fn double(&self, register: u8) -> u64 {
        self.hart.f[usize::from(register & 31)]
    }

    fn set_double(&mut self, register: u8, value: u64) {
        self.hart.f[usize::from(register & 31)] = value;
        self.hart.csrs.mstatus |= mstatus::FS;
    }

    fn set_single(&mut self, register: u8, value: u32) {
        self.set_double(register, BOX | u64::from(value));
    }

    /// Executes loads and stores of floating-point registers.
    pub(super) fn exec_fp_memory(&mut self, insn: &Insn, at: At) -> Result<(), Trap> {
        self.check_fp_on(insn)?;
        let address = self
            .hart
            .get_x(insn.rs1)
            .wrapping_add(i64::from(insn.imm) as u64);
        match insn.op {
            Op::Flw => {
                let value = self.load::<4>(address, at)?;
                self.set_single(insn.rd, value as u32);
            }
            Op::Fld => {
                let value = self.load::<8>(address, at)?;
                self.set_double(insn.rd, value);
            }
            Op::Fsw => self.store::<4>(address, self.double(insn.rs2), at)?,
            _ => self.store::<8>(address, self.double(insn.rs2), at)?,
        }
        Ok(())
    }

    /// Executes all other floating-point instructions.
    pub(super) fn exec_fp(&mut self, insn: &Insn, _at: At) -> Result<(), Trap> {
        self.check_fp_on(insn)?;
        let mode = if insn.rm == 7 {
            (self.hart.csrs.fcsr >> 5) as u8
        } else {
            insn.rm
        };
        // Instructions without a rounding mode have 0 in that field.
        let Some(rm) = Round::from_bits(mode) else {
            return Err(Self::illegal(insn));
        };
        let before = self.hart.csrs.fcsr;
        // Pass in the accrued flags: the fast path skips flags that are already set.
        let mut flags = Flags::from_bits(before as u8);
        self.compute(insn, rm, &mut flags)?;
        let after = before & !0x1f | u64::from(flags.bits());
        if after != before {
            self.hart.csrs.fcsr = after;
            self.hart.csrs.mstatus |= mstatus::FS;
        }
        Ok(())
    }

    fn compute(&mut self, insn: &Insn, rm: Round, flags: &mut Flags) -> Result<(), Trap> {
        let s = Operands {
            a: self.single(insn.rs1),
            b: self.single(insn.rs2),
            c: self.single(insn.rs3),
        };
        let d = Operands {
            a: self.double(insn.rs1),
            b: self.double(insn.rs2),
            c: self.double(insn.rs3),
        };
        let x = self.hart.get_x(insn.rs1);
        let rd = insn.rd;
        const SIGN_S: u32 = 1 << 31;
        const SIGN_D: u64 = 1 << 63;
        match insn.op {
            Op::FaddS => self.set_single(rd, f32::add(s.a, s.b, rm, flags)),
            Op::FsubS => self.set_single(rd, f32::sub(s.a, s.b, rm, flags)),
            Op::FmulS => self.set_single(rd, f32::mul(s.a, s.b, rm, flags)),
            Op::FdivS => self.set_single(rd, f32::div(s.a, s.b, rm, flags)),
            Op::FsqrtS => self.set_single(rd, f32::sqrt(s.a, rm, flags)),
            Op::FmaddS => self.set_single(rd, f32::fma(s.a, s.b, s.c, rm, flags)),
            Op::FmsubS => self.set_single(rd, f32::fma(s.a, s.b, s.c ^ SIGN_S, rm, flags)),
            Op::FnmsubS => self.set_single(rd, f32::fma(s.a ^ SIGN_S, s.b, s.c, rm, flags)),
            Op::FnmaddS => {
                self.set_single(rd, f32::fma(s.a ^ SIGN_S, s.b, s.c ^ SIGN_S, rm, flags));
            }
            Op::FsgnjS => self.set_single(rd, f32::sgnj(s.a, s.b)),
            Op::FsgnjnS => self.set_single(rd, f32::sgnjn(s.a, s.b)),
            Op::FsgnjxS => self.set_single(rd, f32::sgnjx(s.a, s.b)),
            Op::FminS => self.set_single(rd, f32::min(s.a, s.b, flags)),
            Op::FmaxS => self.set_single(rd, f32::max(s.a, s.b, flags)),
            Op::FeqS => self.hart.set_x(rd, u64::from(f32::eq(s.a, s.b, flags))),
            Op::FltS => self.hart.set_x(rd, u64::from(f32::lt(s.a, s.b, flags))),
            Op::FleS => self.hart.set_x(rd, u64::from(f32::le(s.a, s.b, flags))),
            Op::FclassS => self.hart.set_x(rd, u64::from(f32::classify(s.a))),
            Op::FmvXW => self.hart.set_x(rd, sign_extend(d.a as u32)),
            Op::FmvWX => self.set_single(rd, x as u32),
            Op::FcvtWS => self
                .hart
                .set_x(rd, sign_extend(f32::to_i32(s.a, rm, flags) as u32)),
            Op::FcvtWuS => self
                .hart
                .set_x(rd, sign_extend(f32::to_u32(s.a, rm, flags))),
            Op::FcvtLS => self.hart.set_x(rd, f32::to_i64(s.a, rm, flags) as u64),
            Op::FcvtLuS => self.hart.set_x(rd, f32::to_u64(s.a, rm, flags)),
            Op::FcvtSW => self.set_single(rd, f32::from_i32(x as i32, rm, flags)),
            Op::FcvtSWu => self.set_single(rd, f32::from_u32(x as u32, rm, flags)),
            Op::FcvtSL => self.set_single(rd, f32::from_i64(x as i64, rm, flags)),
            Op::FcvtSLu => self.set_single(rd, f32::from_u64(x, rm, flags)),
            Op::FcvtSD => self.set_single(rd, f64::narrow(d.a, rm, flags)),
            Op::FcvtDS => self.set_double(rd, f32::widen(s.a, flags)),
            Op::FaddD => self.set_double(rd, f64::add(d.a, d.b, rm, flags)),
            Op::FsubD => self.set_double(rd, f64::sub(d.a, d.b, rm, flags)),
            Op::FmulD => self.set_double(rd, f64::mul(d.a, d.b, rm, flags)),
            Op::FdivD => self.set_double(rd, f64::div(d.a, d.b, rm, flags)),
            Op::FsqrtD => self.set_double(rd, f64::sqrt(d.a, rm, flags)),
            Op::FmaddD => self.set_double(rd, f64::fma(d.a, d.b, d.c, rm, flags)),
            Op::FmsubD => self.set_double(rd, f64::fma(d.a, d.b, d.c ^ SIGN_D, rm, flags)),
            Op::FnmsubD => self.set_double(rd, f64::fma(d.a ^ SIGN_D, d.b, d.c, rm, flags)),
            Op::FnmaddD => {
                self.set_double(rd, f64::fma(d.a ^ SIGN_D, d.b, d.c ^ SIGN_D, rm, flags));
            }
            Op::FsgnjD => self.set_double(rd, f64::sgnj(d.a, d.b)),
            Op::FsgnjnD => self.set_double(rd, f64::sgnjn(d.a, d.b)),
            Op::FsgnjxD => self.set_double(rd, f64::sgnjx(d.a, d.b)),
            Op::FminD => self.set_double(rd, f64::min(d.a, d.b, flags)),
            Op::FmaxD => self.set_double(rd, f64::max(d.a, d.b, flags)),
            Op::FeqD => self.hart.set_x(rd, u64::from(f64::eq(d.a, d.b, flags))),
            Op::FltD => self.hart.set_x(rd, u64::from(f64::lt(d.a, d.b, flags))),
            Op::FleD => self.hart.set_x(rd, u64::from(f64::le(d.a, d.b, flags))),
            Op::FclassD => self.hart.set_x(rd, u64::from(f64::classify(d.a))),
            Op::FmvXD => self.hart.set_x(rd, d.a),
            Op::FmvDX => self.set_double(rd, x),
            Op::FcvtWD => self
                .hart
                .set_x(rd, sign_extend(f64::to_i32(d.a, rm, flags) as u32)),
            Op::FcvtWuD => self
                .hart
                .set_x(rd, sign_extend(f64::to_u32(d.a, rm, flags))),
            Op::FcvtLD => self.hart.set_x(rd, f64::to_i64(d.a, rm, flags) as u64),
            Op::FcvtLuD => self.hart.set_x(rd, f64::to_u64(d.a, rm, flags)),
            Op::FcvtDW => self.set_double(rd, f64::from_i32(x as i32, rm, flags)),
            Op::FcvtDWu => self.set_double(rd, f64::from_u32(x as u32, rm, flags)),
            Op::FcvtDL => self.set_double(rd, f64::from_i64(x as i64, rm, flags)),
            Op::FcvtDLu => self.set_double(rd, f64::from_u64(x, rm, flags)),
            _ => return Err(Self::illegal(insn)),
        }
        Ok(())
    }
}

fn sign_extend(word: u32) -> u64 {
    word as i32 as i64 as u64
}
