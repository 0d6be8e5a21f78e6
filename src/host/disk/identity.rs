//! Which images a recording was made on: size and BLAKE3 of each file, measured while the guest already runs.

use super::layer::LayerFile;
use super::{Disk, DiskError};
use rustix::fs::SeekFrom;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Bytes that are read and hashed at a time.
const STEP: usize = 1 << 20;

/// What tells one image from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileIdentity {
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
}

/// Images that are being measured, on a thread of its own.
///
/// Nobody writes to them meanwhile: a disk on an overlay does not, its locks keep other runs of rr away, and
/// [`Disk::check_untouched`] finds other programs. Dropping it gives up.
#[derive(Debug)]
pub struct IdentityJob {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<FileIdentity>, DiskError>>>,
}

impl Disk {
    /// Starts to measure the image and the images it is based on: in this order in the result.
    ///
    /// # Errors
    /// If the host gives no thread or no further file.
    pub fn measure(&self) -> Result<IdentityJob, DiskError> {
        let fail = |cause| DiskError::io(&self.path(), "measure it")(cause);
        let mut files = Vec::new();
        for LayerFile { path, file, stamp } in &self.files {
            files.push(LayerFile {
                path: path.clone(),
                file: file.try_clone().map_err(fail)?,
                stamp: *stamp,
            });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let measure = move || files.iter().map(|file| identity(file, &stopped)).collect();
        let thread = std::thread::Builder::new().name("rr-measure".into());
        let thread = Some(thread.spawn(measure).map_err(fail)?);
        Ok(IdentityJob { stop, thread })
    }
}

impl IdentityJob {
    /// Whether [`IdentityJob::wait`] would return at once.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn wait(mut self) -> Result<Vec<FileIdentity>, DiskError> {
        let joined = self.thread.take().map(JoinHandle::join);
        joined.and_then(Result::ok).unwrap_or_else(|| {
            let cause = io::Error::other("the thread that measures ended early");
            Err(DiskError::Io {
                path: PathBuf::new(),
                doing: "measure the images",
                cause,
            })
        })
    }
}

impl Drop for IdentityJob {
    fn drop(&mut self) {
        // Only a hint that nobody wants the result; nothing else hangs on it.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn identity(file: &LayerFile, stop: &AtomicBool) -> Result<FileIdentity, DiskError> {
    let fail = |cause| DiskError::io(&file.path, "measure it")(cause);
    // Not from the metadata: a block device has no length there.
    let size =
        rustix::fs::seek(&file.file, SeekFrom::End(0)).map_err(|error| fail(error.into()))?;
    let hash = hash(&file.file, size, stop).map_err(fail)?;
    Ok(FileIdentity {
        path: file.path.clone(),
        size,
        blake3: hash.to_hex().to_string(),
    })
}

/// Hashes a file; its holes are not read. (Reading instead of mapping: a file that somebody cuts is an error, not a SIGBUS.)
fn hash(file: &File, size: u64, stop: &AtomicBool) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; STEP];
    let zeroes = vec![0; STEP];
    let mut at = 0;
    while at < size {
        // Where there are no holes to be had, all is data.
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            Err(rustix::io::Errno::NXIO) => size,
            Err(_) => at,
        };
        while at < data {
            let len = usize::try_from(data - at).unwrap_or(STEP).min(STEP);
            hasher.update(zeroes.get(..len).unwrap_or(&zeroes));
            at += len as u64;
            gave_up(stop)?;
        }
        let hole = rustix::fs::seek(file, SeekFrom::Hole(at));
        let hole = hole.map_or(size, |hole| if hole > at { hole.min(size) } else { size });
        while at < hole {
            let len = usize::try_from(hole - at).unwrap_or(STEP).min(STEP);
            let bytes = buffer.get_mut(..len).unwrap_or_default();
            file.read_exact_at(bytes, at)?;
            hasher.update(bytes);
            at += len as u64;
            gave_up(stop)?;
        }
    }
    Ok(hasher.finalize())
}

fn gave_up(stop: &AtomicBool) -> io::Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::other("given up"));
    }
    Ok(())
}
