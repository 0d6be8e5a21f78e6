//! The PLIC (RISC-V Platform-Level Interrupt Controller Specification 1.0.0).
//!
//! Each source has a level gateway. A high level makes the source pending unless the source is in
//! service, and a completion samples the level again. As the specification demands, only a claim
//! clears a pending bit, even if the device has lowered its line before.

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};

/// Number of interrupt sources (`riscv,ndev` in the devicetree). Their ids are `1..=SOURCES`.
pub const SOURCES: u32 = 95;
/// Highest priority and threshold. A source of priority 0 never interrupts.
pub const MAX_PRIORITY: u8 = 7;

/// Number of 32-bit words in a bit field with one bit for each id, including 0.
const WORDS: usize = (SOURCES as usize + 1).div_ceil(32);

/// Offsets of the registers (specification, "Memory Map").
mod reg {
    pub(super) const PRIORITY: u64 = 0;
    pub(super) const PENDING: u64 = 0x1000;
    pub(super) const PENDING_END: u64 = 0x1080;
    pub(super) const ENABLE: u64 = 0x2000;
    pub(super) const ENABLE_STRIDE: u64 = 0x80;
    pub(super) const CONTEXT: u64 = 0x20_0000;
    pub(super) const CONTEXT_STRIDE: u64 = 0x1000;
    pub(super) const CONTEXT_END: u64 = 0x400_0000;
    /// Offset within the page of a context.
    pub(super) const THRESHOLD: u64 = 0;
    pub(super) const CLAIM: u64 = 4;
}

/// The settings of one context (a hart in one mode).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) enable: [u32; WORDS],
    pub(crate) threshold: u8,
}

/// The PLIC of the board. Context `2 * hart` is the hart's M-mode, and `2 * hart + 1` its S-mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plic {
    /// Priority by source id. Entry 0 is unused.
    pub(crate) priority: Vec<u8>,
    /// Settings by context.
    pub(crate) targets: Vec<Target>,
    /// The levels of the interrupt lines.
    pub(crate) level: [u32; WORDS],
    /// Interrupt requests that no hart has claimed.
    pub(crate) pending: [u32; WORDS],
    /// Sources that are claimed and not completed. Their gateways are closed.
    pub(crate) in_service: [u32; WORDS],
}

/// The register at an offset. Reserved registers within an array read as zero.
enum Register {
    Priority(usize),
    Pending(usize),
    Enable(usize, usize),
    Threshold(usize),
    Claim(usize),
}

impl Plic {
    /// A PLIC for `harts` harts, with two contexts per hart, in its power-on state.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        Self {
            priority: vec![0; SOURCES as usize + 1],
            targets: vec![Target::default(); harts.saturating_mul(2)],
            level: [0; WORDS],
            pending: [0; WORDS],
            in_service: [0; WORDS],
        }
    }

    /// Sets the level of the interrupt line of `source`. An id that does not exist is ignored.
    pub fn set_level(&mut self, source: u32, high: bool) {
        let Some((word, bit)) = position(source) else {
            return;
        };
        if high {
            self.level[word] |= bit;
        } else {
            self.level[word] &= !bit;
        }
        self.sample(word);
    }

    /// Whether the external interrupt of context `ctx` is pending: `mip.MEIP` of hart `ctx / 2` for
    /// an even context, `mip.SEIP` for an odd one.
    #[must_use]
    pub fn external(&self, ctx: usize) -> bool {
        let Some(target) = self.targets.get(ctx) else {
            return false;
        };
        self.best(target)
            .is_some_and(|(_, priority)| priority > target.threshold)
    }

    /// Samples the gateways of one word: a high level that is not in service becomes a request.
    fn sample(&mut self, word: usize) {
        self.pending[word] |= self.level[word] & !self.in_service[word];
    }

    /// The pending and enabled source with the highest priority above 0, and its priority. Among
    /// equal priorities the lowest id wins.
    fn best(&self, target: &Target) -> Option<(u32, u8)> {
        let mut best: Option<(u32, u8)> = None;
        for (base, (pending, enable)) in (0u32..)
            .step_by(32)
            .zip(self.pending.iter().zip(&target.enable))
        {
            let mut left = pending & enable;
            while left != 0 {
                let id = base + left.trailing_zeros();
                left &= left - 1;
                let priority = self.priority.get(id as usize).copied().unwrap_or(0);
                if priority > best.map_or(0, |(_, p)| p) {
                    best = Some((id, priority));
                }
            }
        }
        best
    }

    /// Claims a source for a context. The threshold has no effect on a claim (specification,
    /// "Interrupt Claim Process").
    fn claim(&mut self, ctx: usize) -> u32 {
        let Some((id, _)) = self.targets.get(ctx).and_then(|target| self.best(target)) else {
            return 0;
        };
        if let Some((word, bit)) = position(id) {
            self.pending[word] &= !bit;
            self.in_service[word] |= bit;
        }
        id
    }

    /// Completes a source, which opens its gateway. As in QEMU, and unlike the specification, the
    /// source need not be enabled for the context: some drivers mask a source before they complete
    /// it.
    fn complete(&mut self, source: u64) {
        let Some((word, bit)) = u32::try_from(source).ok().and_then(position) else {
            return;
        };
        self.in_service[word] &= !bit;
        self.sample(word);
    }

    fn register(&self, offset: u64, size: u8) -> Result<Register, AccessError> {
        if size != 4 {
            return Err(AccessError::InvalidAccessSize);
        }
        let word = |from: u64| usize::try_from((offset - from) / 4).unwrap_or(usize::MAX);
        let context = |from: u64, stride: u64| {
            let ctx = usize::try_from((offset - from) / stride).unwrap_or(usize::MAX);
            let known = ctx < self.targets.len();
            if known {
                Ok(ctx)
            } else {
                Err(AccessError::InvalidRegister)
            }
        };
        match offset {
            _ if !offset.is_multiple_of(4) => Err(AccessError::InvalidRegister),
            reg::PRIORITY..reg::PENDING => Ok(Register::Priority(word(reg::PRIORITY))),
            reg::PENDING..reg::PENDING_END => Ok(Register::Pending(word(reg::PENDING))),
            reg::ENABLE..reg::CONTEXT => {
                let ctx = context(reg::ENABLE, reg::ENABLE_STRIDE)?;
                Ok(Register::Enable(
                    ctx,
                    word(reg::ENABLE) % (reg::ENABLE_STRIDE as usize / 4),
                ))
            }
            reg::CONTEXT..reg::CONTEXT_END => {
                let ctx = context(reg::CONTEXT, reg::CONTEXT_STRIDE)?;
                match (offset - reg::CONTEXT) % reg::CONTEXT_STRIDE {
                    reg::THRESHOLD => Ok(Register::Threshold(ctx)),
                    reg::CLAIM => Ok(Register::Claim(ctx)),
                    _ => Err(AccessError::InvalidRegister),
                }
            }
            _ => Err(AccessError::InvalidRegister),
        }
    }
}

