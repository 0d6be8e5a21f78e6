//! The rooms of a crate, and the rules for what a room may know of another.
//!
//! A room is a file or a folder directly in the source folder of a crate. A room knows another one
//! if its code, without tests, uses a name of it.

use crate::imports::{self, Import, Module};
use std::collections::{BTreeMap, BTreeSet};

/// What the rooms of a crate may know.
pub(crate) struct Rooms {
    /// The source folder, from the root of the repository.
    pub(crate) folder: &'static str,
    /// Each room, with the rooms that it may know. They must not form a circle.
    pub(crate) may_know: &'static [(&'static str, &'static str)],
    /// The exceptions, which are to disappear: a file, and the name that it uses.
    pub(crate) exceptions: &'static [(&'static str, &'static str)],
}

/// Stands for names that the root of a crate defines itself.
const ROOT: &str = "lib";

/// The path of a file from the root of the repository, and its text.
pub(crate) type File = (String, String);

/// Everything that breaks the rules.
pub(crate) fn broken(rooms: &Rooms, files: &[File]) -> Vec<String> {
    let mut modules = BTreeMap::new();
    for (path, text) in files {
        if let Some(place) = place(rooms.folder, path) {
            let module = imports::read(text, &place);
            modules.insert(path.as_str(), (place, module));
        }
    }
    let tests = test_files(&modules);
    modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test.as_str())));
    let names = names_of_the_root(&modules);

    let mut wrong = a_circle(rooms);
    let here: BTreeSet<&str> = modules
        .values()
        .filter_map(|(place, _)| room(place))
        .collect();
    let in_table: BTreeSet<&str> = rooms.may_know.iter().map(|(name, _)| *name).collect();
    let folder = rooms.folder;
    for room in here.difference(&in_table) {
        wrong.push(format!("{folder}: the room `{room}` is not in the table"));
    }
    for room in in_table.difference(&here) {
        wrong.push(format!(
            "{folder}: the room `{room}` of the table is not there"
        ));
    }

    let mut met = BTreeSet::new();
    for (path, (place, module)) in &modules {
        let Some(from) = room(place) else { continue };
        let known = rooms.may_know.iter().find(|(name, _)| *name == from);
        let known = known.map_or("", |(_, known)| known);
        for import in &module.imports {
            let to = match owner(import, &here, &names) {
                Owner::Room(to) => to,
                Owner::Hidden => {
                    let line = import.line;
                    wrong.push(format!(
                        "{path}:{line}: `*` of the root hides what is known"
                    ));
                    continue;
                }
            };
            if to == from || known.split_whitespace().any(|room| room == to) {
                continue;
            }
            let name = import.path.join("::");
            let exception = (*path, name.as_str());
            match rooms.exceptions.iter().find(|one| **one == exception) {
                Some(one) => drop(met.insert(*one)),
                None => wrong.push(format!(
                    "{path}:{}: `{from}` is not to know `{to}`, and names {name}",
                    import.line
                )),
            }
        }
    }
    for (path, name) in rooms.exceptions.iter().filter(|one| !met.contains(*one)) {
        wrong.push(format!(
            "{path}: no longer an exception, take it out: {name}"
        ));
    }
    wrong
}

/// The module path of a file, from the root of its crate; empty for the root.
fn place(folder: &str, path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix(folder)?.strip_prefix('/')?;
    let mut parts: Vec<String> = inside
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    let root = ["lib", "main"].map(|name| vec![name.to_owned()]);
    if parts.last().is_some_and(|name| name == "mod") || root.contains(&parts) {
        parts.pop();
    }
    Some(parts)
}

fn room(place: &[String]) -> Option<&str> {
    place.first().map(String::as_str)
}

/// The path prefixes of all modules that are declared for tests alone.
fn test_files(modules: &BTreeMap<&str, (Vec<String>, Module)>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, (_, module)) in modules {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let folder = match name {
            "lib" | "main" | "mod" => folder,
            _ => stem,
        };
        for test in &module.test_modules {
            found.push(format!("{folder}/{test}.rs"));
            found.push(format!("{folder}/{test}/"));
        }
    }
    found
}

/// The names that the root of the crate re-exports, and the rooms that they belong to.
fn names_of_the_root(modules: &BTreeMap<&str, (Vec<String>, Module)>) -> BTreeMap<String, String> {
    let roots = modules.values().filter(|(place, _)| place.is_empty());
    let imports = roots.flat_map(|(_, module)| &module.imports);
    imports
        .filter_map(|import| Some((import.name.clone(), import.path.first()?.clone())))
        .collect()
}

enum Owner<'a> {
    Room(&'a str),
    /// A glob of the root: the room cannot be told.
    Hidden,
}

/// The room that a name belongs to.
fn owner<'a>(
    import: &'a Import,
    rooms: &BTreeSet<&'a str>,
    names: &'a BTreeMap<String, String>,
) -> Owner<'a> {
    let Some(first) = import.path.first() else {
        return Owner::Hidden;
    };
    let first = match names.get(first) {
        Some(room) if !rooms.contains(first.as_str()) => room,
        _ => first,
    };
    Owner::Room(rooms.get(first.as_str()).copied().unwrap_or(ROOT))
}

/// A circle of rooms that the table allows, if there is one.
fn a_circle(rooms: &Rooms) -> Vec<String> {
    let mut left: Vec<_> = rooms.may_know.to_vec();
    loop {
        let before = left.len();
        let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
        // A room that knows none of the rooms that are left is in no circle with them.
        left.retain(|(_, known)| known.split_whitespace().any(|room| names.contains(&room)));
        if left.is_empty() {
            return Vec::new();
        }
        if left.len() == before {
            return vec![format!(
                "{}: the table lets rooms know each other in a circle, among {}",
                rooms.folder,
                names.join(", ")
            )];
        }
    }
}
