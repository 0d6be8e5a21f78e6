//! Streams in supervisor and user mode, and in machine mode with MPRV, under Sv39 page tables with
//! random permissions.
//!
//! The code runs in the first gigabyte of memory, which is mapped to itself for the supervisor, and
//! at `USER_ALIAS` for the user. The window has 64 pages of 4 KiB and some larger ones, all with
//! random entries. Every fourth of its pages is for jumps: it maps the page full of `ret`, and is
//! never writable.

use riscv_isa::{Insn, Op, csr};

use crate::asm::{Asm, Label, RA, ZERO};
use crate::layout::{
    DATA_PAGE_COUNT, MEMORY, PROGRAM, RET_PAGE, SCRATCH_BYTES, USER_ALIAS, WINDOW, WINDOW_PAGES,
};
use crate::random::Random;
use crate::runtime::STATUS_FS;
use crate::stream::{Body, Row};
use crate::tables::{self, GIGAPAGE, GIGAPAGES, MEGAPAGE, MEGAPAGES, PAGE, Theme};

/// Bits of `mstatus` (volume II, 3.1.6).
mod status {
    pub(super) const SPP: u64 = 1 << 8;
    pub(super) const MPP: u64 = 3 << 11;
    pub(super) const MPP_S: u64 = 1 << 11;
    pub(super) const MPRV: u64 = 1 << 17;
    pub(super) const SUM: u64 = 1 << 18;
    pub(super) const MXR: u64 = 1 << 19;
    pub(super) const TVM: u64 = 1 << 20;
    pub(super) const TW: u64 = 1 << 21;
    pub(super) const TSR: u64 = 1 << 22;
}

/// The mode of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    User,
    Supervisor,
    /// Machine mode, with the loads and stores of another mode.
    Mprv,
}

#[derive(Debug)]
struct Paging<'a> {
    body: Body<'a>,
    mode: Mode,
    theme: Theme,
    tables: Label,
    mstatus: u64,
}

/// A stream. [`tables::emit`] emits its `tables`.
pub(crate) fn stream(asm: &mut Asm, seed: u64) -> Row {
    let mut random = Random::new(seed);
    let mode = random.pick(&[Mode::User, Mode::Supervisor, Mode::Mprv]);
    let mut mstatus = STATUS_FS;
    for bit in [status::SUM, status::MXR, status::TVM, status::TW] {
        mstatus |= bit * random.below(2);
    }
    // Environment calls, which end or record a stream, always go to machine mode.
    let mut medeleg = random.u64() & 0xb0ff;
    if Theme::of(seed) == Theme::Atomics {
        // QEMU delegates an atomic's fault as a load's fault, before the handler can correct the
        // cause.
        medeleg = medeleg & 0x300f | (medeleg & 0x2030) << 2 | medeleg & 0x30;
    }
    if random.one_in(4) {
        // Otherwise the supervisor's handler could not return.
        mstatus |= status::TSR;
        medeleg = 0;
    }
    mstatus |= match mode {
        Mode::User => 0,
        // Without MPRV, which the runtime's mret must clear. QEMU 7.2 does not clear it.
        Mode::Supervisor => status::MPP_S,
        Mode::Mprv => status::MPP,
    };
    let fcsr = random.below(32) | random.below(5) << 5;

    let start = asm.pc();
    let label = asm.label();
    let bases: Vec<u64> = (0..3)
        .map(|_| WINDOW + PAGE * page(&mut random, mode) + PAGE / 2)
        .collect();
    let steps = random.range(40, 120);
    let body = Body::new(asm, random, &bases);
    let mut paging = Paging {
        body,
        mode,
        theme: Theme::of(seed),
        tables: label,
        mstatus,
    };
    if mode == Mode::Mprv {
        paging.set_mprv();
    }
    for _ in 0..steps {
        paging.body.start_step();
        paging.step();
    }
    let end = paging.body.finish();
    let alias = if mode == Mode::User { USER_ALIAS } else { 0 };
    Row {
        entry: start + alias,
        start,
        end,
        mstatus,
        medeleg,
        fcsr,
        tables: Some((label, tables::WORDS)),
    }
}

/// A page of the window for loads and stores. On QEMU 7.2, a supervisor that has read a user's page
/// with SUM can execute it, because QEMU's TLB then holds all permissions. So such streams do not
/// access the pages for jumps, nor cross into them.
fn page(random: &mut Random, mode: Mode) -> u64 {
    let page = random.below(WINDOW_PAGES);
    match mode {
        Mode::Supervisor => page & !3 | (1 + page % 2),
        Mode::User | Mode::Mprv => page,
    }
}