/// The word (below [`WORDS`]) and the bit of a source; `None` if there is no such source.
fn position(source: u32) -> Option<(usize, u32)> {
    let exists = (1..=SOURCES).contains(&source);
    exists.then(|| (source as usize / 32, 1 << (source % 32)))
}

/// The mask of the bits in a word that belong to existing sources.
fn implemented(word: usize) -> u32 {
    match word {
        0 => !1,
        _ if word < WORDS => !0,
        _ => 0,
    }
}

impl Device for Plic {
    fn read(&mut self, offset: u64, size: u8, _cx: &mut Context<'_>) -> Result<u64, AccessError> {
        Ok(match self.register(offset, size)? {
            Register::Priority(id) => self.priority.get(id).copied().unwrap_or(0).into(),
            Register::Pending(word) => self.pending.get(word).copied().unwrap_or(0).into(),
            Register::Enable(ctx, word) => {
                let target = self.targets.get(ctx);
                target
                    .and_then(|t| t.enable.get(word))
                    .copied()
                    .unwrap_or(0)
                    .into()
            }
            Register::Threshold(ctx) => self.targets.get(ctx).map_or(0, |t| t.threshold).into(),
            Register::Claim(ctx) => self.claim(ctx).into(),
        })
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        _cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        // WARL: only the low bits are stored.
        let level = (value & u64::from(MAX_PRIORITY)) as u8;
        let word32 = (value & 0xffff_ffff) as u32;
        match self.register(offset, size)? {
            Register::Priority(id) => {
                if let Some(priority) = self.priority.get_mut(id).filter(|_| id != 0) {
                    *priority = level;
                }
            }
            Register::Pending(_) => {}
            Register::Enable(ctx, word) => {
                let target = self.targets.get_mut(ctx);
                if let Some(enable) = target.and_then(|t| t.enable.get_mut(word)) {
                    *enable = word32 & implemented(word);
                }
            }
            Register::Threshold(ctx) => {
                if let Some(target) = self.targets.get_mut(ctx) {
                    target.threshold = level;
                }
            }
            Register::Claim(_) => self.complete(u64::from(word32)),
        }
        Ok(())
    }

