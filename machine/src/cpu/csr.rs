//! The CSR file: storage, legal values, privilege.
//!
//! Privileged specification 1.12, chapters 2 to 4; Sstc, Svadu.

use super::Mode;
use super::pmp::Pmp;
use riscv_isa::csr;
use serde::{Deserialize, Serialize};

/// Bits of `mstatus` (section 3.1.6).
pub(crate) mod mstatus {
    /// Supervisor interrupts enabled.
    pub(crate) const SIE: u64 = 1 << 1;
    /// Machine interrupts enabled.
    pub(crate) const MIE: u64 = 1 << 3;
    /// `SIE` before the trap.
    pub(crate) const SPIE: u64 = 1 << 5;
    /// `MIE` before the trap.
    pub(crate) const MPIE: u64 = 1 << 7;
    /// Mode before a trap to S: one bit.
    pub(crate) const SPP: u64 = 1 << 8;
    /// Mode before a trap to M: two bits.
    pub(crate) const MPP: u64 = 3 << MPP_SHIFT;
    /// Position of `MPP`.
    pub(crate) const MPP_SHIFT: u32 = 11;
    /// State of the floating-point unit: two bits, 0 off, 3 dirty.
    pub(crate) const FS: u64 = 3 << 13;
    /// Loads and stores in the mode of `MPP`.
    pub(crate) const MPRV: u64 = 1 << 17;
    /// Supervisor may access user pages.
    pub(crate) const SUM: u64 = 1 << 18;
    /// Loads may read executable pages.
    pub(crate) const MXR: u64 = 1 << 19;
    /// `satp` and SFENCE.VMA trap in S mode.
    pub(crate) const TVM: u64 = 1 << 20;
    /// WFI traps below M mode.
    pub(crate) const TW: u64 = 1 << 21;
    /// SRET traps in S mode.
    pub(crate) const TSR: u64 = 1 << 22;
    /// XLEN of U and S mode: 64, read-only.
    pub(crate) const UXL_SXL: u64 = 0xa << 32;
    /// Summary: `FS` is dirty; read-only.
    pub(crate) const SD: u64 = 1 << 63;

    /// What software may write.
    pub(super) const WRITABLE: u64 =
        SIE | MIE | SPIE | MPIE | SPP | MPP | FS | MPRV | SUM | MXR | TVM | TW | TSR;
    /// What of it `sstatus` shows.
    pub(super) const SUPERVISOR: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
}

/// Interrupt bits of `mip` and `mie` (section 3.1.9).
pub(crate) mod irq {
    use riscv_isa::cause::interrupt;

    /// Supervisor software.
    pub(crate) const SSI: u64 = 1 << interrupt::S_SOFTWARE;
    /// Machine software.
    pub(crate) const MSI: u64 = 1 << interrupt::M_SOFTWARE;
    /// Supervisor timer.
    pub(crate) const STI: u64 = 1 << interrupt::S_TIMER;
    /// Machine timer.
    pub(crate) const MTI: u64 = 1 << interrupt::M_TIMER;
    /// Supervisor external.
    pub(crate) const SEI: u64 = 1 << interrupt::S_EXTERNAL;
    /// Machine external.
    pub(crate) const MEI: u64 = 1 << interrupt::M_EXTERNAL;

    pub(crate) const SUPERVISOR: u64 = SSI | STI | SEI;
    pub(super) const ALL: u64 = SUPERVISOR | MSI | MTI | MEI;
}

/// Bits of `menvcfg` (section 3.1.18, Sstc, Svadu).
mod menvcfg {
    pub(super) const FIOM: u64 = 1;
    /// Hardware updates of the A and D bits. On at reset, as in QEMU's `virt`.
    pub(super) const ADUE: u64 = 1 << 61;
    /// `stimecmp` exists for S mode.
    pub(super) const STCE: u64 = 1 << 63;
}

/// Exceptions that can be delegated: all defined ones but the call from M mode.
const DELEGABLE: u64 = 0xb3ff;
/// RV64 with A, C, D, F, I, M, S and U.
const MISA: u64 = 2 << 62 | 0x14_112d;
/// CY, TM and IR of the counter-enable registers; the other counters read zero, yet can be enabled.
const COUNTEREN: u64 = 0xffff_ffff;

/// A counter that follows the instruction count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Counter value when the basis was zero (wrapping).
    offset: u64,
    /// The value it stands still at while inhibited.
    frozen: Option<u64>,
}

impl Counter {
    fn read(&self, basis: u64) -> u64 {
        self.frozen.unwrap_or(basis.wrapping_add(self.offset))
    }

