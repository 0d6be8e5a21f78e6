//! The CSRs: storage, legal values and access checks (privileged specification 1.12, chapters 2 to
//! 4; Sstc; Svadu).

use super::Mode;
use super::pmp::Pmp;
use riscv_isa::csr;
use serde::{Deserialize, Serialize};

/// Bits of `mstatus` (section 3.1.6).
pub(crate) mod mstatus {
    /// Interrupt enable for S-mode.
    pub(crate) const SIE: u64 = 1 << 1;
    /// Interrupt enable for M-mode.
    pub(crate) const MIE: u64 = 1 << 3;
    /// `SIE` before a trap to S-mode.
    pub(crate) const SPIE: u64 = 1 << 5;
    /// `MIE` before a trap to M-mode.
    pub(crate) const MPIE: u64 = 1 << 7;
    /// Mode before a trap to S-mode (1 bit).
    pub(crate) const SPP: u64 = 1 << 8;
    /// Mode before a trap to M-mode (2 bits).
    pub(crate) const MPP: u64 = 3 << MPP_SHIFT;
    /// Bit position of `MPP`.
    pub(crate) const MPP_SHIFT: u32 = 11;
    /// State of the floating-point unit (2 bits): 0 off, 1 initial, 2 clean, 3 dirty.
    pub(crate) const FS: u64 = 3 << 13;
    /// Loads and stores use the mode in `MPP`.
    pub(crate) const MPRV: u64 = 1 << 17;
    /// S-mode may access pages of U-mode.
    pub(crate) const SUM: u64 = 1 << 18;
    /// Loads may read from execute-only pages.
    pub(crate) const MXR: u64 = 1 << 19;
    /// Accesses to `satp` and SFENCE.VMA trap in S-mode.
    pub(crate) const TVM: u64 = 1 << 20;
    /// WFI traps below M-mode.
    pub(crate) const TW: u64 = 1 << 21;
    /// SRET traps in S-mode.
    pub(crate) const TSR: u64 = 1 << 22;
    /// XLEN of U-mode and S-mode: 64, read-only.
    pub(crate) const UXL_SXL: u64 = 0xa << 32;
    /// Some state is dirty (here: `FS`), read-only.
    pub(crate) const SD: u64 = 1 << 63;

    /// The bits that software may write.
    pub(super) const WRITABLE: u64 =
        SIE | MIE | SPIE | MPIE | SPP | MPP | FS | MPRV | SUM | MXR | TVM | TW | TSR;
    /// The bits of `mstatus` that are visible in `sstatus`.
    pub(super) const SUPERVISOR: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
}

/// Interrupt bits of `mip` and `mie` (section 3.1.9).
pub(crate) mod irq {
    use riscv_isa::cause::interrupt;

    /// Supervisor software interrupt.
    pub(crate) const SSI: u64 = 1 << interrupt::S_SOFTWARE;
    /// Machine software interrupt.
    pub(crate) const MSI: u64 = 1 << interrupt::M_SOFTWARE;
    /// Supervisor timer interrupt.
    pub(crate) const STI: u64 = 1 << interrupt::S_TIMER;
    /// Machine timer interrupt.
    pub(crate) const MTI: u64 = 1 << interrupt::M_TIMER;
    /// Supervisor external interrupt.
    pub(crate) const SEI: u64 = 1 << interrupt::S_EXTERNAL;
    /// Machine external interrupt.
    pub(crate) const MEI: u64 = 1 << interrupt::M_EXTERNAL;

    pub(crate) const SUPERVISOR: u64 = SSI | STI | SEI;
    pub(super) const ALL: u64 = SUPERVISOR | MSI | MTI | MEI;
}

/// Bits of `menvcfg` (section 3.1.18; Sstc; Svadu).
mod menvcfg {
    pub(super) const FIOM: u64 = 1;
    /// Hardware sets the A and D bits. It is set at reset, as in QEMU's `virt`.
    pub(super) const ADUE: u64 = 1 << 61;
    /// `stimecmp` is enabled for S-mode.
    pub(super) const STCE: u64 = 1 << 63;
}

