//! Making a qcow2 overlay.

use super::{Below, DiskError, Format};
use imago::file::File as ImageFile;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, FormatCreateBuilder, StorageOpenOptions};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a cluster, as QEMU has them by default. Part of what a recording means: what a discard
/// leaves of clusters that it covers only partly depends on it, so it must be the same in a replay.
pub(super) const CLUSTER: usize = 64 << 10;
/// Bytes of a backing file's name, at most (QEMU, docs/interop/qcow2.txt, "Header").
const MAX_NAME: usize = 1023;

/// What an overlay lies on.
#[derive(Debug)]
pub(super) struct Base<'a> {
    name: &'a str,
    format: Format,
    capacity: u64,
}

impl<'a> Base<'a> {
    /// Names the image in the overlay by its absolute path.
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

/// The mark in the header of an overlay that its reference counts may lag behind (incompatible
/// feature bit 0, "dirty").
///
/// It stands there while the overlay is open. So after a `kill -9`, QEMU and `qemu-img check -r
/// all` count anew, instead of taking clusters in use for free ones.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Where the bit's byte is: the last of the feature bits' eight.
    const PLACE: u64 = 79;
    const DIRTY: u8 = 1;

    fn set(file: File) -> io::Result<Self> {
        file.write_all_at(&[Self::DIRTY], Self::PLACE)?;
        Ok(Self(file))
    }

    /// Takes the mark away: everything is written out.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.0.write_all_at(&[0], Self::PLACE)
    }
}

/// Makes a new overlay, which must not exist yet, and opens it on `backing`.
pub(super) fn create(
    place: &Path,
    base: &Base<'_>,
    backing: FormatAccess<ImageFile>,
) -> Result<(FormatAccess<ImageFile>, Mark), DiskError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(place);
    let file = file.map_err(DiskError::io(place, "create the overlay"))?;
    let named = Some((base.name.to_owned(), base.format.name().to_owned()));
    // After imago has opened it: it refuses the mark, as it repairs nothing.
    let made = file.try_clone().and_then(|again| {
        let access = format(file, place, base.capacity, named, Some(backing))?;
        Ok((access, Mark::set(again)?))
    });
    if made.is_err() {
        // The new file is of no use. An error here adds nothing to the first one.
        let _ = std::fs::remove_file(place);
    }
    made.map_err(DiskError::io(place, "create the overlay"))
}

/// Makes an overlay that has no name and goes with its last user.
pub(super) fn scratch(
    folder: &Path,
    capacity: u64,
    backing: FormatAccess<ImageFile>,
) -> Result<FormatAccess<ImageFile>, DiskError> {
    // The folder of the recording first: the system's own is often in memory, and small.
    let file = tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile());
    let made = file.and_then(|file| format(file, folder, capacity, None, Some(backing)));
    made.map_err(DiskError::io(folder, "create the replay's overlay in it"))
}

/// Makes a layer of a snapshot, which is written to in whole clusters, and so without what it lies
/// on.
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
    format(file, place, capacity, named, None)
}

fn format(
    file: File,
    place: &Path,
    capacity: u64,
    named: Option<(String, String)>,
    backing: Option<FormatAccess<ImageFile>>,
) -> io::Result<FormatAccess<ImageFile>> {
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
    let mut image: Qcow2<ImageFile> = Qcow2::open_image(storage(again)?, true)?;
    image.set_backing(backing);
    image.set_data_file(None);
    Ok(FormatAccess::new(image))
}
