//! The real-time clock: the goldfish RTC of the Android emulator (Goldfish virtual hardware,
//! section "Goldfish timer").
//!
//! Only this device of the board shows the host's clock to the guest. It reads the clock through
//! [`crate::inputs::Inputs::host_clock`], and the engine logs each alarm as an event.

use serde::{Deserialize, Serialize};

use super::{AccessError, Context, Device};
use crate::inputs::Halted;

/// Offsets of the registers, 4 bytes each.
mod reg {
    /// A read latches the high half of the time into TIME_HIGH.
    pub(super) const TIME_LOW: u64 = 0x00;
    pub(super) const TIME_HIGH: u64 = 0x04;
    /// A write arms the alarm.
    pub(super) const ALARM_LOW: u64 = 0x08;
    pub(super) const ALARM_HIGH: u64 = 0x0c;
    pub(super) const IRQ_ENABLED: u64 = 0x10;
    pub(super) const CLEAR_ALARM: u64 = 0x14;
    pub(super) const ALARM_STATUS: u64 = 0x18;
    pub(super) const CLEAR_INTERRUPT: u64 = 0x1c;
}

/// The real-time clock of the board. Its times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldfishRtc {
    /// The guest's time minus the host's time, modulo 2^64. A write to the time sets it.
    pub(crate) offset: u64,
    /// High half of the time at the last read of TIME_LOW.
    pub(crate) time_high: u32,
    /// The alarm, in the guest's time.
    pub(crate) alarm: u64,
    pub(crate) alarm_armed: bool,
    pub(crate) irq_enabled: bool,
    pub(crate) irq_pending: bool,
}

impl GoldfishRtc {
    /// A clock that shows the host's time and has no alarm.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The host's time (ns since the Unix epoch) at which the alarm is due. `None` if no alarm is
    /// set or the host's clock never reaches it.
    #[must_use]
    pub fn alarm_deadline(&self) -> Option<i64> {
        let due = i128::from(self.alarm) - i128::from(self.offset.cast_signed());
        if self.alarm_armed {
            i64::try_from(due).ok()
        } else {
            None
        }
    }

    /// Raises the alarm if it is due at host time `host_now` (ns since the Unix epoch).
    pub fn host_timer(&mut self, host_now: i64) {
        if self.alarm_deadline().is_some_and(|due| due <= host_now) {
            self.alarm_armed = false;
            self.irq_pending = true;
        }
    }

    fn time(&self, cx: &mut Context<'_>) -> Result<u64, Halted> {
        let host = cx.inputs.host_clock(cx.at)?;
        Ok(host.cast_unsigned().wrapping_add(self.offset))
    }

    fn set_time(
        &mut self,
        cx: &mut Context<'_>,
        change: impl Fn(u64) -> u64,
    ) -> Result<(), Halted> {
        let now = self.time(cx)?;
        self.offset = self.offset.wrapping_add(change(now).wrapping_sub(now));
        Ok(())
    }
}

fn with_low(whole: u64, low: u32) -> u64 {
    whole & !0xffff_ffff | u64::from(low)
}

fn with_high(whole: u64, high: u32) -> u64 {
    whole & 0xffff_ffff | u64::from(high) << 32
}

impl Device for GoldfishRtc {
    fn read(&mut self, offset: u64, size: u8, cx: &mut Context<'_>) -> Result<u64, AccessError> {
        if size != 4 {
            return Err(AccessError::InvalidAccessSize);
        }
        Ok(match offset {
            reg::TIME_LOW => {
                let now = self.time(cx)?;
                self.time_high = (now >> 32) as u32;
                now & 0xffff_ffff
            }
            reg::TIME_HIGH => self.time_high.into(),
            reg::ALARM_LOW => self.alarm & 0xffff_ffff,
            reg::ALARM_HIGH => self.alarm >> 32,
            reg::IRQ_ENABLED => self.irq_enabled.into(),
            reg::ALARM_STATUS => self.alarm_armed.into(),
            _ => return Err(AccessError::InvalidRegister),
        })
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), AccessError> {
        if size != 4 {
            return Err(AccessError::InvalidAccessSize);
        }
        let word = (value & 0xffff_ffff) as u32;
        match offset {
            reg::TIME_LOW => self.set_time(cx, |now| with_low(now, word))?,
            reg::TIME_HIGH => self.set_time(cx, |now| with_high(now, word))?,
            reg::ALARM_HIGH => self.alarm = with_high(self.alarm, word),
            reg::ALARM_LOW => {
                let host_now = cx.inputs.host_clock(cx.at)?;
                self.alarm = with_low(self.alarm, word);
                self.alarm_armed = true;
                self.host_timer(host_now);
            }
            reg::IRQ_ENABLED => self.irq_enabled = word & 1 != 0,
            reg::CLEAR_ALARM => self.alarm_armed = false,
            reg::CLEAR_INTERRUPT => self.irq_pending = false,
            _ => return Err(AccessError::InvalidRegister),
        }
        Ok(())
    }

