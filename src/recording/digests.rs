//! `digests.bin`: digests of the machine's state along the run.
//!
//! The file has a header of 16 bytes (`rr-digst`, a u32 format version, a u32 of zero), then
//! records of 32 bytes: u64 icount, u64 flags, u128 digest. All numbers are big-endian. Flag bit 0:
//! the state at the end of the run. Flag bit 1: the finished log and not a state; the icount field
//! holds the log's length in bytes, and the digest field the first 16 bytes of its BLAKE3. Records
//! are only appended. A killed recording may leave a part of a record at the end, and a crash of
//! the system zeroes.

use crate::error::{Error, RecordingFault};
use crate::host::map::MappedFile;
use crate::recording::log_file::LogFile;
use byteorder::{BigEndian, ByteOrder};
use machine::{Digest, Icount};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"rr-digst";
const VERSION: u32 = 1;
const HEADER: usize = 16;
const RECORD: usize = 32;
const LAST: u64 = 1;
const OF_LOG: u64 = 2;

/// Writes `digests.bin`.
pub struct DigestWriter {
    path: PathBuf,
    file: BufWriter<Box<dyn LogFile>>,
}

impl DigestWriter {
    /// Begins an empty file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: PathBuf, file: Box<dyn LogFile>) -> Result<Self, Error> {
        let mut file = BufWriter::new(file);
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_be_bytes());
        header.extend([0; 4]);
        file.write_all(&header)
            .map_err(Error::file(&path, "write digests"))?;
        Ok(Self { path, file })
    }

    /// Appends a digest.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, icount: Icount, digest: Digest) -> Result<(), Error> {
        self.append(icount.get(), 0, digest.get())
    }

    /// Appends the digest of the state at the end of the run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_last(&mut self, icount: Icount, digest: Digest) -> Result<(), Error> {
        self.append(icount.get(), LAST, digest.get())
    }

    /// Appends the digest of the finished log.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_log(&mut self, log: &[u8]) -> Result<(), Error> {
        self.append(log.len() as u64, OF_LOG, digest_of_log(log))
    }

    /// As [`DigestWriter::add_log`], for a log of this length in bytes and with this BLAKE3.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn add_log_hash(&mut self, size: u64, hash: &blake3::Hash) -> Result<(), Error> {
        self.append(size, OF_LOG, BigEndian::read_u128(hash.as_bytes()))
    }

    fn append(&mut self, place: u64, flags: u64, digest: u128) -> Result<(), Error> {
        let mut record = [0; RECORD];
        BigEndian::write_u64(&mut record[..8], place);
        BigEndian::write_u64(&mut record[8..16], flags);
        BigEndian::write_u128(&mut record[16..], digest);
        self.file
            .write_all(&record)
            .map_err(Error::file(&self.path, "write digests"))
    }

    /// Removes the digests of states after this icount, when the run goes on from there in another
    /// way.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is no file of digests.
    pub fn rewind(&mut self, icount: Icount) -> Result<(), Error> {
        self.flush()?;
        let known = Digests::parse(&self.path, &MappedFile::open(&self.path)?)?;
        let kept = known.along.iter().filter(|(at, _)| *at <= icount).count();
        let len = (HEADER + kept * RECORD) as u64;
        let file = self.file.get_mut();
        *file = file
            .cut(len)
            .map_err(Error::file(&self.path, "rewind digests"))?;
        Ok(())
    }

    /// Writes all buffered records to the operating system.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.file
            .flush()
            .map_err(Error::file(&self.path, "write digests"))
    }

    /// Asks for the written records to be made durable soon.
    ///
    /// # Errors
    /// If an earlier sync has failed.
    pub(crate) fn sync_soon(&self) -> Result<(), Error> {
        let file = self.file.get_ref();
        file.sync_soon()
            .map_err(Error::file(&self.path, "write digests to disk"))
    }

    /// Makes all records durable.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.file
            .get_ref()
            .sync()
            .map_err(Error::file(&self.path, "write digests to disk"))
    }
}

/// The digests of a recording, as a replay reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// The digests along the run: icount and digest, in the order of icounts.
    along: Vec<(Icount, Digest)>,
    last: Option<(Icount, Digest)>,
    /// Length in bytes and digest of the finished log.
    log: Option<(u64, u128)>,
}

fn digest_of_log(log: &[u8]) -> u128 {
    let mut digest = [0; 16];
    blake3::Hasher::new()
        .update(log)
        .finalize_xof()
        .fill(&mut digest);
    BigEndian::read_u128(&digest)
}

/// The number of zeroes at the end.
fn zeroes(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte == 0).count()
}

/// The bytes without the zeroes at the end that a crash of the system leaves. It lengthens a file,
/// and loses what was written there. No digest is zero, so fewer than its bytes may be its end.
fn before_zeroes(bytes: &[u8]) -> &[u8] {
    let zeroes = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    match bytes.len() - zeroes {
        start if zeroes < RECORD / 2 => &bytes[..start + zeroes],
        0 => &[],
        // The header ends in zeroes of its own.
        start => &bytes[..start.max(HEADER)],
    }
}

