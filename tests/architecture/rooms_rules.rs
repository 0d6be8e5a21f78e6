//! Tests of the rules for rooms: each is compared with a small tree that breaks it.

use crate::rooms::{Rooms, broken};

/// The tree of these tests: `top` may know `middle` and `low`, `middle` may know `low`.
const TREE: Rooms = Rooms {
    folder: "src",
    may_know: &[("low", ""), ("middle", "low"), ("top", "low middle")],
    exceptions: &[],
};

/// What breaks the rules in a small tree: three rooms that keep the rules, where `files` replaces
/// files or adds them.
fn with(rooms: &Rooms, files: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![
        (
            "src/lib.rs",
            "mod low;\npub mod middle;\npub mod top;\npub use low::Thing;",
        ),
        ("src/low.rs", "pub struct Thing;"),
        ("src/middle/mod.rs", "mod inner;\nuse crate::low::Thing;"),
        (
            "src/middle/inner.rs",
            "use super::super::low;\nuse super::Middle;",
        ),
        (
            "src/top.rs",
            "use crate::middle;\nfn f() -> crate::low::Thing {}",
        ),
    ];
    all.retain(|(path, _)| !files.iter().any(|(other, _)| path == other));
    all.extend(files);
    let all: Vec<_> = all
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    broken(rooms, &all)
}

#[test]
fn a_tree_that_keeps_the_rules() {
    assert_eq!(with(&TREE, &[]), [""; 0]);
}

#[test]
fn a_room_that_names_one_above_it() {
    let wrong = ["src/low.rs:2: `low` is not to know `middle`, and names middle::Middle"];
    for text in [
        "//! Low.\nuse crate::middle::Middle;",
        "//! Low.\nuse super::middle::{Middle};",
        "//! Low.\nfn f(x: &crate::middle::Middle) {}",
        "//! Low.\nmod inner { use super::super::middle::Middle; }",
    ] {
        assert_eq!(with(&TREE, &[("src/low.rs", text)]), wrong, "{text}");
    }
    // From a file deep in a room; by a name that the root re-exports; by a new name.
    let deep = [("src/middle/inner.rs", "use crate::top::{self as roof};")];
    let expected = ["src/middle/inner.rs:1: `middle` is not to know `top`, and names top"];
    assert_eq!(with(&TREE, &deep), expected);
}

#[test]
fn what_the_root_gives_a_name_is_still_its_rooms() {
    const NARROW: Rooms = Rooms {
        may_know: &[("low", ""), ("middle", "low"), ("top", "middle")],
        ..TREE
    };
    let top = [("src/top.rs", "use crate::Thing;")];
    assert_eq!(with(&TREE, &top), [""; 0]);
    let expected = ["src/top.rs:1: `top` is not to know `low`, and names Thing"];
    assert_eq!(with(&NARROW, &top), expected);
}

#[test]
fn what_is_the_roots_own() {
    const OPEN: Rooms = Rooms {
        may_know: &[("low", ""), ("middle", "low"), ("top", "low middle lib")],
        ..TREE
    };
    let top = [("src/top.rs", "use crate::Own;")];
    let expected = ["src/top.rs:1: `top` is not to know `lib`, and names Own"];
    assert_eq!(with(&TREE, &top), expected);
    assert_eq!(with(&OPEN, &top), [""; 0]);
}

#[test]
fn all_of_the_root_at_once() {
    let expected = ["src/top.rs:1: `*` of the root hides what is known"];
    for text in ["use crate::*;", "use super::*;"] {
        assert_eq!(with(&TREE, &[("src/top.rs", text)]), expected);
    }
}

#[test]
fn a_room_that_is_new() {
    let expected = ["src: the room `attic` is not in the table"];
    assert_eq!(with(&TREE, &[("src/attic.rs", "")]), expected);
    assert_eq!(
        with(&TREE, &[("src/attic/mod.rs", ""), ("src/attic/a.rs", "")]),
        expected
    );
}

#[test]
fn a_room_that_is_gone() {
    const MORE: Rooms = Rooms {
        may_know: &[
            ("low", ""),
            ("middle", "low"),
            ("top", "low middle"),
            ("cellar", ""),
        ],
        ..TREE
    };
    let expected = ["src: the room `cellar` of the table is not there"];
    assert_eq!(with(&MORE, &[]), expected);
}

#[test]
fn tests_may_look_anywhere() {
    let files = [
        (
            "src/low.rs",
            "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more { use crate::top; }",
        ),
        ("src/low/tests.rs", "mod deep;\nuse crate::middle;"),
        ("src/low/tests/deep.rs", "use crate::top;"),
    ];
    assert_eq!(with(&TREE, &files), [""; 0]);
    // The declaration makes a file a test, and not its name.
    let files = [("src/low.rs", "mod tests;"), files[1]];
    let expected = ["src/low/tests.rs:2: `low` is not to know `middle`, and names middle"];
    assert_eq!(with(&TREE, &files), expected);
}

#[test]
fn an_exception_holds_for_its_file_and_name_alone() {
    const WITH: Rooms = Rooms {
        exceptions: &[("src/low.rs", "top::Top")],
        ..TREE
    };
    let text = "use crate::top::Top;\nfn f(x: crate::top::Top) {}";
    assert_eq!(with(&WITH, &[("src/low.rs", text)]), [""; 0]);
    let text = "use crate::top::{Top, Other};";
    let expected = ["src/low.rs:1: `low` is not to know `top`, and names top::Other"];
    assert_eq!(with(&WITH, &[("src/low.rs", text)]), expected);
}

#[test]
fn an_exception_that_is_none_any_more() {
    const WITH: Rooms = Rooms {
        exceptions: &[("src/low.rs", "top::Top"), ("src/top.rs", "middle")],
        ..TREE
    };
    let expected = [
        "src/low.rs: no longer an exception, take it out: top::Top",
        "src/top.rs: no longer an exception, take it out: middle",
    ];
    assert_eq!(with(&WITH, &[]), expected);
}

#[test]
fn a_table_with_a_circle() {
    const CIRCLE: Rooms = Rooms {
        may_know: &[("low", "top"), ("middle", "low"), ("top", "low middle")],
        ..TREE
    };
    let expected =
        ["src: the table lets rooms know each other in a circle, among low, middle, top"];
    assert_eq!(with(&CIRCLE, &[]), expected);
}