    fn irq(&self) -> bool {
        self.irq_pending && self.irq_enabled
    }

    /// Keeps the time that the guest has set, as a clock with a battery does.
    fn reset(&mut self) {
        *self = Self {
            offset: self.offset,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Bench, exercise, steps};
    use super::*;

    /// 2026-01-01T00:00:00Z in nanoseconds since the Unix epoch.
    const NOW: i64 = 1_767_225_600_000_000_000;

    fn bench() -> Bench<GoldfishRtc> {
        let mut bench = Bench::new(GoldfishRtc::new());
        bench.inputs.clock = NOW;
        bench
    }

    fn time(bench: &mut Bench<GoldfishRtc>) -> i64 {
        let low = bench.r32(reg::TIME_LOW);
        i64::from(bench.r32(reg::TIME_HIGH)) << 32 | i64::from(low)
    }

    fn set_alarm(bench: &mut Bench<GoldfishRtc>, at: i64) {
        bench.w32(reg::ALARM_HIGH, (at >> 32) as u32);
        bench.w32(reg::ALARM_LOW, at as u32);
    }

    #[test]
    fn low_latches_high() {
        let mut bench = bench();
        bench.inputs.clock = (5 << 32) - 1;
        assert_eq!(bench.r32(reg::TIME_LOW), u32::MAX);
        bench.inputs.clock += 1;
        assert_eq!(bench.r32(reg::TIME_HIGH), 4);
        assert_eq!(
            bench.inputs.clock_reads, 1,
            "only TIME_LOW looks at the clock"
        );
    }

    #[test]
    fn time_can_be_set() {
        let mut bench = bench();
        bench.w32(reg::TIME_HIGH, 0);
        bench.w32(reg::TIME_LOW, 1000);
        assert_eq!(time(&mut bench), 1000);
        bench.inputs.clock += 500;
        assert_eq!(time(&mut bench), 1500);
        set_alarm(&mut bench, 2500);
        assert_eq!(bench.dev.alarm_deadline(), Some(NOW + 1500));
        bench.dev.reset();
        assert_eq!(time(&mut bench), 1500);
        assert_eq!(bench.dev.alarm_deadline(), None);
    }

    #[test]
    fn alarm_fires_when_due() {
        let mut bench = bench();
        bench.w32(reg::IRQ_ENABLED, 1);
        set_alarm(&mut bench, NOW + 100);
        assert_eq!(
            (bench.r32(reg::ALARM_STATUS), bench.dev.alarm_deadline()),
            (1, Some(NOW + 100))
        );
        bench.dev.host_timer(NOW + 99);
        assert!(!bench.dev.irq());
        bench.dev.host_timer(NOW + 100);
        assert!(bench.dev.irq());
        assert_eq!(
            (bench.r32(reg::ALARM_STATUS), bench.dev.alarm_deadline()),
            (0, None)
        );
        bench.w32(reg::IRQ_ENABLED, 0);
        assert!(!bench.dev.irq());
        bench.w32(reg::IRQ_ENABLED, 1);
        bench.w32(reg::CLEAR_INTERRUPT, 1);
        assert!(!bench.dev.irq());
    }

    #[test]
    fn alarm_in_the_past_fires_at_once_and_can_be_cleared() {
        let mut bench = bench();
        bench.w32(reg::IRQ_ENABLED, 1);
        set_alarm(&mut bench, NOW);
        assert!(bench.dev.irq());
        bench.w32(reg::CLEAR_INTERRUPT, 0);
        set_alarm(&mut bench, NOW + 5);
        bench.w32(reg::CLEAR_ALARM, 0);
        bench.dev.host_timer(NOW + 10);
        assert!(!bench.dev.irq());
    }

    #[test]
    fn refusals() {
        let mut bench = bench();
        assert_eq!(bench.read(0, 8), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.write(0, 1, 0), Err(AccessError::InvalidAccessSize));
        assert_eq!(bench.read(0x20, 4), Err(AccessError::InvalidRegister));
        assert_eq!(
            bench.read(reg::CLEAR_ALARM, 4),
            Err(AccessError::InvalidRegister)
        );
        bench.inputs.halted = true;
        let before = bench.dev.clone();
        assert_eq!(bench.read(0, 4), Err(AccessError::Halted(Halted)));
        assert_eq!(
            bench.write(reg::ALARM_LOW, 4, 1),
            Err(AccessError::Halted(Halted))
        );
        assert_eq!(bench.dev, before);
    }

    proptest! {
        #[test]
        fn never_panics_and_has_no_hidden_state(steps in steps(0x40), clock in any::<i64>()) {
            exercise(GoldfishRtc::new(), &steps);
            let mut bench = Bench::new(GoldfishRtc::new());
            bench.inputs.clock = clock;
            set_alarm(&mut bench, clock.wrapping_add(1));
            bench.dev.host_timer(i64::MAX);
        }
    }
}