impl Digests {
    /// Reads what [`DigestWriter`] wrote.
    ///
    /// # Errors
    /// If it is no file of digests, or has another version.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |fault| Error::recording(path, fault);
        if bytes.len() < HEADER && MAGIC.starts_with(&bytes[..bytes.len().min(8)]) {
            // The recording was killed before its first flush.
            return Ok(Self::default());
        }
        let (len, bytes) = (bytes.len(), before_zeroes(bytes));
        if bytes.is_empty() {
            // A crash of the system has left nothing of it.
            return Ok(Self::default());
        }
        let version = bytes.get(8..12).map(BigEndian::read_u32);
        match (bytes.starts_with(MAGIC), version) {
            (true, Some(VERSION)) => {}
            (true, Some(other)) => {
                return Err(wrong(RecordingFault::DigestFormat {
                    found: other,
                    known: VERSION,
                }));
            }
            _ => {
                return Err(wrong(RecordingFault::NotDigests));
            }
        }
        if bytes.get(12..HEADER) != Some(&[0; 4]) {
            return Err(wrong(RecordingFault::Digests));
        }
        let mut digests = Self::default();
        let whole = len == bytes.len() && (len - HEADER).is_multiple_of(RECORD);
        for record in bytes[HEADER..].chunks_exact(RECORD) {
            let place = BigEndian::read_u64(&record[..8]);
            let flags = BigEndian::read_u64(&record[8..16]);
            let digest = BigEndian::read_u128(&record[16..]);
            let of_state = (Icount::new(place), Digest::new(digest));
            let before = digests.along.last().map(|(icount, _)| *icount);
            let ended = digests.last.is_some();
            match flags {
                0 if !ended && before.is_none_or(|before| before < of_state.0) => {
                    digests.along.push(of_state);
                }
                LAST if !ended => digests.last = Some(of_state),
                OF_LOG if ended && digests.log.is_none() => digests.log = Some((place, digest)),
                _ => return Err(wrong(RecordingFault::Digests)),
            }
        }
        // The last bytes of a digest may be lost in a crash of the system, and not be zeroes.
        let in_doubt = zeroes(bytes) > bytes.len().saturating_sub(HEADER) % RECORD;
        if digests.log.is_none() && in_doubt && digests.last.take().is_none() {
            digests.along.pop();
        }
        // Only a recording that was killed ends in a part of a record, or in zeroes.
        match digests.log {
            Some(_) if !whole => Err(wrong(RecordingFault::Digests)),
            _ => Ok(digests),
        }
    }

    /// The digest recorded at this icount. `last`: the one at the end of the run.
    pub fn at(&self, icount: Icount, last: bool) -> Option<Digest> {
        if last {
            return self
                .last
                .filter(|(at, _)| *at == icount)
                .map(|(_, digest)| digest);
        }
        let found = self
            .along
            .binary_search_by_key(&icount, |(at, _)| *at)
            .ok()?;
        Some(self.along[found].1)
    }

    /// The digests along the run up to this icount, without those of the end: of a recording whose
    /// log was repaired.
    pub(crate) fn until(mut self, icount: Icount) -> Self {
        self.along.retain(|(at, _)| *at <= icount);
        (self.last, self.log) = (None, None);
        self
    }

    /// The digests along the run: icount and digest, in the order of icounts.
    pub fn along(&self) -> &[(Icount, Digest)] {
        &self.along
    }

    /// The icount and digest of the state at the end of the run. `None` if the run was killed.
    pub fn last(&self) -> Option<(Icount, Digest)> {
        self.last
    }

    /// True if there is a digest of the finished log.
    pub fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// True if `log` is the log that was recorded. Also true if the recording was killed, because
    /// then the log has no digest.
    pub fn is_of(&self, log: &[u8]) -> bool {
        self.log
            .is_none_or(|known| known == (log.len() as u64, digest_of_log(log)))
    }

    /// The number of state digests after this icount: those that a replay from there compares.
    pub fn behind(&self, icount: Icount) -> usize {
        let along = self.along.iter().filter(|(at, _)| *at > icount).count();
        along + usize::from(self.last.is_some())
    }

    /// The number of state digests.
    pub fn len(&self) -> usize {
        self.along.len() + usize::from(self.last.is_some())
    }

    /// True if there is no state digest.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[(u64, u64, u128)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([0; 4]);
        for (place, flags, digest) in records {
            bytes.extend(place.to_be_bytes());
            bytes.extend(flags.to_be_bytes());
            bytes.extend(digest.to_be_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Digests {
        Digests::parse(Path::new("d"), bytes).unwrap()
    }

    /// A crash of the system leaves zeroes from any byte on, and as many as it likes.
    #[test]
    fn zeroes_of_a_crash_are_no_records() {
        const DIGEST: u128 = u128::from_be_bytes([0xd1; 16]);
        let records: Vec<_> = (1..6)
            .map(|k| (k * 1000, 0, DIGEST + u128::from(k)))
            .collect();
        let whole = file(&records);
        let all = parse(&whole);
        assert_eq!(all.len(), 5);
        for cut in 0..=whole.len() {
            for len in [16, 17, 31, 32, 48, 64, 4096].map(|zeroes| cut + zeroes) {
                let mut bytes = whole[..cut].to_vec();
                bytes.resize(len, 0);
                let found = parse_part(&bytes, cut);
                assert_eq!(found.along(), &all.along()[..found.len()], "cut at {cut}");
                let fit = cut.saturating_sub(HEADER) / RECORD;
                assert_eq!(found.len(), fit, "cut at {cut}, {len} bytes");
            }
        }
        // A few zeroes at the end of a digest belong to it, if something comes after it.
        let digest = (1000, 0, DIGEST << 112);
        assert_eq!(parse(&file(&[digest, (2000, 0, DIGEST)])).len(), 2);
        for more in [0, 1, 2, 17, 31, 32] {
            let mut bytes = file(&[digest]);
            bytes.resize(bytes.len() + more, 0);
            assert_eq!(parse(&bytes).len(), 0, "{more} zeroes behind it");
        }
    }

    /// A file whose header is lost in part is damaged, and does not count as empty.
    fn parse_part(bytes: &[u8], cut: usize) -> Digests {
        match Digests::parse(Path::new("d"), bytes) {
            Ok(digests) => digests,
            Err(_) if (1..12).contains(&cut) => Digests::default(),
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}
