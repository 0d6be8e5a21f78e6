//! Limits the rate of events: of some kinds, one event a second is sent.
//!
//! The first event is sent at once. Of the events in the second after it, the last is sent at the
//! end of that second.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The least time between two events of a limited kind.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The limited kinds: those of QEMU that its RISC-V machines have.
const LIMITED: &[&str] = &["RTC_CHANGE", "WATCHDOG"];

/// An event with its time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimedEvent {
    /// The event's name.
    pub name: &'static str,
    /// Its data, if it has any.
    pub data: Option<Value>,
    /// The time at which it happened.
    pub time: SystemTime,
}

impl TimedEvent {
    /// The event as clients get it.
    pub(super) fn to_value(&self) -> Value {
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event = serde_json::json!({
            "timestamp": {"seconds": since.as_secs(), "microseconds": since.subsec_micros()},
            "event": self.name,
        });
        if let Some(data) = &self.data {
            event["data"] = data.clone();
        }
        event
    }
}

/// The events that are delayed.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// For each kind that was sent within a period: the time when the next may be sent, and the
    /// last event since.
    kinds: BTreeMap<&'static str, (Instant, Option<TimedEvent>)>,
}

impl Limiter {
    /// Takes an event. Returns it if it may be sent at once.
    pub(super) fn take(&mut self, event: TimedEvent, now: Instant) -> Option<TimedEvent> {
        if !LIMITED.contains(&event.name) {
            return Some(event);
        }
        match self.kinds.get_mut(event.name) {
            Some((_, held)) => {
                *held = Some(event);
                None
            }
            None => {
                self.kinds.insert(event.name, (now + PERIOD, None));
                Some(event)
            }
        }
    }

    /// The delayed events that are due, in the order in which they happened.
    pub(super) fn due(&mut self, now: Instant) -> Vec<TimedEvent> {
        let mut due = Vec::new();
        self.kinds.retain(|_, (next, held)| {
            if *next > now {
                return true;
            }
            *next = now + PERIOD;
            match held.take() {
                Some(event) => {
                    due.push(event);
                    true
                }
                None => false,
            }
        });
        due.sort_by_key(|event| event.time);
        due
    }

    /// The time at which the next event is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.kinds.values().map(|(next, _)| *next).min()
    }

    /// All delayed events, when the monitor ends.
    pub(super) fn rest(&mut self) -> Vec<TimedEvent> {
        let held = std::mem::take(&mut self.kinds).into_values();
        let mut rest: Vec<_> = held.filter_map(|(_, held)| held).collect();
        rest.sort_by_key(|event| event.time);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &'static str, number: u64) -> TimedEvent {
        let time = UNIX_EPOCH + Duration::from_micros(number);
        TimedEvent {
            name,
            data: Some(json!(number)),
            time,
        }
    }

    #[test]
    fn one_a_second_and_the_last_is_not_lost() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(
            limiter.take(event("STOP", 0), start),
            Some(event("STOP", 0))
        );
        assert_eq!(limiter.next(), None);
        assert_eq!(
            limiter.take(event("RTC_CHANGE", 1), start),
            Some(event("RTC_CHANGE", 1))
        );
        assert_eq!(limiter.take(event("RTC_CHANGE", 2), after(10)), None);
        assert_eq!(
            limiter.take(event("WATCHDOG", 3), after(20)),
            Some(event("WATCHDOG", 3))
        );
        assert_eq!(limiter.take(event("RTC_CHANGE", 4), after(30)), None);
        assert_eq!(limiter.next(), Some(after(1000)));
        assert_eq!(limiter.due(after(999)), []);
        assert_eq!(limiter.due(after(1000)), [event("RTC_CHANGE", 4)]);
        // The delayed event begins a new second.
        assert_eq!(limiter.take(event("RTC_CHANGE", 5), after(1500)), None);
        assert_eq!(limiter.due(after(1100)), []);
        assert_eq!(limiter.due(after(2000)), [event("RTC_CHANGE", 5)]);
        assert_eq!(limiter.due(after(3000)), []);
        assert_eq!(limiter.next(), None);
        assert!(limiter.take(event("RTC_CHANGE", 6), after(3001)).is_some());
    }

    #[test]
    fn at_the_end_nothing_is_held_back() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        limiter.take(event("RTC_CHANGE", 1), now);
        limiter.take(event("RTC_CHANGE", 2), now);
        assert_eq!(limiter.rest(), [event("RTC_CHANGE", 2)]);
        assert_eq!(limiter.rest(), []);
    }

    #[test]
    fn what_clients_get() {
        let time = UNIX_EPOCH + Duration::from_micros(3_000_007);
        let stop = TimedEvent {
            name: "STOP",
            data: None,
            time,
        };
        let wanted = json!({"timestamp": {"seconds": 3, "microseconds": 7}, "event": "STOP"});
        assert_eq!(stop.to_value(), wanted);
    }
}
