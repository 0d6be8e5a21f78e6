//! `pages.bin`: the pages of RAM that differ from the parent's, compressed.
//!
//! The file has a header of 16 bytes (`rr-pages`, a u32 format version, a u32 number of pages),
//! then a record of 24 bytes for each page, in the order of page numbers: u32 page number, u32
//! stored bytes, u128 hash. All numbers are big-endian. Then the stored bytes of the pages follow,
//! in the same order: none for a page of zeroes, 4096 for a page as it is, or fewer for an LZ4
//! block.

use super::damaged;
use crate::error::{Damage, Error};
use crate::host::map::MappedFile;
use byteorder::{BigEndian, ByteOrder};
use machine::ram::PAGE;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"rr-pages";
const VERSION: u32 = 1;
const HEADER: usize = 16;
const RECORD: usize = 24;

/// One page: its number, its hash, and its stored bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) number: u32,
    pub(crate) hash: u128,
    stored: &'a [u8],
}

impl Page<'_> {
    /// Unpacks the content; `None` if the stored bytes are damaged.
    pub(crate) fn unpack(&self, into: &mut [u8; PAGE]) -> Option<()> {
        match self.stored.len() {
            0 => into.fill(0),
            PAGE => into.copy_from_slice(self.stored),
            _ => {
                let len = lz4_flex::block::decompress_into(self.stored, into).ok()?;
                return (len == PAGE).then_some(());
            }
        }
        Some(())
    }
}

/// Packed pages, to be written to a file. They are collected because the index stands first.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    index: Vec<u8>,
    data: Vec<u8>,
}

impl Packed {
    /// Adds a page. Page numbers must grow.
    pub(crate) fn add(&mut self, number: u32, hash: u128, content: &[u8]) {
        let start = self.data.len();
        if hash != 0 {
            self.data.resize(start + PAGE, 0);
            let room = self.data.get_mut(start..).unwrap_or_default();
            // The room is smaller than the page. A block that does not fit is of no use: the page
            // is stored as it is.
            let len = room
                .get_mut(..PAGE - 1)
                .and_then(|room| lz4_flex::block::compress_into(content, room).ok());
            match len {
                Some(len) => self.data.truncate(start + len),
                None => room.copy_from_slice(content),
            }
        }
        self.record(number, (self.data.len() - start) as u32, hash);
    }

    fn copy(&mut self, page: &Page<'_>) {
        self.data.extend(page.stored);
        self.record(page.number, page.stored.len() as u32, page.hash);
    }

    fn record(&mut self, number: u32, len: u32, hash: u128) {
        self.index.extend(number.to_be_bytes());
        self.index.extend(len.to_be_bytes());
        self.index.extend(hash.to_be_bytes());
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let fail = |cause| Error::file(path, "write the snapshot's pages")(cause);
        let mut file = BufWriter::new(File::create_new(path).map_err(fail)?);
        let count = (self.index.len() / RECORD) as u32;
        let parts: [&[u8]; 5] = [
            MAGIC,
            &VERSION.to_be_bytes(),
            &count.to_be_bytes(),
            &self.index,
            &self.data,
        ];
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        written.and_then(|()| file.flush()).map_err(fail)
    }
}

/// A mapped file of pages. Its checksum was checked before.
#[derive(Debug)]
pub(crate) struct Pages {
    path: PathBuf,
    bytes: MappedFile,
}

