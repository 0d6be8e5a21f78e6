//! Function names and source lines of the guest's code, from the recording's kernel if it is an ELF
//! file with symbols.

use crate::host::map::MappedFile;
use crate::recording::Recording;
use addr2line::Context;
use gimli::{EndianSlice, LittleEndian};
use machine::VirtAddr;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// The symbols of a kernel.
#[derive(Default)]
pub(super) struct Symbols {
    /// Functions and labels by address, with their names.
    names: Vec<(VirtAddr, String)>,
    /// The end address of the code that has names.
    end: VirtAddr,
    file: Option<MappedFile>,
}

impl Symbols {
    /// Reads the symbols of a recording's kernel. A kernel without symbols gives none.
    pub(super) fn of(recording: &Recording) -> Self {
        // A kernel that has changed was reported by the replay.
        let Ok(Some(kernel)) = recording.image("kernel", true) else {
            return Self::default();
        };
        let Ok(file) = object::File::parse(&*kernel.bytes) else {
            return Self::default();
        };
        let code = |symbol: &object::Symbol<'_, '_>| {
            matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label)
                || symbol.kind() == SymbolKind::Unknown && symbol.is_definition()
        };
        let names = file.symbols().filter(code).filter_map(|symbol| {
            let name = symbol.name().ok()?;
            // Mapping symbols and local labels of the assembler have no meaning for people.
            let named = !name.is_empty() && !name.starts_with(['$', '.']);
            named.then(|| (VirtAddr::new(symbol.address()), name.to_owned()))
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup_by_key(|(address, _)| *address);
        let text = |section: &object::Section<'_, '_>| section.kind() == object::SectionKind::Text;
        let ends = file.sections().filter(text);
        let end = ends.map(|section| section.address().saturating_add(section.size()));
        let end = VirtAddr::new(end.max().unwrap_or(0));
        Self {
            names,
            end,
            file: Some(kernel.bytes),
        }
    }

    /// The function and the offset in it: `main+0x10`.
    pub(super) fn name(&self, address: VirtAddr) -> Option<String> {
        if address >= self.end {
            return None;
        }
        let behind = self.names.partition_point(|(at, _)| *at <= address);
        let (at, name) = self.names.get(behind.checked_sub(1)?)?;
        Some(match address - *at {
            0 => name.clone(),
            offset => format!("{name}+{offset:#x}"),
        })
    }

    /// The source file and line: `main.c:17`.
    pub(super) fn line(&self, address: VirtAddr) -> Option<String> {
        let file = object::File::parse(&**self.file.as_ref()?).ok()?;
        let section = |id: gimli::SectionId| {
            let section = file.section_by_name(id.name());
            // The section may be compressed. A section that cannot be read leaves less to tell.
            let bytes = section.and_then(|section| section.uncompressed_data().ok());
            Ok::<_, gimli::Error>(bytes.unwrap_or_default())
        };
        let sections = gimli::DwarfSections::load(section).ok()?;
        let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
        let context = Context::from_dwarf(dwarf).ok()?;
        let place = context.find_location(address.get()).ok()??;
        let file = place.file?.rsplit('/').next()?;
        Some(match place.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        })
    }
}
