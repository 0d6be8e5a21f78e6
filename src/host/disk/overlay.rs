//! Makes qcow2 overlays.

use super::{Below, DiskError, Format};
use imago::file::File as ImageFile;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, FormatCreateBuilder, StorageOpenOptions};
use rustix::fs::statvfs;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a cluster; QEMU's default. Recordings depend on it: it decides what a discard leaves of
/// clusters that it covers in part, and a replay must leave the same.
pub(super) const CLUSTER: usize = 64 << 10;
/// Bytes of room in a folder that are few for a replay's overlay.
const LITTLE: u64 = 64 << 20;
/// The longest name of a backing file, in bytes (QEMU, docs/interop/qcow2.txt, "Header").
const MAX_NAME: usize = 1023;

/// The image that an overlay lies on.
#[derive(Debug)]
pub(super) struct Base<'a> {
    name: &'a str,
    format: Format,
    capacity: u64,
}

impl<'a> Base<'a> {
    /// A base that the overlay names by its absolute path.
    pub(super) fn new(path: &'a Path, format: Format, capacity: u64) -> Result<Self, DiskError> {
        let unfit = |reason| DiskError::format(path, reason);
        let name = path.to_str().ok_or_else(|| {
            unfit("its name is not UTF-8, so an overlay cannot name it; give it another")
        })?;
        if name.len() > MAX_NAME {
            let reason = "its path is longer than 1023 bytes, so an overlay cannot name it; use a \
                shorter one";
            return Err(unfit(reason));
        }
        Ok(Self {
            name,
            format,
            capacity,
        })
    }
}

/// The dirty mark in an overlay's header: its reference counts may be out of date (incompatible
/// feature bit 0, "dirty").
///
/// The mark stands while the overlay is open. So after a `kill -9`, QEMU and `qemu-img check -r
/// all` count the references anew, and take no used cluster for a free one.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Offset of the bit's byte in the header: the last of the eight bytes of feature bits.
    const PLACE: u64 = 79;
    const DIRTY: u8 = 1;

    fn set(file: File) -> io::Result<Self> {
        file.write_all_at(&[Self::DIRTY], Self::PLACE)?;
        Ok(Self(file))
    }

    /// Removes the mark, once all data is written out.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.0.write_all_at(&[0], Self::PLACE)
    }
}

/// Makes a new overlay on `backing`, and opens it. The path must not exist yet.
pub(super) fn create(
    place: &Path,
    base: &Base<'_>,
    backing: FormatAccess<ImageFile>,
) -> Result<(FormatAccess<ImageFile>, Mark), DiskError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(place);
    let file = file.map_err(DiskError::io(place, "create the overlay"))?;
    let named = Some((base.name.to_owned(), base.format.name().to_owned()));
    // Only after imago has opened the overlay: imago refuses the mark, because it repairs nothing.
    let made = file.try_clone().and_then(|again| {
        let image = format(file, place, base.capacity, named)?;
        Ok((on(image, Some(backing)), Mark::set(again)?))
    });
    if made.is_err() {
        // The new file is of no use. An error on removing it adds nothing to the first error.
        let _ = std::fs::remove_file(place);
    }
    made.map_err(DiskError::io(place, "create the overlay"))
}

/// The folders that a replay's overlay can lie in, the best first: that of the recording, and the
/// system's for temporary files, which is often in memory, and small.
pub(super) fn folders(recording: &Path) -> Vec<PathBuf> {
    let temporary = std::env::temp_dir();
    let mut folders = vec![recording.to_owned(), temporary];
    // Where there is little room, the other folder is tried first.
    folders.sort_by_key(|folder| free(folder).is_some_and(|free| free < LITTLE));
    folders
}

/// Bytes that are free in a folder's file system; `None` if that is unknown.
fn free(folder: &Path) -> Option<u64> {
    let found = statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// True if the error says that a file cannot grow here.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Makes an overlay without a name, which goes when its last user closes it. It lies in the first
/// of the folders where that is possible; this folder and those before it are taken off the list.
pub(super) fn scratch(
    folders: &mut Vec<PathBuf>,
    capacity: u64,
) -> Result<Qcow2<ImageFile>, DiskError> {
    let mut first = None;
    while !folders.is_empty() {
        let folder = folders.remove(0);
        let made =
            tempfile::tempfile_in(&folder).and_then(|file| format(file, &folder, capacity, None));
        match made {
            Ok(image) => return Ok(image),
            Err(cause) => first = first.or(Some((folder, cause))),
        }
    }
    let (folder, cause) =
        first.unwrap_or_else(|| (std::env::temp_dir(), ErrorKind::StorageFull.into()));
    Err(DiskError::Scratch {
        folder,
        temporary: std::env::temp_dir(),
        cause: cause.into(),
    })
}

/// Makes a layer of a snapshot. It does not open its backing file, because it is written in whole
/// clusters.
pub(super) fn layer(
    place: &Path,
    below: &Below,
    capacity: u64,
) -> io::Result<FormatAccess<ImageFile>> {
    if below.name.len() > MAX_NAME {
        return Err(io::Error::other("the path of the image is too long for it"));
    }
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(place)?;
    let named = Some((below.name.clone(), below.format.name().to_owned()));
    Ok(on(format(file, place, capacity, named)?, None))
}

fn format(
    file: File,
    place: &Path,
    capacity: u64,
    named: Option<(String, String)>,
) -> io::Result<Qcow2<ImageFile>> {
    let again = file.try_clone()?;
    let storage = |file| {
        let options = StorageOpenOptions::new().filename(place).write(true);
        ImageFile::from_open_file(file, options)
    };
    let mut builder = Qcow2::<ImageFile>::create_builder(storage(file)?)
        .size(capacity)
        .cluster_size(CLUSTER);
    if let Some((name, format)) = named {
        builder = builder.backing(name, format);
    }
    builder.create()?;
    Qcow2::open_image(storage(again)?, true)
}

/// Puts a new image on another one, or on nothing.
pub(super) fn on(
    mut image: Qcow2<ImageFile>,
    backing: Option<FormatAccess<ImageFile>>,
) -> FormatAccess<ImageFile> {
    image.set_backing(backing);
    image.set_data_file(None);
    FormatAccess::new(image)
}