    /// The instruction that writes does not count itself (section 2.5.1 of the unprivileged
    /// specification).
    fn write(&mut self, basis: u64, value: u64) {
        match &mut self.frozen {
            Some(frozen) => *frozen = value,
            None => self.offset = value.wrapping_sub(basis.wrapping_add(1)),
        }
    }

    fn inhibit(&mut self, basis: u64, inhibited: bool) {
        match (self.frozen, inhibited) {
            (None, true) => self.frozen = Some(self.read(basis)),
            (Some(value), false) => {
                self.frozen = None;
                self.write(basis, value);
            }
            _ => {}
        }
    }
}

/// Levels that devices drive into `mip`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The bits of `mip` that are high from outside, `STI` by Sstc included.
    pub mip: u64,
}

/// Control and status registers of a hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // each field is the CSR of its name
pub struct Csrs {
    pub mstatus: u64,
    pub medeleg: u64,
    pub mideleg: u64,
    pub mie: u64,
    /// The bits of `mip` that software wrote.
    pub mip_written: u64,
    /// The bits of `mip` that devices drive.
    pub lines: Lines,
    pub mtvec: u64,
    pub mscratch: u64,
    pub mepc: u64,
    pub mcause: u64,
    pub mtval: u64,
    pub mcounteren: u64,
    pub mcountinhibit: u64,
    pub menvcfg: u64,
    pub mcycle: Counter,
    pub minstret: Counter,
    pub stvec: u64,
    pub sscratch: u64,
    pub sepc: u64,
    pub scause: u64,
    pub stval: u64,
    pub scounteren: u64,
    pub senvcfg: u64,
    pub satp: u64,
    pub stimecmp: u64,
    /// `fflags` in bits 4:0, `frm` in bits 7:5.
    pub fcsr: u64,
    pub pmp: Pmp,
}

/// What a CSR read or write needs of its surroundings.
pub(crate) struct CsrContext {
    /// Mode of the hart.
    pub mode: Mode,
    /// Number of the hart.
    pub hart: u8,
    /// Instructions executed before this one, trapping ones included.
    pub steps: u64,
    /// Instructions retired before this one.
    pub retired: u64,
    /// `mtime`.
    pub time: u64,
}

/// The access is an illegal instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Illegal;

/// What a CSR write touched beyond the register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Cached translations no longer hold.
    pub flush: bool,
    /// The timer comparison changed.
    pub timer: bool,
}

const NO_EFFECT: Effect = Effect {
    flush: false,
    timer: false,
};
const FLUSH: Effect = Effect {
    flush: true,
    timer: false,
};
const TIMER: Effect = Effect {
    flush: false,
    timer: true,
};

impl Csrs {
    /// Power-on values.
    pub fn new() -> Self {
        Self {
            mstatus: 0,
            medeleg: 0,
            mideleg: 0,
            mie: 0,
            mip_written: 0,
            lines: Lines::default(),
            mtvec: 0,
            mscratch: 0,
            mepc: 0,
            mcause: 0,
            mtval: 0,
            mcounteren: 0,
            mcountinhibit: 0,
            menvcfg: menvcfg::ADUE,
            mcycle: Counter::default(),
            minstret: Counter::default(),
            stvec: 0,
            sscratch: 0,
            sepc: 0,
            scause: 0,
            stval: 0,
            scounteren: 0,
            senvcfg: 0,
            satp: 0,
            stimecmp: u64::MAX,
            fcsr: 0,
            pmp: Pmp::default(),
        }
    }

    /// `mip`: what devices drive, and what software wrote.
    pub fn mip(&self) -> u64 {
        self.mip_written | self.lines.mip
    }

    /// Whether `stimecmp` drives the supervisor timer interrupt.
    pub fn sstc(&self) -> bool {
        self.menvcfg & menvcfg::STCE != 0
    }

    /// Whether the hardware sets the A and D bits of page tables (else their absence faults).
    pub fn hardware_ad(&self) -> bool {
        self.menvcfg & menvcfg::ADUE != 0
    }

    /// `mstatus` with its read-only bits.
    fn mstatus_value(&self) -> u64 {
        let dirty = if self.mstatus & mstatus::FS == mstatus::FS {
            mstatus::SD
        } else {
            0
        };
        self.mstatus | mstatus::UXL_SXL | dirty
    }

    fn fp_on(&self) -> Result<(), Illegal> {
        if self.mstatus & mstatus::FS == 0 {
            Err(Illegal)
        } else {
            Ok(())
        }
    }

    /// Whether `mode` may read counter `bit` (sections 3.1.11 and 4.1.5).
    fn counter_on(&self, mode: Mode, bit: u16) -> Result<(), Illegal> {
        let machine = self.mcounteren >> bit & 1 != 0;
        let supervisor = self.scounteren >> bit & 1 != 0;
        let allowed = match mode {
            Mode::Machine => true,
            Mode::Supervisor => machine,
            Mode::User => machine && supervisor,
        };
        if allowed { Ok(()) } else { Err(Illegal) }
    }

