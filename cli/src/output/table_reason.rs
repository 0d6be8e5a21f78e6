//! Why a log is read with its table: FORMAT.md, "Which table".

use replay_format::{Header, Table};

/// The reason as text. `header` is `None` if the file ends inside it. `whole`: the log can be read
/// to its end.
pub(crate) fn table_reason(table: &Table, header: Option<Header>, whole: bool) -> String {
    let reads = if whole {
        "reads the log whole"
    } else {
        "reads the log furthest"
    };
    let version = table.version();
    let same = Table::ALL.iter().filter(|other| other.version() == version);
    let Some(header) = header else {
        return "no event is left that could tell".to_owned();
    };
    match same.count() {
        _ if header.is_unfinished() => format!(
            "the header names no version, as in a recording that was killed; this table {reads}"
        ),
        1 => "the only table of the version".to_owned(),
        shared => format!("of the {shared} tables of the version, this one {reads}"),
    }
}