/// The delegable exceptions: all defined ones except the environment call from M-mode.
const DELEGABLE: u64 = 0xb3ff;
/// RV64 with the extensions A, C, D, F, I, M, S and U.
const MISA: u64 = 2 << 62 | 0x14_112d;
/// Writable bits of `mcounteren` and `scounteren`. The hpmcounters read as zero but can be enabled.
const COUNTEREN: u64 = 0xffff_ffff;

/// A counter CSR (`mcycle`, `minstret`). It is the sum of a basis, which counts instructions, and
/// an offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Value of the counter at basis 0 (wrapping).
    offset: u64,
    /// Value of the counter while it is inhibited by `mcountinhibit`.
    frozen: Option<u64>,
}

impl Counter {
    fn read(&self, basis: u64) -> u64 {
        self.frozen.unwrap_or(basis.wrapping_add(self.offset))
    }

    /// Writes the counter. The writing instruction itself is not counted (unprivileged
    /// specification, section 2.5.1).
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

/// Interrupt lines from the devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The bits of `mip` that devices set. `STI` of Sstc is one of them.
    pub mip: u64,
}

/// The CSRs of a hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // each field is the CSR of its name
pub struct Csrs {
    pub mstatus: u64,
    pub medeleg: u64,
    pub mideleg: u64,
    pub mie: u64,
    /// The bits of `mip` that software set.
    pub mip_written: u64,
    /// The bits of `mip` that devices set.
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
    /// `fflags` in bits 4:0, and `frm` in bits 7:5.
    pub fcsr: u64,
    pub pmp: Pmp,
}

/// State outside the CSRs that a CSR access depends on.
pub(crate) struct CsrContext {
    /// Privilege mode of the hart.
    pub mode: Mode,
    /// Id of the hart.
    pub hart: u8,
    /// Instructions that the hart has executed before, including those that trapped.
    pub steps: u64,
    /// Instructions that the hart has retired before.
    pub retired: u64,
    /// `mtime` in ticks.
    pub time: u64,
}

/// The CSR access is an illegal instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Illegal;

/// Effects of a CSR write beyond the CSR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Cached translations must be flushed.
    pub flush: bool,
    /// The timer compare value has changed.
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
    /// The CSRs at power-on.
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

    /// `mip`: the bits that devices set and the bits that software set.
    pub fn mip(&self) -> u64 {
        self.mip_written | self.lines.mip
    }

    /// Whether `stimecmp` controls the supervisor timer interrupt (Sstc).
    pub fn sstc(&self) -> bool {
        self.menvcfg & menvcfg::STCE != 0
    }

    /// Whether hardware sets the A and D bits of page-table entries (Svadu). Otherwise a clear bit
    /// is a page fault (Svade).
    pub fn hardware_ad(&self) -> bool {
        self.menvcfg & menvcfg::ADUE != 0
    }

    /// `mstatus` including its read-only bits.
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

    /// Checks that `mode` may read the counter of `bit` (sections 3.1.11 and 4.1.5).
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
    /// [`Illegal`] if the CSR does not exist or the mode may not read it.
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

    /// Writes CSR `number`. An illegal value is converted to a legal one (WARL).
    ///
    /// # Errors
    /// [`Illegal`] if the CSR does not exist, is read-only, or the mode may not write it.
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
                // A write of an unsupported mode has no effect (section 4.1.11).
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
                // With Sstc, only stimecmp controls STIP (Sstc, section 2.1).
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
        // SUM and MPRV select a set of cached translations; MXR changes the translations.
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

/// The modes 2 and 3 of `xtvec` are reserved. They are stored as 0 (direct).
fn legal_tvec(value: u64) -> u64 {
    if value & 2 == 0 { value } else { value & !3 }
}