    fn stimecmp_on(&self, mode: Mode) -> Result<(), Illegal> {
        let on = mode == Mode::Machine || self.sstc() && self.mcounteren & 2 != 0;
        if on { Ok(()) } else { Err(Illegal) }
    }

    fn satp_on(&self, mode: Mode) -> Result<(), Illegal> {
        let trapped = mode == Mode::Supervisor && self.mstatus & mstatus::TVM != 0;
        if trapped { Err(Illegal) } else { Ok(()) }
    }

    /// Reads CSR `number`.
    ///
    /// # Errors
    /// [`Illegal`] where the register does not exist or the mode may not read it.
    pub(crate) fn read(&self, number: u16, cx: &CsrContext) -> Result<u64, Illegal> {
        if u64::from(number >> 8 & 3) > cx.mode as u64 {
            return Err(Illegal);
        }
        Ok(match number {
            csr::FFLAGS => self.fp_on().map(|()| self.fcsr & 0x1f)?,
            csr::FRM => self.fp_on().map(|()| self.fcsr >> 5)?,
            csr::FCSR => self.fp_on().map(|()| self.fcsr)?,
            csr::CYCLE => self
                .counter_on(cx.mode, 0)
                .map(|()| self.mcycle.read(cx.steps))?,
            csr::TIME => self.counter_on(cx.mode, 1).map(|()| cx.time)?,
            csr::INSTRET => self
                .counter_on(cx.mode, 2)
                .map(|()| self.minstret.read(cx.retired))?,
            csr::HPMCOUNTER3..=csr::HPMCOUNTER31 => {
                self.counter_on(cx.mode, number - csr::CYCLE).map(|()| 0)?
            }
            csr::SSTATUS => self.mstatus_value() & (mstatus::SUPERVISOR | mstatus::SD | 3 << 32),
            csr::SIE => self.mie & self.mideleg,
            csr::SIP => self.mip() & self.mideleg,
            csr::STVEC => self.stvec,
            csr::SCOUNTEREN => self.scounteren,
            csr::SENVCFG => self.senvcfg,
            csr::SSCRATCH => self.sscratch,
            csr::SEPC => self.sepc,
            csr::SCAUSE => self.scause,
            csr::STVAL => self.stval,
            csr::STIMECMP => self.stimecmp_on(cx.mode).map(|()| self.stimecmp)?,
            csr::SATP => self.satp_on(cx.mode).map(|()| self.satp)?,
            csr::MVENDORID | csr::MARCHID | csr::MIMPID | csr::MCONFIGPTR => 0,
            csr::MHARTID => u64::from(cx.hart),
            csr::MSTATUS => self.mstatus_value(),
            csr::MISA => MISA,
            csr::MEDELEG => self.medeleg,
            csr::MIDELEG => self.mideleg,
            csr::MIE => self.mie,
            csr::MTVEC => self.mtvec,
            csr::MCOUNTEREN => self.mcounteren,
            csr::MENVCFG => self.menvcfg,
            csr::MCOUNTINHIBIT => self.mcountinhibit,
            csr::MSCRATCH => self.mscratch,
            csr::MEPC => self.mepc,
            csr::MCAUSE => self.mcause,
            csr::MTVAL => self.mtval,
            csr::MIP => self.mip(),
            csr::MCYCLE => self.mcycle.read(cx.steps),
            csr::MINSTRET => self.minstret.read(cx.retired),
            csr::MHPMCOUNTER3..=csr::MHPMCOUNTER31 | csr::MHPMEVENT3..=csr::MHPMEVENT31 => 0,
            csr::PMPCFG0 | csr::PMPCFG2 => {
                self.pmp.read_cfg(usize::from(number - csr::PMPCFG0) / 2)
            }
            csr::PMPADDR0..=csr::PMPADDR15 => {
                self.pmp.read_addr(usize::from(number - csr::PMPADDR0))
            }
            _ => return Err(Illegal),
        })
    }

