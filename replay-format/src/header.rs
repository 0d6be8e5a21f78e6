//! The header: 4 bytes of version id, 8 reserved bytes.

use crate::error::Error;

/// Bytes of the header.
pub const HEADER_LEN: usize = 12;

/// The first 12 bytes of a log, not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// The version id, `0x00e020NN`; zero in a recording of QEMU that was killed.
    pub version_id: u32,
    /// Reserved. QEMU writes zeros.
    pub reserved: [u8; 8],
}

impl Header {
    /// Reads the header. The version id is not checked.
    ///
    /// # Errors
    /// [`Error::TruncatedHeader`] if there are fewer than 12 bytes, and [`Error::NotALog`] if these
    /// bytes cannot be the start of a log.
    pub fn parse(bytes: &[u8]) -> Result<Header, Error> {
        let Some(&[a, b, c, d, ref reserved @ ..]) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(short(bytes));
        };
        Ok(Header {
            version_id: u32::from_be_bytes([a, b, c, d]),
            reserved: *reserved,
        })
    }

    /// The 12 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (version_id, reserved) = bytes.split_at_mut(4);
        version_id.copy_from_slice(&self.version_id.to_be_bytes());
        reserved.copy_from_slice(&self.reserved);
        bytes
    }

    /// True if QEMU was killed before it wrote the version id, which it does at the end.
    pub const fn is_unfinished(&self) -> bool {
        self.version_id == 0
    }
}

/// The error for a file that is shorter than a header.
fn short(bytes: &[u8]) -> Error {
    let begins = |start: &[u8]| bytes.iter().zip(start).all(|(a, b)| a == b);
    if begins(&[0x00, 0xe0, 0x20]) || begins(&[0; HEADER_LEN]) {
        Error::TruncatedHeader {
            len: bytes.len() as u64,
        }
    } else {
        Error::NotALog {
            first: bytes.iter().copied().take(4).collect(),
        }
    }
}
