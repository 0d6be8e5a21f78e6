//! The options of `--drive`, as QEMU writes them.

use super::header;
use super::layer;
use super::{DiskError, Format};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The user's options of one drive, as `machine.json` keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriveOptions {
    /// The image.
    pub file: PathBuf,
    /// Its format; `None`: found from the content. A recording always names it.
    pub format: Option<Format>,
    /// The drive's name; `None`: `drive0`, `drive1`, ... by its place.
    pub id: Option<String>,
    /// True if the guest may not write to the drive.
    pub readonly: bool,
}

/// Why a `--drive` was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriveOptionsError {
    /// No image is named.
    #[error("no image is named; expected file=FILE[,format=raw|qcow2][,id=ID][,readonly=on|off]")]
    NoFile,
    /// A key without a value, as in `--drive disk.raw`.
    #[error("`{0}`: expected file={0}")]
    Bare(String),
    /// An unknown key.
    #[error("`{word}` is not known; expected file=, format=, id= or readonly=on|off{hint}")]
    Unknown {
        /// The key.
        word: String,
        /// Advice, for a key that QEMU knows.
        hint: &'static str,
    },
    /// A key that stands twice.
    #[error("`{0}=` is given twice; leave one out")]
    Twice(&'static str),
    /// A value that the key does not take.
    #[error("{word}={value}: expected {expected}")]
    Value {
        /// The key.
        word: &'static str,
        /// Its value.
        value: String,
        /// The values that it takes.
        expected: &'static str,
    },
    /// Two drives with one name.
    #[error("two drives have the name `{0}`; give each an id= of its own")]
    SameName(String),
}

impl DriveOptions {
    /// The drive's name. `place` is its place among the drives of the command line, from 0.
    pub fn name(&self, place: usize) -> String {
        match &self.id {
            Some(id) => id.clone(),
            None => format!("drive{place}"),
        }
    }

    /// The file name of the drive's overlay in a recording.
    pub fn overlay_name(&self, place: usize) -> String {
        format!("overlay-{}.qcow2", self.name(place))
    }

    /// The options as a recording keeps them, with an absolute path and the format; and a warning
    /// for the user, if there is one. Symbolic links in the path stay, because the names of backing
    /// files count from there.
    ///
    /// # Errors
    /// If the image cannot be read.
    pub fn settle(&self) -> Result<(Self, Option<String>), DiskError> {
        let path = std::path::absolute(&self.file).map_err(DiskError::io(
            &self.file,
            "find the folder it is counted from",
        ))?;
        let mut settled = self.clone();
        let mut note = None;
        if self.format.is_none() {
            let file = layer::open_file(&path, false)?;
            let format = header::probe(&path, &file)?;
            settled.format = Some(format);
            let name = self.file.display();
            note = Some(match format {
                Format::Qcow2 => format!(
                    "{name}: taken for qcow2, as it begins like one; say format=qcow2, \
                     or format=raw if the guest wrote that there"
                ),
                Format::Raw => format!("{name}: taken for raw; say format=raw to be sure"),
            });
        }
        settled.file = path;
        Ok((settled, note))
    }
}

/// Checks the names of the drives: each can be a part of a file name, and no two are the same.
///
/// # Errors
/// The name that is not valid, or that two drives share.
pub fn check_names(drives: &[DriveOptions]) -> Result<(), DriveOptionsError> {
    let mut names = std::collections::BTreeSet::new();
    for (place, drive) in drives.iter().enumerate() {
        let name = drive.name(place);
        if !is_name(&name) {
            return Err(wrong_name(&name));
        }
        if !names.insert(name.clone()) {
            return Err(DriveOptionsError::SameName(name));
        }
    }
    Ok(())
}

/// Splits at commas; a doubled comma is one comma of the value.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ',' && rest.next_if_eq(&',').is_none() {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

/// Sets a value that may stand only once.
fn once<T>(place: &mut Option<T>, word: &'static str, value: T) -> Result<(), DriveOptionsError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(DriveOptionsError::Twice(word)),
    }
}

/// True if QEMU takes `id` for a name: a letter, then letters, digits, `-`, `.`, `_`. Such a name
/// cannot lead out of the recording's folder.
fn is_name(id: &str) -> bool {
    let mut chars = id.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        && id.len() <= 64
}

fn wrong_name(name: &str) -> DriveOptionsError {
    DriveOptionsError::Value {
        word: "id",
        value: name.to_owned(),
        expected: "a letter, then at most 63 letters, digits, `-`, `.` or `_`",
    }
}

impl FromStr for DriveOptions {
    type Err = DriveOptionsError;

    fn from_str(text: &str) -> Result<Self, DriveOptionsError> {
        let (mut file, mut format, mut id, mut readonly) = (None, None, None, None);
        for word in words(text) {
            let value = |word, value: &str, expected| DriveOptionsError::Value {
                word,
                value: value.to_owned(),
                expected,
            };
            match word.split_once('=') {
                Some(("file", "")) => return Err(DriveOptionsError::NoFile),
                Some(("file", path)) => once(&mut file, "file", PathBuf::from(path))?,
                Some(("format", name)) => {
                    let known = Format::from_name(name);
                    let known = known.ok_or_else(|| {
                        value(
                            "format",
                            name,
                            "raw or qcow2 (`qemu-img convert` makes one of them from others)",
                        )
                    })?;
                    once(&mut format, "format", known)?;
                }
                Some(("id", name)) if is_name(name) => once(&mut id, "id", name.to_owned())?,
                Some(("id", name)) => return Err(wrong_name(name)),
                Some(("readonly", "on")) => once(&mut readonly, "readonly", true)?,
                Some(("readonly", "off")) => once(&mut readonly, "readonly", false)?,
                Some(("readonly", other)) => return Err(value("readonly", other, "on or off")),
                None if word == "readonly" => once(&mut readonly, "readonly", true)?,
                None if word.is_empty() => {}
                None => return Err(DriveOptionsError::Bare(word.replace(',', ",,"))),
                Some((name, _)) => {
                    let hint = match name {
                        "if" | "bus" | "unit" | "index" | "media" => {
                            "; every drive is a virtio disk, in the order of the command line"
                        }
                        "cache" | "aio" | "discard" | "detect-zeroes" | "snapshot" | "werror"
                        | "rerror" => "; leave it out, there is nothing to choose",
                        _ => "",
                    };
                    let word = name.to_owned();
                    return Err(DriveOptionsError::Unknown { word, hint });
                }
            }
        }
        Ok(Self {
            file: file.ok_or(DriveOptionsError::NoFile)?,
            format,
            id,
            readonly: readonly.unwrap_or(false),
        })
    }
}

impl fmt::Display for DriveOptions {
    /// The text that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.to_string_lossy().replace(',', ",,");
        write!(f, "file={file}")?;
        if let Some(format) = self.format {
            write!(f, ",format={}", format.name())?;
        }
        if let Some(id) = &self.id {
            write!(f, ",id={id}")?;
        }
        if self.readonly {
            f.write_str(",readonly=on")?;
        }
        Ok(())
    }
}