    /// Writes CSR `number`; what is not a legal value is made one (WARL).
    ///
    /// # Errors
    /// [`Illegal`] where the register does not exist, is read-only, or the mode may not write it.
    pub(crate) fn write(
        &mut self,
        number: u16,
        value: u64,
        cx: &CsrContext,
    ) -> Result<Effect, Illegal> {
        if number >> 10 == 3 || u64::from(number >> 8 & 3) > cx.mode as u64 {
            return Err(Illegal);
        }
        match number {
            csr::FFLAGS => self.write_fcsr(self.fcsr & !0x1f | value & 0x1f)?,
            csr::FRM => self.write_fcsr(self.fcsr & 0x1f | (value & 7) << 5)?,
            csr::FCSR => self.write_fcsr(value & 0xff)?,
            csr::SSTATUS => {
                let kept = self.mstatus & !mstatus::SUPERVISOR;
                return Ok(self.write_mstatus(kept | value & mstatus::SUPERVISOR));
            }
            csr::SIE => self.mie = self.mie & !self.mideleg | value & self.mideleg,
            csr::SIP => {
                let mask = self.mideleg & irq::SSI;
                self.mip_written = self.mip_written & !mask | value & mask;
            }
            csr::STVEC => self.stvec = legal_tvec(value),
            csr::SCOUNTEREN => self.scounteren = value & COUNTEREN,
            csr::SENVCFG => self.senvcfg = value & menvcfg::FIOM,
            csr::SSCRATCH => self.sscratch = value,
            csr::SEPC => self.sepc = value & !1,
            csr::SCAUSE => self.scause = value,
            csr::STVAL => self.stval = value,
            csr::STIMECMP => {
                self.stimecmp_on(cx.mode)?;
                self.stimecmp = value;
                return Ok(TIMER);
            }
            csr::SATP => {
                self.satp_on(cx.mode)?;
                // An unsupported mode leaves the whole register as it was (section 4.1.11).
                if matches!(value >> 60, 0 | 8 | 9 | 10) && value != self.satp {
                    self.satp = value;
                    return Ok(FLUSH);
                }
            }
            csr::MSTATUS => return Ok(self.write_mstatus(value)),
            csr::MISA
            | csr::MHPMCOUNTER3..=csr::MHPMCOUNTER31
            | csr::MHPMEVENT3..=csr::MHPMEVENT31 => {}
            csr::MEDELEG => self.medeleg = value & DELEGABLE,
            csr::MIDELEG => self.mideleg = value & irq::SUPERVISOR,
            csr::MIE => self.mie = value & irq::ALL,
            csr::MTVEC => self.mtvec = legal_tvec(value),
            csr::MCOUNTEREN => self.mcounteren = value & COUNTEREN,
            csr::MENVCFG => {
                self.menvcfg = value & (menvcfg::FIOM | menvcfg::ADUE | menvcfg::STCE);
                return Ok(Effect {
                    flush: true,
                    timer: true,
                });
            }
            csr::MCOUNTINHIBIT => {
                self.mcountinhibit = value & 5;
                self.mcycle.inhibit(cx.steps, value & 1 != 0);
                self.minstret.inhibit(cx.retired, value & 4 != 0);
            }
            csr::MSCRATCH => self.mscratch = value,
            csr::MEPC => self.mepc = value & !1,
            csr::MCAUSE => self.mcause = value,
            csr::MTVAL => self.mtval = value,
            csr::MIP => {
                // With Sstc on, STIP is stimecmp's alone (Sstc, section 2.1).
                let timer = if self.sstc() { 0 } else { irq::STI };
                let mask = irq::SSI | irq::SEI | timer;
                self.mip_written = self.mip_written & !mask | value & mask;
            }
            csr::MCYCLE => self.mcycle.write(cx.steps, value),
            csr::MINSTRET => self.minstret.write(cx.retired, value),
            csr::PMPCFG0 | csr::PMPCFG2 => {
                self.pmp
                    .write_cfg(usize::from(number - csr::PMPCFG0) / 2, value);
                return Ok(FLUSH);
            }
            csr::PMPADDR0..=csr::PMPADDR15 => {
                self.pmp
                    .write_addr(usize::from(number - csr::PMPADDR0), value);
                return Ok(FLUSH);
            }
            _ => return Err(Illegal),
        }
        Ok(NO_EFFECT)
    }

    fn write_fcsr(&mut self, value: u64) -> Result<(), Illegal> {
        self.fp_on()?;
        self.fcsr = value;
        self.mstatus |= mstatus::FS;
        Ok(())
    }

    fn write_mstatus(&mut self, value: u64) -> Effect {
        let mut value = value & mstatus::WRITABLE;
        if Mode::from_bits(value >> mstatus::MPP_SHIFT).is_none() {
            value = value & !mstatus::MPP | self.mstatus & mstatus::MPP;
        }
        let changed = self.mstatus ^ value;
        self.mstatus = value;
        // SUM and MPRV choose among translation caches; MXR changes what is in them.
        Effect {
            flush: changed & mstatus::MXR != 0,
            timer: false,
        }
    }
}

impl Default for Csrs {
    fn default() -> Self {
        Self::new()
    }
}

/// Mode bits 2 and 3 are reserved: direct is taken for them.
fn legal_tvec(value: u64) -> u64 {
    if value & 2 == 0 { value } else { value & !3 }
}
