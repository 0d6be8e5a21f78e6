//! Reads the first bytes of a qcow2 image, which decide whether it can be opened (QEMU,
//! docs/interop/qcow2.txt, "Header").

use super::{DiskError, Format};
use byteorder::{BigEndian, ByteOrder};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `QFI\xfb`.
const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Bytes of the version 3 header that are read.
const LEN: usize = 104;

/// Features that a reader must know to open the image at all: bit, name, advice.
const INCOMPATIBLE: [(u32, &str, &str); 5] = [
    (
        0,
        "reference counts that were left dirty by a crash",
        "repair it with `qemu-img check -r all`",
    ),
    (
        1,
        "the mark of a corrupt image",
        "repair it with `qemu-img check -r all`, or restore it",
    ),
    (2, "an external data file", CONVERT),
    (3, "another compression than zlib", CONVERT),
    (4, "subclusters (extended_l2)", CONVERT),
];
const CONVERT: &str = "convert it with `qemu-img convert -O qcow2`";

/// Tells the format of an image: qcow2 by its magic number, else raw.
pub(super) fn probe(path: &Path, file: &File) -> Result<Format, DiskError> {
    let header = read(path, file)?;
    Ok(if header.starts_with(&MAGIC) {
        Format::Qcow2
    } else {
        Format::Raw
    })
}

/// Checks that rr can read a qcow2 image, and can write it if `write` is set.
pub(super) fn check(path: &Path, file: &File, write: bool) -> Result<(), DiskError> {
    let header = read(path, file)?;
    let unsupported = |feature: &str, advice| DiskError::Unsupported {
        path: path.to_owned(),
        feature: feature.to_owned(),
        advice,
    };
    if !header.starts_with(&MAGIC) {
        let reason = "is no qcow2 image, as format=qcow2 says; say format=raw, or name another";
        return Err(DiskError::format(path, reason));
    }
    let word = |at: usize| header.get(at..at + 4).map_or(0, BigEndian::read_u32);
    let version = word(4);
    if !(2..=3).contains(&version) {
        let feature = format!("version {version} of qcow2");
        return Err(unsupported(&feature, CONVERT));
    }
    if word(32) != 0 {
        return Err(unsupported("encryption", CONVERT));
    }
    if write && word(60) != 0 {
        let advice = "record it instead, which does not write to it, or delete them with `qemu-img \
            snapshot -d`";
        return Err(unsupported("internal snapshots", advice));
    }
    if version == 2 {
        return Ok(());
    }
    let features = header.get(72..80).map_or(0, BigEndian::read_u64);
    for (bit, feature, advice) in INCOMPATIBLE {
        if features & (1 << bit) != 0 {
            return Err(unsupported(feature, advice));
        }
    }
    let known = (1 << INCOMPATIBLE.len()) - 1;
    if features & !known != 0 {
        let feature = format!("unknown features ({:#x})", features & !known);
        return Err(unsupported(&feature, CONVERT));
    }
    Ok(())
}

/// Reads the first bytes. A shorter file reads as if zeroes followed.
fn read(path: &Path, file: &File) -> Result<[u8; LEN], DiskError> {
    let mut bytes = [0; LEN];
    let mut have = 0;
    while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DiskError::of(path, "read its first bytes", false)(error)),
        }
    }
    Ok(bytes)
}
