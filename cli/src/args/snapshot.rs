//! The options of snapshots, which `record` and `replay` share.

use rr::run::snapshots::Plan;

/// When snapshots are taken during the run.
#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotArgs {
    /// Take a snapshot every N instructions, named at-ICOUNT (k, M, G are decimal)
    #[arg(long, value_name = "N", value_parser = instructions)]
    snapshot_every: Option<u64>,

    /// What the recording's snapshots may take on disk (K, M, G are powers of 1024): the oldest go,
    /// but not the first
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    snapshot_budget: Option<u64>,
}

impl SnapshotArgs {
    /// These options on top of `plan`.
    pub(crate) fn plan(&self, plan: Plan) -> Plan {
        Plan {
            every: self.snapshot_every,
            budget: self.snapshot_budget,
            ..plan
        }
    }
}

fn instructions(text: &str) -> Result<u64, String> {
    scaled(text, 1000).ok_or_else(|| format!("`{text}`: expected a count from 1, such as 200M"))
}

fn bytes(text: &str) -> Result<u64, String> {
    scaled(text, 1024).ok_or_else(|| format!("`{text}`: expected a size from 1, such as 2G"))
}

/// Parses a number with a unit that is a power of `base`.
fn scaled(text: &str, base: u64) -> Option<u64> {
    let units = ["kK", "mM", "gG", "tT"];
    let power = units
        .iter()
        .position(|unit| text.ends_with(|c| unit.contains(c)));
    let digits = match power {
        Some(_) => text.get(..text.len() - 1)?,
        None => text,
    };
    let number: u64 = digits.parse().ok()?;
    let unit = base.checked_pow(power.map_or(0, |power| power as u32 + 1))?;
    number.checked_mul(unit).filter(|&number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn units() {
        assert_eq!(scaled("200M", 1000), Some(200_000_000));
        assert_eq!(scaled("2G", 1024), Some(2 << 30));
        assert_eq!(scaled("17", 1000), Some(17));
        for wrong in ["", "0", "M", "-1", "1.5M", "99999999999T", "5X"] {
            assert_eq!(scaled(wrong, 1000), None, "{wrong}");
        }
    }
}
