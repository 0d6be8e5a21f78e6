//! Streams in machine mode: everything but page tables.

use riscv_isa::{Insn, Op, csr};

use crate::asm::{Asm, RA, ZERO};
use crate::layout::{HOLE, MEMORY, RAM_END};
use crate::random::Random;
use crate::runtime::STATUS_FS;
use crate::stream::{Body, Row};

/// Previous mode: machine.
const STATUS_MPP: u64 = 3 << 11;

/// A stream in machine mode.
pub(crate) fn stream(asm: &mut Asm, seed: u64) -> Row {
    let start = asm.pc();
    let mut random = Random::new(seed);
    let bases: Vec<u64> = (0..3)
        .map(|_| MEMORY + 2048 + 8 * random.below(256))
        .collect();
    let mut body = Body::new(asm, random, &bases);
    let fcsr = body.random.below(32) | body.random.below(5) << 5;
    let steps = body.random.range(40, 120);
    for _ in 0..steps {
        body.start_step();
        body.machine_step();
    }
    let end = body.finish();
    Row {
        entry: start,
        start,
        end,
        mstatus: STATUS_FS | STATUS_MPP,
        medeleg: 0,
        fcsr,
        tables: None,
    }
}

impl Body<'_> {
    fn machine_step(&mut self) {
        match self.random.below(100) {
            0..40 => self.plain(),
            40..58 => self.compressed(),
            58..68 => self.load_or_store(),
            68..76 => self.jump(),
            76..80 => self.atomic(),
            80..83 => self.lr_sc(),
            83..86 => self.csr(csr::STVAL),
            86..89 => self.illegal(),
            89 => self.breakpoint(),
            90..92 => self.asm.op(Op::Ecall),
            92 => self.bad_address(),
            93 => self.across_pages(),
            94 => self.bad_jump(),
            95 => self.switch_fpu(csr::MSTATUS),
            96 => self.mret(),
            _ => self.operand(),
        }
    }

    /// A load or store that may cross into the next page.
    fn across_pages(&mut self) {
        let register = self.temporary();
        let address = MEMORY + 4096 - self.random.below(9);
        self.asm.li(register, address);
        let insn = self.access();
        self.asm.insn(Insn {
            rs1: register,
            ..insn
        });
    }

    /// Any atomic read-modify-write; one in eight has a misaligned address.
    fn atomic(&mut self) {
        let (register, offset) = self.atomic_address();
        let misaligned = if self.random.one_in(8) {
            self.random.range(1, 7) as i32
        } else {
            0
        };
        let base = self.random.pick(&self.bases.clone());
        self.asm.i(Op::Addi, register, base, offset + misaligned);
        let insn = self.amo();
        self.asm.insn(Insn {
            rs1: register,
            ..insn
        });
    }

    fn atomic_address(&mut self) -> (u8, i32) {
        let offset = self.random.range(-2040, 2032) as i32 & !7;
        (self.temporary(), offset)
    }

    /// LR and SC: cases that must succeed, and cases that must fail. Cases where an implementation
    /// may choose are left out: an SC after a trap or another store, an SC to a part of the
    /// reserved bytes, and an SC with an address near the LR's.
    fn lr_sc(&mut self) {
        let (register, offset) = self.atomic_address();
        let base = self.random.pick(&self.bases.clone());
        let (lr, sc) = self.random.pick(&[(Op::LrW, Op::ScW), (Op::LrD, Op::ScD)]);
        let rm = self.random.below(4) as u8;
        self.asm.i(Op::Addi, register, base, offset);
        // The destination must not be the address register.
        let mut rd = self.free();
        while rd == register {
            rd = self.free();
        }
        self.asm.insn(Insn {
            rd,
            rs1: register,
            rm,
            ..Insn::new(lr)
        });
        if self.random.one_in(3) {
            // An address far away, so the SC fails.
            let far = if offset < 0 {
                offset + 1024
            } else {
                offset - 1024
            };
            self.asm.i(Op::Addi, register, base, far);
        }
        // The second SC always fails, and leaves no reservation.
        for _ in 0..2 {
            let mut rd = self.free();
            while rd == register {
                rd = self.free();
            }
            let rs2 = self.any();
            self.asm.insn(Insn {
                rd,
                rs1: register,
                rs2,
                rm,
                ..Insn::new(sc)
            });
        }
    }

    /// A load or store at an address without a device.
    fn bad_address(&mut self) {
        let register = self.temporary();
        let address =
            self.random
                .pick(&[HOLE, RAM_END, RAM_END + 0x1_0000_0000, 0x1_0000_0000_0000])
                + 8 * self.random.below(100);
        self.asm.li(register, address);
        let insn = self.access();
        self.asm.insn(Insn {
            rs1: register,
            ..insn
        });
    }

    /// A jump to an address without a device. The handler returns through x1.
    fn bad_jump(&mut self) {
        if !self.is_free(RA) {
            return;
        }
        let address = self.random.pick(&[HOLE, RAM_END, 0]) + 2 * self.random.below(1000);
        let through = self.temporary();
        self.asm.li(through, address);
        self.asm.i(Op::Jalr, RA, through, 0);
    }

    /// A return (`mret`) to the next step.
    pub(crate) fn mret(&mut self) {
        let register = self.temporary();
        let to = self.next_step();
        self.asm.la(register, to);
        self.asm.csr(Op::Csrrw, ZERO, csr::MEPC, register);
        // Previous privilege: machine. Previous interrupt enable: either.
        let mpie = self.random.below(2) << 7;
        self.asm.li(register, 3 << 11 | mpie);
        self.asm.csr(Op::Csrrs, ZERO, csr::MSTATUS, register);
        self.asm.op(Op::Mret);
    }
}
