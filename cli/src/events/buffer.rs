//! An output buffer for many millions of short lines.
//!
//! Pieces are copied with a fixed length, of which only the first bytes count. A copy whose length
//! the compiler knows is much faster for pieces of a few bytes. For the same reason numbers are
//! turned into digits four at a time, with a table.

use std::io::{self, Write};

/// The buffer is written out when it holds this many bytes.
const GATHERED: usize = 64 * 1024;
/// Bytes that may be added between two checks of the length.
const SLACK: usize = 32 * 1024;

/// A buffer that collects bytes and writes them all at once.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    /// The buffer is written out when it holds this many bytes.
    spills_at: usize,
}

impl Buffer {
    /// An empty buffer.
    pub(crate) fn new() -> Buffer {
        Buffer {
            spills_at: GATHERED,
            ..Buffer::with_room(GATHERED + SLACK)
        }
    }

    /// An empty buffer with room for `room` bytes. It is written out only by [`Buffer::write_to`].
    pub(crate) fn with_room(room: usize) -> Buffer {
        Buffer {
            bytes: vec![0; room],
            len: 0,
            spills_at: usize::MAX,
        }
    }

    /// The number of bytes in the buffer.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The content.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Adds the first `len` bytes of a piece.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, piece: &[u8; N], len: usize) {
        let rest = self.bytes.get_mut(self.len..);
        if let Some(to) = rest.and_then(<[u8]>::first_chunk_mut::<N>) {
            *to = *piece;
            self.len += len.min(N);
        } else {
            self.overflow();
        }
    }

    /// Adds a whole piece.
    #[inline]
    pub(crate) fn slice(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(piece);
            self.len = end;
        } else {
            self.overflow();
        }
    }

    /// Adds spaces.
    #[inline]
    pub(crate) fn spaces(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            self.put(b"                ", left);
            left = left.saturating_sub(16);
        }
    }

    /// Removes all but the first `len` bytes.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds a line that `fill` writes.
    #[inline(always)]
    pub(crate) fn line(&mut self, fill: impl FnOnce(&mut Line<'_>)) {
        let rest = self.bytes.get_mut(self.len..);
        if let Some(bytes) = rest.and_then(<[u8]>::first_chunk_mut) {
            let mut line = Line { bytes, len: 0 };
            fill(&mut line);
            self.len += usize::from(line.len);
        } else {
            self.overflow();
        }
    }

    /// Adds a number.
    #[inline]
    pub(crate) fn decimal(&mut self, number: u64) {
        self.line(|line| line.decimal(number));
    }

    /// Adds a number that can be negative.
    #[inline]
    pub(crate) fn signed(&mut self, number: i64) {
        if number < 0 {
            self.put(b"-", 1);
        }
        self.decimal(number.unsigned_abs());
    }

    /// Adds two hexadecimal digits.
    #[inline]
    pub(crate) fn hex(&mut self, byte: u8) {
        self.put(&[hex_digit(byte >> 4), hex_digit(byte)], 2);
    }

    /// Writes the buffer out if it is long. Call it regularly, because the room is limited.
    ///
    /// # Errors
    /// If the writer fails.
    #[inline]
    pub(crate) fn spill(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.len >= self.spills_at {
            self.write_to(out)?;
        }
        Ok(())
    }

    /// Writes the buffer out.
    ///
    /// # Errors
    /// If the writer fails.
    pub(crate) fn write_to(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(self.bytes())?;
        self.len = 0;
        Ok(())
    }

    /// Reports a mistake in this program: without it, the output would be incomplete.
    #[cold]
    fn overflow(&mut self) {
        debug_assert!(false, "more than {SLACK} bytes between two spills");
        self.bytes.resize(self.bytes.len() + GATHERED, 0);
    }
}

/// The largest length of a line, in bytes.
const LINE: usize = u8::MAX as usize;
/// The longest piece that can be put into a line.
const PIECE: usize = 80;
/// The room that a line needs while it is built. The end of a buffer must have this much.
pub(crate) const LINE_ROOM: usize = LINE + PIECE;

/// A short line that is being built. Its length is one byte, and its room is the largest length and
/// a piece more. So every piece fits, and the compiler knows it.
#[derive(Debug)]
pub(crate) struct Line<'b> {
    bytes: &'b mut [u8; LINE_ROOM],
    len: u8,
}

