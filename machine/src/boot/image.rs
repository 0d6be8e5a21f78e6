//! The format of an image, detected from its content, and the header of a Linux `Image`.

/// Formats of images that can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// An ELF file for any machine.
    Elf,
    /// Linux' flat `Image` for RISC-V.
    LinuxImage,
    /// An unknown format. It may be code to load as a flat binary.
    Raw,
}

/// A file in a format that the machine cannot load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is {what}; {hint}")]
pub struct Foreign {
    /// The format of the file.
    pub what: &'static str,
    /// What the user can do instead.
    pub hint: &'static str,
}

const RISCV_IMAGE_MAGIC: &[u8] = b"RSC\x05";
const RISCV_IMAGE_MAGIC_AT: usize = 56;

const UNPACK: &str = "the board has no decompressor: unpack it first";
const OTHER_MACHINE: &str = "give a kernel that is built for 64-bit RISC-V";
const IS_DISK: &str = "give it with --drive, and a kernel with --kernel";

/// Formats that users pass by mistake: offset of the magic number, magic number, format, and hint.
const FOREIGN: [(usize, &[u8], &str, &str); 17] = [
    (0, b"\x1f\x8b", "gzip data", "unpack it first, with gunzip"),
    (0, b"\xfd7zXZ\0", "xz data", "unpack it first, with unxz"),
    (
        0,
        b"\x28\xb5\x2f\xfd",
        "zstd data",
        "unpack it first, with unzstd",
    ),
    (0, b"BZh", "bzip2 data", "unpack it first, with bunzip2"),
    (
        0,
        b"\x04\x22\x4d\x18",
        "lz4 data",
        "unpack it first, with unlz4",
    ),
    (
        0,
        b"\x02\x21\x4c\x18",
        "lz4 data",
        "unpack it first, with unlz4",
    ),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (
        0,
        b"!<arch>\n",
        "an archive of object files",
        "link it first",
    ),
    (0, b"070701", "a cpio archive", "give it with --initrd"),
    (
        0,
        b"\xd0\x0d\xfe\xed",
        "a device tree or a FIT image",
        "give the kernel itself",
    ),
    (
        0,
        b"\x27\x05\x19\x56",
        "a U-Boot uImage",
        "give the kernel itself, before mkimage",
    ),
    (0, b"QFI\xfb", "a qcow2 disk", IS_DISK),
    (
        0x202,
        b"HdrS",
        "a Linux kernel for x86 (bzImage)",
        OTHER_MACHINE,
    ),
    (56, b"ARM\x64", "a Linux kernel for arm64", OTHER_MACHINE),
    (
        0x24,
        b"\x18\x28\x6f\x01",
        "a Linux kernel for arm",
        OTHER_MACHINE,
    ),
    (0, b"\xcf\xfa\xed\xfe", "a Mach-O program", OTHER_MACHINE),
    (0, b"MZ", "an EFI or Windows program", OTHER_MACHINE),
];

fn has(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// Detects the format of `bytes` from their content.
///
/// # Errors
/// [`Foreign`] if the machine certainly cannot load them: an archive, a text, or a kernel of
/// another machine. An ELF file is not parsed here.
pub fn detect(bytes: &[u8]) -> Result<ImageKind, Foreign> {
    // Check this first: a RISC-V Image with an EFI stub begins with "MZ".
    if has(bytes, RISCV_IMAGE_MAGIC_AT, RISCV_IMAGE_MAGIC) {
        return Ok(ImageKind::LinuxImage);
    }
    if has(bytes, 0, b"\x7fELF") {
        return Ok(ImageKind::Elf);
    }
    if bytes.is_empty() {
        return Err(Foreign {
            what: "empty",
            hint: "check how it was built or copied",
        });
    }
    if let Some(&(_, _, what, hint)) = FOREIGN
        .iter()
        .find(|(at, magic, ..)| has(bytes, *at, magic))
    {
        return Err(Foreign { what, hint });
    }
    if is_text(bytes) {
        return Err(Foreign {
            what: "text",
            hint: "give an ELF file, a Linux Image or a flat binary",
        });
    }
    Ok(ImageKind::Raw)
}

/// Whether the beginning is UTF-8 without control characters, which machine code is not.
fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..512).unwrap_or(bytes);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The excerpt ends within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

/// The header of a Linux `Image` (Linux documentation, "Boot image header in RISC-V Linux").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinuxHeader {
    /// The load address, as an offset from the start of RAM in bytes.
    pub(super) text_offset: u64,
    /// Size in memory in bytes, including zeroed data. Old kernels have 0 here.
    pub(super) image_size: u64,
    pub(super) big_endian: bool,
}

impl LinuxHeader {
    /// Parses the header of an image that [`detect`] has recognized.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            text_offset: word(8)?,
            image_size: word(16)?,
            big_endian: word(24)? & 1 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_content() {
        let at =
            |offset: usize, magic: &[u8]| [vec![0u8; offset], magic.to_vec(), vec![0; 64]].concat();
        assert_eq!(detect(b"\x7fELF\x02"), Ok(ImageKind::Elf));
        assert_eq!(detect(&at(56, b"RSC\x05")), Ok(ImageKind::LinuxImage));
        let mut efi_stub = at(56, b"RSC\x05");
        efi_stub[..2].copy_from_slice(b"MZ");
        assert_eq!(detect(&efi_stub), Ok(ImageKind::LinuxImage));
        assert_eq!(detect(&[0x97, 0x02, 0, 0, 0x13]), Ok(ImageKind::Raw));
        for (offset, magic, what, _) in FOREIGN {
            assert_eq!(detect(&at(offset, magic)).unwrap_err().what, what);
        }
        for text in ["#!/bin/sh\necho\n", "CONFIG_RISCV=y\n", "grüße\n"] {
            assert_eq!(detect(text.as_bytes()).unwrap_err().what, "text");
        }
        assert_eq!(detect(b"").unwrap_err().what, "empty");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = detect(&bytes);
            let _ = LinuxHeader::parse(&bytes);
        }
    }
}
