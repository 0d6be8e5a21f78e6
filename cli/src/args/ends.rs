//! The options that end a run.

use std::time::Duration;

use anyhow::bail;
use machine::Icount;
use rr::recording::position::Position;
use rr::session::context::RunContext;

/// Where a run ends at the latest.
#[derive(Debug, clap::Args)]
pub(crate) struct EndArgs {
    /// End there, unless the guest ends before: an instruction count (12345, 1.5M)
    #[arg(long, value_name = "N")]
    until: Option<Position>,

    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// How long a run may take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TimeoutArgs {
    /// End after so much of the host's time (30, 1.5s, 10m, 2h), with exit status 124
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
}

impl EndArgs {
    /// Puts the options into the context of a run.
    pub(crate) fn apply<'a>(&self, context: RunContext<'a>) -> anyhow::Result<RunContext<'a>> {
        let until: Option<Icount> = match &self.until {
            None => None,
            Some(Position::Icount(icount)) => Some(*icount),
            Some(other) => bail!(
                "--until: a run that has not been recorded has no {other}; write an instruction \
                 count"
            ),
        };
        Ok(RunContext {
            until,
            timeout: self.timeout.timeout,
            ..context
        })
    }
}

/// Reads a time; without a unit it is in seconds.
fn time(text: &str) -> Result<Duration, String> {
    let units = [
        ("ms", 0.001),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("", 1.0),
    ];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    });
    let parsed = parsed.filter(|time| !time.is_zero());
    parsed.ok_or_else(|| format!("`{text}` is no time above 0: write 30, 1.5s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::time;
    use std::time::Duration;

    #[test]
    fn times() {
        let ms = |text| time(text).ok().map(|time| time.as_millis());
        assert_eq!(ms("30"), Some(30_000));
        assert_eq!(ms("1.5s"), Some(1_500));
        assert_eq!(ms("10m"), Some(600_000));
        assert_eq!(ms("2h"), Some(7_200_000));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "0", "-1", "x", "5d", "1e400", "nan", "inf", "1 s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