impl Paging<'_> {
    fn step(&mut self) {
        match self.body.random.below(100) {
            0..32 => self.access(),
            32..40 => self.atomic(),
            40..48 => self.call(),
            48..54 => self.change_status(),
            54..60 => self.change_entry(),
            60..70 => self.privileged(),
            70..74 => self.body.asm.op(Op::Ecall),
            74..82 => self.body.plain(),
            82..86 => self.body.load_or_store(),
            86..90 => self.body.compressed(),
            90..95 => self.body.jump(),
            // Without stval, which differs at a breakpoint.
            95 => self.body.csr(csr::FCSR),
            96 => self.body.illegal(),
            97 => self.body.breakpoint(),
            _ => self.body.operand(),
        }
    }

    /// An address that an entry maps, with the given alignment.
    fn address(&mut self, align: u64) -> u64 {
        let random = &mut self.body.random;
        // At the end of a page, a misaligned access crosses into the next one.
        let offset = if random.one_in(4) {
            PAGE - random.below(9)
        } else {
            random.below(PAGE - 8)
        };
        let offset = offset / align * align;
        // Large pages: only the part with the data pages.
        let data = SCRATCH_BYTES + PAGE * random.below(DATA_PAGE_COUNT - 1) + offset;
        match random.below(12) {
            0 => WINDOW + MEGAPAGE * random.below(MEGAPAGES + 1) + data,
            1 => {
                let index = random.pick(&GIGAPAGES);
                // Sign-extended, as a virtual address must be.
                let address = index * GIGAPAGE + (MEMORY - PROGRAM) + data;
                ((address << 25) as i64 >> 25) as u64
            }
            2 => {
                let high = random.pick(&[1 << 39, 1 << 38, 1 << 63, 0xff << 56]);
                (WINDOW + offset) | high
            }
            _ => WINDOW + PAGE * page(random, self.mode) + offset,
        }
    }

    /// A load or store anywhere in the mapped space, often across the end of a page.
    fn access(&mut self) {
        let align = match self.theme {
            Theme::Holes => 8,
            _ => self.body.random.pick(&[1, 2, 4, 8]),
        };
        let address = self.address(align);
        let register = self.body.temporary();
        self.body.asm.li(register, address);
        let insn = self.body.access();
        self.body.asm.insn(Insn {
            rs1: register,
            ..insn
        });
    }

    /// An aligned atomic. (An implementation may choose between a misalignment and a page fault.)
    /// There is no SC, because an implementation may choose whether a failing SC faults.
    fn atomic(&mut self) {
        let address = self.address(8);
        let register = self.body.temporary();
        self.body.asm.li(register, address);
        let insn = if self.theme != Theme::Atomics || self.body.random.one_in(4) {
            let op = self.body.random.pick(&[Op::LrW, Op::LrD]);
            Insn {
                rd: self.body.free(),
                ..Insn::new(op)
            }
        } else {
            self.body.amo()
        };
        self.body.asm.insn(Insn {
            rs1: register,
            ..insn
        });
    }

    /// A call of a page for jumps, or of an unmapped address. The handler returns through x1, and
    /// so does the page.
    fn call(&mut self) {
        if self.mode == Mode::Mprv {
            return;
        }
        let random = &mut self.body.random;
        let offset = 4 * random.below(1024);
        let in_ret_page = (RET_PAGE - MEMORY) + offset;
        let address = match random.below(10) {
            0 => WINDOW + MEGAPAGE * random.range(1, MEGAPAGES as i64 - 1) as u64 + in_ret_page,
            1 => {
                let index = random.range(3, 5) as u64;
                index * GIGAPAGE + (MEMORY - PROGRAM) + in_ret_page
            }
            2 => (WINDOW + offset) | 1 << 39,
            _ => WINDOW + 4 * PAGE * random.below(WINDOW_PAGES / 4) + offset,
        };
        let through = self.body.temporary();
        self.body.asm.li(through, address);
        self.body.asm.i(Op::Jalr, RA, through, 0);
    }

    /// Changes SUM and MXR, and the floating-point unit; with MPRV also the mode of loads and
    /// stores.
    fn change_status(&mut self) {
        if self.mode == Mode::Mprv {
            return self.set_mprv();
        }
        if self.body.random.one_in(6) {
            return self.body.switch_fpu(csr::SSTATUS);
        }
        let bits = self
            .body
            .random
            .pick(&[status::SUM, status::MXR, status::SUM | status::MXR]);
        self.set_or_clear(csr::SSTATUS, bits);
    }

    fn set_or_clear(&mut self, number: u16, bits: u64) {
        let register = self.body.temporary();
        self.body.asm.li(register, bits);
        // The old value is dropped, because the dirty bits differ.
        let op = self.body.random.pick(&[Op::Csrrs, Op::Csrrc]);
        self.body.asm.csr(op, ZERO, number, register);
    }

    fn set_mprv(&mut self) {
        let register = self.body.temporary();
        let random = &mut self.body.random;
        let mut bits =
            status::MPRV | random.pick(&[0, 0, status::MPP_S, status::MPP_S, status::MPP]);
        for bit in [status::SUM, status::MXR] {
            bits |= bit * random.below(2);
        }
        let clear = status::MPP | status::SUM | status::MXR;
        self.body.asm.li(register, clear);
        self.body.asm.csr(Op::Csrrc, ZERO, csr::MSTATUS, register);
        self.body.asm.li(register, bits);
        self.body.asm.csr(Op::Csrrs, ZERO, csr::MSTATUS, register);
    }

    /// Changes the entry of a page, and executes the fence that makes it take effect.
    fn change_entry(&mut self) {
        // A user cannot do it. Where the fence is forbidden, the old entry may still be used.
        let no_fence = self.mode == Mode::Supervisor && self.mstatus & status::TVM != 0;
        if self.mode == Mode::User || no_fence {
            return;
        }
        let page = self.body.random.below(WINDOW_PAGES);
        let entry = tables::small(&mut self.body.random, self.theme, page);
        let to = self.body.temporary();
        let mut value = self.body.temporary();
        while value == to {
            value = self.body.temporary();
        }
        let asm = &mut *self.body.asm;
        asm.li(value, entry);
        let offset = 2 * PAGE + 8 * page;
        asm.la(to, self.tables);
        // In steps that fit into an immediate.
        for _ in 0..offset / 2040 {
            asm.i(Op::Addi, to, to, 2040);
        }
        asm.store(Op::Sd, value, to, (offset % 2040) as i32);
        if self.body.random.one_in(2) {
            asm.op(Op::SfenceVma);
        } else {
            asm.li(to, WINDOW + PAGE * page);
            asm.r(Op::SfenceVma, 0, to, ZERO);
        }
    }

    /// Instructions that only some modes may execute.
    fn privileged(&mut self) {
        match self.body.random.below(8) {
            0 => {
                let (rs1, rs2) = (self.body.any(), self.body.any());
                // A fence more than needed changes nothing.
                self.body.asm.r(Op::SfenceVma, 0, rs1, rs2);
            }
            1 if self.mode != Mode::Mprv && self.mstatus & status::TW != 0 => {
                self.body.asm.op(Op::Wfi);
            }
            2 => self.supervisor_return(),
            // Not with MPRV: see the handler for QEMU's missing flush.
            3 if self.mode != Mode::Mprv => self.body.asm.op(Op::Mret),
            4 => {
                let rd = self.body.free();
                self.body.asm.csr(Op::Csrrs, rd, csr::SATP, ZERO);
            }
            _ => self.foreign_csr(),
        }
    }

    /// CSRs of other modes, and counters, which no mode has permitted.
    fn foreign_csr(&mut self) {
        if self.mode == Mode::Mprv {
            return;
        }
        let ops = [
            Op::Csrrw,
            Op::Csrrs,
            Op::Csrrc,
            Op::Csrrwi,
            Op::Csrrsi,
            Op::Csrrci,
        ];
        let op = self.body.random.pick(&ops);
        let number = self.body.random.pick(&[
            csr::MSTATUS,
            csr::MISA,
            csr::MEDELEG,
            csr::MTVEC,
            csr::MSCRATCH,
            csr::MEPC,
            csr::MHARTID,
            csr::PMPCFG0,
            csr::PMPADDR0,
            csr::CYCLE,
            csr::TIME,
            csr::INSTRET,
            csr::MCYCLE,
        ]);
        let (rd, rs1) = (self.body.free(), self.body.any());
        self.body.asm.csr(op, rd, number, rs1);
    }

    /// `sret` to the next step: in supervisor mode it stays in that mode; in user mode it is
    /// illegal.
    fn supervisor_return(&mut self) {
        match self.mode {
            Mode::Mprv => {}
            Mode::User => self.body.asm.op(Op::Sret),
            Mode::Supervisor => {
                let register = self.body.temporary();
                let to = self.body.next_step();
                let asm = &mut *self.body.asm;
                asm.la(register, to);
                asm.csr(Op::Csrrw, ZERO, csr::SEPC, register);
                asm.li(register, status::SPP);
                asm.csr(Op::Csrrs, ZERO, csr::SSTATUS, register);
                asm.op(Op::Sret);
            }
        }
    }
}