    /// Resets the registers. The line levels stay, so a high level becomes a request again.
    fn reset(&mut self) {
        let level = self.level;
        *self = Self {
            level,
            pending: level,
            ..Self::new(self.targets.len() / 2)
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Bench, exercise, steps};
    use super::*;

    const CLAIM_M: u64 = 0x20_0004;
    const CLAIM_S: u64 = 0x20_1004;

    /// Sources 1..=40 have priority 1 and are enabled for M-mode and S-mode of hart 0.
    fn bench() -> Bench<Plic> {
        let mut bench = Bench::new(Plic::new(2));
        for id in 1..=40 {
            bench.w32(id * 4, 1);
        }
        for ctx in 0..2 {
            for word in 0..3 {
                bench.w32(0x2000 + ctx * 0x80 + word * 4, u32::MAX);
            }
        }
        bench
    }

    #[test]
    fn level_claim_complete() {
        let mut bench = bench();
        bench.dev.set_level(10, true);
        assert!(bench.dev.external(0) && bench.dev.external(1));
        assert!(!bench.dev.external(2), "not enabled for hart 1");
        assert_eq!(bench.r32(0x1000), 1 << 10);
        assert_eq!(bench.r32(CLAIM_S), 10);
        assert!(!bench.dev.external(0) && !bench.dev.external(1));
        assert_eq!(bench.r32(CLAIM_M), 0);
        // Still high at completion: a request again.
        bench.w32(CLAIM_S, 10);
        assert!(bench.dev.external(1));
        assert_eq!(bench.r32(CLAIM_S), 10);
        bench.dev.set_level(10, false);
        bench.w32(CLAIM_S, 10);
        assert!(!bench.dev.external(1));
    }

    #[test]
    fn a_request_outlives_its_level() {
        let mut bench = bench();
        bench.dev.set_level(3, true);
        bench.dev.set_level(3, false);
        assert_eq!(bench.r32(CLAIM_M), 3);
        bench.dev.set_level(3, true);
        bench.dev.set_level(3, false);
        bench.w32(CLAIM_M, 3);
        assert!(
            !bench.dev.external(0),
            "a pulse in service is not remembered by a level gateway"
        );
    }

    #[test]
    fn highest_priority_first_then_lowest_id() {
        let mut bench = bench();
        bench.w32(40 * 4, 5);
        for id in [33, 2, 40] {
            bench.dev.set_level(id, true);
        }
        assert_eq!([0, 0, 0].map(|_| bench.r32(CLAIM_M)), [40, 2, 33]);
    }

    #[test]
    fn threshold_masks_the_line_and_not_the_claim() {
        let mut bench = bench();
        bench.w32(0x20_1000, 1);
        bench.dev.set_level(7, true);
        assert!(bench.dev.external(0) && !bench.dev.external(1));
        bench.w32(0x20_1000, 0);
        assert!(bench.dev.external(1));
        bench.w32(0x20_1000, 7);
        assert_eq!(bench.r32(CLAIM_S), 7);
    }

    #[test]
    fn priority_zero_never_interrupts() {
        let mut bench = bench();
        bench.w32(9 * 4, 0);
        bench.dev.set_level(9, true);
        assert!(!bench.dev.external(0));
        assert_eq!(bench.r32(CLAIM_M), 0);
    }

    #[test]
    fn fields_keep_only_legal_values() {
        let mut bench = bench();
        bench.w32(4, 0xff);
        assert_eq!(bench.r32(4), 7);
        bench.w32(0, 7);
        assert_eq!(bench.r32(0), 0, "there is no source 0");
        assert_eq!(bench.r32(0x2000), u32::MAX - 1);
        bench.w32(0x200c, u32::MAX);
        assert_eq!(bench.r32(0x200c), 0);
        bench.w32(0x1000, u32::MAX);
        assert_eq!(bench.r32(0x1000), 0);
        bench.dev.set_level(0, true);
        bench.dev.set_level(96, true);
        bench.dev.set_level(u32::MAX, true);
        assert!(!bench.dev.external(0));
        bench.w32(CLAIM_M, 0xffff_ffff);
    }

    #[test]
    fn refusals() {
        let mut bench = bench();
        assert_eq!(bench.read(4, 8), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.read(4, 1), Err(AccessError::InvalidAccessSize));
        assert_eq!(
            bench.read(0x2000 + 4 * 0x80, 4),
            Err(AccessError::InvalidRegister)
        );
        assert_eq!(bench.read(0x20_4000, 4), Err(AccessError::InvalidRegister));
        assert_eq!(bench.read(0x20_0008, 4), Err(AccessError::InvalidRegister));
        assert_eq!(bench.read(0x1080, 4), Err(AccessError::InvalidRegister));
    }

    #[test]
    fn reset_keeps_the_lines() {
        let mut bench = bench();
        bench.dev.set_level(5, true);
        bench.dev.reset();
        let mut fresh = Plic::new(2);
        fresh.set_level(5, true);
        assert_eq!(bench.dev, fresh);
    }

    proptest! {
        #[test]
        fn never_panics_and_has_no_hidden_state(
            low in steps(0x3000),
            high in steps(0x60_0000),
            levels in prop::collection::vec((0..100u32, any::<bool>()), 0..20),
        ) {
            let mut plic = Plic::new(2);
            for (source, level) in levels {
                plic.set_level(source, level);
            }
            exercise(plic.clone(), &low);
            exercise(plic, &high);
        }

        /// A claimed source is always enabled, pending and not in service.
        #[test]
        fn no_source_is_served_twice(ops in prop::collection::vec((0..4u8, 1..20u32), 0..80)) {
            let mut bench = bench();
            let mut serving = std::collections::BTreeSet::new();
            for (op, id) in ops {
                match op {
                    0 | 1 => bench.dev.set_level(id, op == 1),
                    2 => {
                        let got = bench.r32(CLAIM_M);
                        prop_assert!(got == 0 || serving.insert(got));
                    }
                    _ => {
                        serving.remove(&id);
                        bench.w32(CLAIM_S, id);
                    }
                }
            }
        }
    }
}