impl Pages {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let bytes = MappedFile::open(path)?;
        let pages = Self {
            path: path.to_owned(),
            bytes,
        };
        let header = pages.bytes.get(..HEADER).unwrap_or_default();
        let version = header.get(8..12).map(BigEndian::read_u32);
        if !header.starts_with(MAGIC) || version != Some(VERSION) {
            return Err(damaged(path, Damage::NoPages));
        }
        Ok(pages)
    }

    /// All pages, in the order of page numbers.
    pub(crate) fn all(&self) -> Result<Vec<Page<'_>>, Error> {
        let wrong = || damaged(&self.path, Damage::Index);
        let count = self.bytes.get(12..HEADER).map_or(0, BigEndian::read_u32);
        let end = HEADER as u64 + u64::from(count) * RECORD as u64;
        let end = usize::try_from(end).map_err(|_| wrong())?;
        let index = self.bytes.get(HEADER..end).ok_or_else(wrong)?;
        let mut data = self.bytes.get(end..).unwrap_or_default();
        let mut pages: Vec<Page<'_>> = Vec::new();
        for record in index.chunks_exact(RECORD) {
            let number = BigEndian::read_u32(&record[..4]);
            let len = BigEndian::read_u32(&record[4..8]) as usize;
            if len > PAGE || pages.last().is_some_and(|last| last.number >= number) {
                return Err(wrong());
            }
            let (stored, rest) = data.split_at_checked(len).ok_or_else(wrong)?;
            data = rest;
            let hash = BigEndian::read_u128(&record[8..]);
            pages.push(Page {
                number,
                hash,
                stored,
            });
        }
        if data.is_empty() {
            Ok(pages)
        } else {
            Err(wrong())
        }
    }
}

/// Writes the pages of both files to a new file. For a page in both files, the upper one counts.
pub(crate) fn merge(upper: &Path, lower: &Path, to: &Path) -> Result<(), Error> {
    let (upper, lower) = (Pages::open(upper)?, Pages::open(lower)?);
    let (upper, lower) = (upper.all()?, lower.all()?);
    let mut packed = Packed::default();
    for page in over(&[lower, upper]) {
        packed.copy(&page);
    }
    packed.write(to)
}

/// Merges lists of pages, the lowest first. For a page in several lists, the last list counts.
pub(crate) fn over<'a>(lists: &[Vec<Page<'a>>]) -> Vec<Page<'a>> {
    let mut pages: Vec<Page<'a>> = lists.iter().rev().flatten().copied().collect();
    // A stable sort: of equal numbers, the page of the last list stays first.
    pages.sort_by_key(|page| page.number);
    pages.dedup_by_key(|page| page.number);
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(kind: u8, seed: u8) -> Vec<u8> {
        let mut state = u32::from(seed);
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        match kind % 3 {
            0 => vec![0; PAGE],
            1 => vec![seed; PAGE],
            _ => (0..PAGE).map(|_| random()).collect(),
        }
    }

    fn hash(content: &[u8]) -> u128 {
        content.iter().map(|&byte| u128::from(byte)).sum()
    }

    proptest! {
        #[test]
        fn pages_come_back_and_merge(
            lower in proptest::collection::btree_map(0u32..20, any::<(u8, u8)>(), 0..10),
            upper in proptest::collection::btree_map(0u32..20, any::<(u8, u8)>(), 0..10),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
            let mut all = lower.clone();
            all.extend(upper.clone());
            for (path, pages) in [(&a, &lower), (&b, &upper)] {
                let mut packed = Packed::default();
                for (&number, &(kind, seed)) in pages {
                    let content = content(kind, seed);
                    packed.add(number, hash(&content), &content);
                }
                packed.write(path).unwrap();
            }
            merge(&b, &a, &c).unwrap();
            for (path, wanted) in [(&a, &lower), (&b, &upper), (&c, &all)] {
                let file = Pages::open(path).unwrap();
                let pages = file.all().unwrap();
                prop_assert_eq!(pages.len(), wanted.len());
                for (page, (&number, &(kind, seed))) in pages.iter().zip(wanted) {
                    let mut found = [1; PAGE];
                    page.unpack(&mut found).unwrap();
                    prop_assert_eq!(page.number, number);
                    prop_assert!(found[..] == content(kind, seed));
                }
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(at in 0usize..400, bit in 0u8..8, cut in 0usize..400) {
            let folder = tempfile::tempdir().unwrap();
            let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
            let mut packed = Packed::default();
            for number in 0..3 {
                let content = content(number as u8, 7);
                packed.add(number, hash(&content), &content[..]);
            }
            packed.write(&a).unwrap();
            let mut bytes = std::fs::read(&a).unwrap();
            let len = bytes.len();
            bytes[at % len] ^= 1 << bit;
            bytes.truncate(len - cut % len);
            std::fs::write(&b, bytes).unwrap();
            if let Ok(file) = Pages::open(&b) && let Ok(pages) = file.all() {
                for page in pages {
                    let _ = page.unpack(&mut [0; PAGE]);
                }
            }
        }
    }
}
