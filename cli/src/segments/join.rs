//! Joins the results of segments: there must be exactly one of each, and all of one recording.

use anyhow::{bail, ensure};

use super::{Outcome, Part};

/// The joined result.
#[derive(Debug)]
pub(super) enum Joined {
    /// The last part, and the number of digests that were equal in all parts.
    Same(Box<Part>, u64),
    /// The parts that diverged.
    Diverged(Vec<Part>),
}

/// Joins parts. Each comes with the name of its file.
pub(super) fn join(mut parts: Vec<(String, Part)>) -> anyhow::Result<Joined> {
    parts.sort_by_key(|(_, part)| part.segment);
    let Some((first_name, first)) = parts.first().cloned() else {
        bail!("nothing to merge");
    };
    for (name, part) in &parts {
        ensure!(
            part.recording == first.recording,
            "{name}: is of another recording than {first_name}: merge results of one recording \
             alone"
        );
        ensure!(
            part.of == first.of,
            "{name}: is one of {} segments, and {first_name} one of {}: merge results of one \
             division alone",
            part.of,
            first.of
        );
    }
    let mut wanted = 1..=first.of;
    for (name, part) in &parts {
        match wanted.next() {
            Some(number) if number == part.segment => {}
            Some(number) if number < part.segment => bail!(missing(number, first.of)),
            _ => bail!(
                "{name}: segment {} is there twice, or is none",
                part.segment
            ),
        }
    }
    if let Some(number) = wanted.next() {
        bail!(missing(number, first.of));
    }
    for pair in parts.windows(2) {
        if let [(before, left), (name, right)] = pair {
            let joined = (left.to, &left.stop) == (right.from, &right.start)
                && (left.result == Outcome::Empty || left.end_digest == right.start_digest);
            ensure!(
                joined,
                "{name}: starts at icount {}, and {before} ends at {}, or in another state: verify \
                 both anew, with the same snapshots",
                right.from,
                left.to
            );
        }
    }
    let whole = &first.recording;
    let (start, end) = (first.from, parts.last().map(|(_, last)| last));
    let digests = parts
        .iter()
        .map(|(_, part)| u128::from(part.digests))
        .sum::<u128>();
    let diverged = parts.iter().map(|(_, part)| part);
    let diverged: Vec<_> = diverged
        .filter(|part| part.result == Outcome::Diverged)
        .cloned()
        .collect();
    if !diverged.is_empty() {
        return Ok(Joined::Diverged(diverged));
    }
    let Some(end) = end.filter(|end| end.result == Outcome::Same) else {
        bail!("the last segment is empty: verify it anew");
    };
    ensure!(
        (start, end.to) == (whole.from, whole.to),
        "the segments go from icount {start} to {}, and the recording from {} to {}: verify them \
         anew",
        end.to,
        whole.from,
        whole.to
    );
    // A recording that was cut off can have digests of states after its last whole event.
    ensure!(
        digests == u128::from(whole.digests) || end.cut && digests < u128::from(whole.digests),
        "{digests} state digests were compared, and {} were recorded: verify the segments anew",
        whole.digests
    );
    Ok(Joined::Same(Box::new(end.clone()), digests as u64))
}

fn missing(number: u32, of: u32) -> String {
    format!(
        "segment {number} of {of} is missing: verify it with --segment {number}/{of} --json, and \
         merge again"
    )
}
