//! A digest of what the guest would read.

use super::request::steps;
use super::saved::Source;
use super::{Disk, DiskError};
use std::io;

/// Bytes that are hashed or left out together.
const BLOCK: usize = 64 << 10;

impl Disk {
    /// The BLAKE3 of the size and of every block that is not zero, each with its place.
    ///
    /// It is a function of what the guest reads alone: the format, what is allocated and in which
    /// file do not matter. Zeroes that a qcow2 image knows of are not read.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn content_digest(&self) -> Result<blake3::Hash, DiskError> {
        let fail = |cause| DiskError::io(&self.path(), "read its content")(cause);
        if self.lost {
            return Err(fail(io::Error::other(
                "an earlier error left its content unknown",
            )));
        }
        self.digest().map_err(fail)
    }

    fn digest(&self) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.capacity.to_le_bytes());
        let mut at = 0;
        while at < self.capacity {
            let (zero, end) = self.content().zeroes(&(at..self.capacity))?;
            let len = end - at;
            let block = BLOCK as u64;
            // The rest of a block that holds data is read together with that data.
            let whole = len - (at + len) % block;
            if zero && at % block == 0 && len >= block {
                at += whole;
                continue;
            }
            let end = (at + len).next_multiple_of(block).min(self.capacity);
            for step in steps(&(at..end)) {
                let bytes = self.read(&step)?;
                for (bytes, place) in bytes.chunks(BLOCK).zip((step.start..).step_by(BLOCK)) {
                    if bytes.iter().any(|byte| *byte != 0) {
                        hasher.update(&place.to_le_bytes());
                        hasher.update(bytes);
                    }
                }
            }
            at = end;
        }
        Ok(hasher.finalize())
    }
}