impl Line<'_> {
    /// Adds the first `len` bytes of a piece.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, piece: &[u8; N], len: u8) {
        self.write(self.len, piece);
        self.len += len;
    }

    /// Overwrites bytes of the line.
    #[inline(always)]
    pub(crate) fn write<const N: usize>(&mut self, at: u8, piece: &[u8; N]) {
        const { assert!(N <= PIECE) };
        let to = &mut self.bytes[usize::from(at)..];
        to[..N].copy_from_slice(piece);
    }

    /// Adds a number.
    #[inline(always)]
    pub(crate) fn decimal(&mut self, number: u64) {
        if number < EIGHT {
            self.leading(number);
        } else if number < EIGHT * EIGHT {
            self.leading(number / EIGHT);
            self.eight_digits(number % EIGHT);
        } else {
            self.leading(number / (EIGHT * EIGHT));
            self.eight_digits(number / EIGHT % EIGHT);
            self.eight_digits(number % EIGHT);
        }
    }

    /// Adds the eight digits of a number below [`EIGHT`], with leading zeros.
    #[inline(always)]
    pub(crate) fn eight_digits(&mut self, number: u64) {
        self.put(&eight_digits(number), 8);
    }

    /// Adds a number below [`EIGHT`].
    #[inline(always)]
    fn leading(&mut self, number: u64) {
        let digits = u64::from_le_bytes(eight_digits(number));
        let zeros = ((digits ^ ZEROS).trailing_zeros() / 8).min(7);
        self.put(&(digits >> (8 * zeros)).to_le_bytes(), 8 - zeros as u8);
    }
}

/// 10^8: smaller numbers have at most eight digits.
pub(crate) const EIGHT: u64 = 100_000_000;
/// Eight digits zero.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// 10^4: smaller numbers have at most four digits.
pub(crate) const FOUR: u64 = 10_000;

/// The four digits of each number below [`FOUR`], with leading zeros.
static DIGITS: [[u8; 4]; FOUR as usize] = {
    let mut all = [[b'0'; 4]; FOUR as usize];
    let mut number = 0;
    while number < all.len() {
        let (high, low) = ((number / 100) as u8, (number % 100) as u8);
        all[number] = [high / 10, high % 10, low / 10, low % 10];
        let mut i = 0;
        while i < 4 {
            all[number][i] += b'0';
            i += 1;
        }
        number += 1;
    }
    all
};

/// The four digits of a number below [`FOUR`].
#[inline(always)]
pub(crate) fn four_digits(number: u64) -> [u8; 4] {
    *DIGITS.get(number as usize).unwrap_or(b"0000")
}

/// The eight digits of a number below [`EIGHT`].
#[inline(always)]
fn eight_digits(number: u64) -> [u8; 8] {
    let [a, b, c, d] = four_digits(number / FOUR);
    let [e, f, g, h] = four_digits(number % FOUR);
    [a, b, c, d, e, f, g, h]
}

/// The digit of the low four bits.
#[inline]
pub(crate) fn hex_digit(nibble: u8) -> u8 {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    DIGITS[usize::from(nibble & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fill: impl FnOnce(&mut Buffer)) -> String {
        let mut buffer = Buffer::new();
        fill(&mut buffer);
        let mut out = Vec::new();
        buffer.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_as_std_writes_them() {
        let mut numbers = vec![0, 9, 10, 99, 100, 9_999, 10_000, u64::MAX];
        for exponent in 1..20 {
            let power = 10u64.pow(exponent);
            numbers.extend([power - 1, power, power + 1, power / 3, power / 7 * 9]);
        }
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for i in 0..100_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            numbers.push(random >> (i % 64));
        }
        for number in numbers {
            assert_eq!(text(|b| b.decimal(number)), number.to_string());
            let signed = number as i64;
            assert_eq!(text(|b| b.signed(signed)), signed.to_string());
        }
    }

    #[test]
    fn every_part_of_four_digits() {
        for number in 0..FOUR {
            let digits = format!("{number:04}{number:04}");
            assert_eq!(&eight_digits(number * 10_001)[..], digits.as_bytes());
        }
    }

    #[test]
    fn pieces() {
        let all = text(|b| {
            b.put(b"abcdef", 3);
            b.slice(b"-");
            b.spaces(37);
            b.hex(0xa5);
            let len = b.len();
            b.slice(b"gone");
            b.truncate(len);
            b.line(|line| {
                line.put(b" line.", 5);
                line.write(1, b"LI");
                line.decimal(u64::MAX);
            });
        });
        assert_eq!(all, format!("abc-{}a5 LIne{}", " ".repeat(37), u64::MAX));
    }
}
