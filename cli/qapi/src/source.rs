//! Where something stands: file, line, column, and the chain of includes that led there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A schema file that is read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As messages name it: the name given, or the includer's folder and the name in the directive.
    pub name: String,
    /// Absolute, without `.` and `..`: two files are the same if this is.
    pub(crate) path: PathBuf,
    /// The directive that includes it; none for the first file.
    pub included_from: Option<Position>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: Arc<SourceFile>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Position {
    /// The include directives that led here, the outermost first.
    #[must_use]
    pub fn includes(&self) -> Vec<&Position> {
        let mut chain = Vec::new();
        let mut at = &self.file.included_from;
        while let Some(position) = at {
            chain.push(position);
            at = &position.file.included_from;
        }
        chain.reverse();
        chain
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}
