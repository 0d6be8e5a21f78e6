//! The differences of two recordings, apart from their logs: the machines that they start from, and
//! the range in which their states begin to differ.
//!
//! [`replay_format::diff`] compares the logs. A bisection for the first instruction that differs
//! begins with [`Bracket`].

use crate::error::{Error, RecordingFault};
use crate::recording::digests::Digests;
use crate::recording::{MANIFEST, Manifest, Recording};
use machine::Icount;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A setting of the machine, or a property of an image, that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its place in `machine.json`: `machine.icount.shift`, `kernel.blake3`.
    pub name: String,
    /// Its value in the first recording, as JSON; `None` if it is absent.
    pub first: Option<Value>,
    /// Its value in the second recording.
    pub second: Option<Value>,
}

/// The range in which the states of two recordings begin to differ, by their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bracket {
    /// The number of instruction counts at which both have a digest.
    pub compared: u64,
    /// The last instruction count at which the states agree, before any at which they differ.
    pub same_at: Option<Icount>,
    /// The first instruction count at which they differ.
    pub differ_at: Option<Icount>,
}

/// The settings that differ. The paths of images do not count; their content does.
///
/// # Errors
/// If the machine cannot be written as JSON, which does not happen for an open recording.
pub fn settings(first: &Recording, second: &Recording) -> Result<Vec<Setting>, Error> {
    let (one, two) = (flat(first)?, flat(second)?);
    let names: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| one.get(*name) != two.get(*name));
    let setting = |name: &String| Setting {
        name: name.clone(),
        first: one.get(name).cloned(),
        second: two.get(name).cloned(),
    };
    Ok(differing.map(setting).collect())
}

/// The settings by their names.
fn flat(recording: &Recording) -> Result<BTreeMap<String, Value>, Error> {
    let Manifest {
        machine, images, ..
    } = &recording.manifest;
    let value = serde_json::to_value(machine).map_err(|error| {
        Error::recording(
            &recording.path(MANIFEST),
            RecordingFault::Encode(error.into()),
        )
    })?;
    let mut found = BTreeMap::new();
    flatten("machine", &value, &mut found);
    // For an image its content counts, which is in the list of images.
    let path = |name: &str| PATHS.iter().any(|path| name.ends_with(path));
    found.retain(|name, _| !path(name));
    for image in images {
        found.insert(format!("{}.size", image.role), image.size.into());
        found.insert(
            format!("{}.blake3", image.role),
            image.blake3.clone().into(),
        );
    }
    Ok(found)
}

/// Settings that are paths on the host.
const PATHS: [&str; 4] = [
    "machine.kernel",
    "machine.initrd",
    "machine.bios.file",
    ".file",
];

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, into);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{name}.{place}"), value, into);
            }
        }
        value => {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

/// Finds the range in which the states begin to differ.
pub fn bracket(first: &Digests, second: &Digests) -> Bracket {
    let mut bracket = Bracket::default();
    let ends = first
        .last()
        .into_iter()
        .map(|(icount, digest)| (icount, digest, true));
    let along = first
        .along()
        .iter()
        .map(|&(icount, digest)| (icount, digest, false));
    for (icount, digest, last) in along.chain(ends) {
        let Some(other) = second.at(icount, last) else {
            continue;
        };
        bracket.compared += 1;
        if digest != other {
            bracket.differ_at = Some(icount);
            break;
        }
        bracket.same_at = Some(icount);
    }
    bracket
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::digests::DigestWriter;
    use crate::recording::log_file::DiskFile;
    use machine::Digest;
    use std::path::Path;

    fn digests(along: &[(u64, u128)], last: (u64, u128)) -> Digests {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests.bin");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            DigestWriter::create(path.clone(), Box::new(DiskFile::new(file, false))).unwrap();
        for (icount, digest) in along {
            writer
                .add(Icount::new(*icount), Digest::new(*digest))
                .unwrap();
        }
        writer
            .add_last(Icount::new(last.0), Digest::new(last.1))
            .unwrap();
        writer.finish().unwrap();
        Digests::parse(Path::new("d"), &std::fs::read(&path).unwrap()).unwrap()
    }

    #[test]
    fn digests_narrow_the_range() {
        let one = digests(&[(10, 1), (20, 2), (30, 3)], (35, 9));
        assert_eq!(
            bracket(&one, &one),
            Bracket {
                compared: 4,
                same_at: Some(Icount::new(35)),
                differ_at: None
            }
        );
        let two = digests(&[(10, 1), (20, 2), (30, 4)], (35, 8));
        let found = Bracket {
            compared: 3,
            same_at: Some(Icount::new(20)),
            differ_at: Some(Icount::new(30)),
        };
        assert_eq!(bracket(&one, &two), found);
        // With different intervals, only common counts are compared. The last digest is not
        // compared with one along the run.
        let two = digests(&[(15, 1), (30, 3)], (33, 9));
        let found = Bracket {
            compared: 1,
            same_at: Some(Icount::new(30)),
            differ_at: None,
        };
        assert_eq!(bracket(&one, &two), found);
        assert_eq!(bracket(&one, &Digests::default()), Bracket::default());
    }
}
