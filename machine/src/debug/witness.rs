//! The witness of a run: a running hash of the results of all instructions. Two runs with the same
//! witness have executed the same instructions with the same results. Their states could be equal
//! although the runs differed in between.
//!
//! Each result is mixed in by an invertible function, so equal results do not cancel an earlier
//! difference.

use super::single::{ResultKind, Single, result_kind};
use crate::bus::RAM_BASE;
use crate::machine::Machine;
use riscv_isa::table::Format;
use xxhash_rust::xxh3::xxh3_64;

/// The multiplier, from the golden ratio. It is odd, so multiplication by it is invertible.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

struct Hash(u64);

impl Hash {
    fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(FACTOR);
    }
}

impl Machine {
    /// The hash of the results of all instructions since [`Probe::Witness`](crate::Probe::Witness)
    /// was inserted; `None` if it is not inserted.
    pub fn witness(&self) -> Option<u64> {
        self.probes.witness
    }

    /// Adds the result of an instruction: its register and its memory. For CSR and system
    /// instructions it adds the whole state of the hart.
    pub(super) fn update_witness(&mut self, turn: usize, single: &Single) {
        let (Some(sum), Some(hart)) = (self.probes.witness, self.harts.get(turn)) else {
            return;
        };
        let mut hash = Hash(sum);
        for value in [
            u64::from(hart.id) | (hart.mode as u64) << 8,
            hart.pc,
            hart.reservation.map_or(1, |at| at << 1),
        ] {
            hash.add(value);
        }
        let insn = single.insn.filter(|_| !self.trapped(turn, single));
        let of_registers_alone = insn.filter(|insn| {
            let format = insn.op.entry().format;
            !matches!(
                format,
                Format::Csr | Format::CsrI | Format::None | Format::SfenceVma
            )
        });
        if let Some(insn) = of_registers_alone {
            let left = result_kind(insn.op.entry().format);
            match left {
                ResultKind::Integer | ResultKind::Both => hash.add(hart.get_x(insn.rd)),
                ResultKind::Float => hash.add(hart.f[usize::from(insn.rd & 31)]),
                ResultKind::Memory | ResultKind::Nothing => {}
            }
            if matches!(left, ResultKind::Memory | ResultKind::Both) {
                let word = self.physical(hart.id, single.address);
                let word = word.and_then(|address| address.checked_sub(RAM_BASE));
                // An access has at most 8 bytes, so it lies in two aligned words.
                let words = [0, 8].map(|more| {
                    let at = (word? & !7).checked_add(more)?;
                    self.bus.ram.get(at, 8)?.first_chunk::<8>()
                });
                for word in words.into_iter().flatten() {
                    hash.add(u64::from_le_bytes(*word));
                }
            }
            hash.add(hart.csrs.fcsr);
            hash.add(hart.csrs.mstatus);
        } else {
            let all = crate::state::encoded(hart);
            hash.add(xxh3_64(&all));
        }
        self.probes.witness = Some(hash.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::debug::fault::tests::Guest;
    use crate::{Fault, Icount, Probe};

    #[test]
    fn a_difference_that_is_gone_again_is_witnessed() {
        let guest = Guest::started();
        let at = guest.icount();
        let run = |instructions, fault: Option<Icount>| {
            let mut machine = guest.clone();
            if let Some(from) = fault {
                machine.insert_probe(Probe::Fault(Fault { from, only: None }));
            }
            machine.insert_probe(Probe::Witness);
            Guest::run(&mut machine, at + instructions);
            (machine.digest(), machine.witness())
        };
        // This instruction writes a0, and so does the next.
        let (right, wrong) = (run(9, None), run(9, Some(at + 5)));
        assert_eq!(right.0, wrong.0, "the states are the same again");
        assert_ne!(right.1, wrong.1);
        assert_eq!(right, run(9, None));
        assert_eq!(run(5, None), run(5, Some(at + 5)));
    }

    #[test]
    fn watching_changes_nothing() {
        let guest = Guest::started();
        let (mut watched, mut plain) = (guest.clone(), guest);
        watched.insert_probe(Probe::Witness);
        let until = plain.icount() + 1000;
        Guest::run(&mut watched, until);
        Guest::run(&mut plain, until);
        assert_eq!(watched.digest(), plain.digest());
        assert_eq!(plain.witness(), None);
    }
}
