//! Lines are at most 100 characters wide, comments included, which rustfmt leaves alone.
//!
//! `wide_lines.txt` holds the number of wider lines that each file still has. The numbers only go
//! down.

use crate::rooms::File;
use crate::{assert_none, root, sources};
use std::collections::BTreeMap;
use std::fs;

/// The largest width, as in rustfmt.toml.
const WIDTH: usize = 100;

const LIST: &str = "tests/architecture/wide_lines.txt";

/// The environment variable that renews the list.
const UPDATE: &str = "UPDATE_WIDE_LINES";

/// The number of wide lines of each file, by its path from the root.
type Counts = BTreeMap<String, usize>;

#[test]
fn lines_are_at_most_100_wide() {
    let config = fs::read_to_string(root().join("rustfmt.toml")).unwrap();
    assert_eq!(config.trim(), format!("max_width = {WIDTH}"));
    let listed = read(&fs::read_to_string(root().join(LIST)).unwrap());
    let files = files();
    if std::env::var_os(UPDATE).is_some() {
        match renewed(&listed, &count(&files)) {
            Ok(counts) => fs::write(root().join(LIST), written(&counts)).unwrap(),
            Err(wrong) => assert_none(&wrong, "the numbers of wide lines only go down:"),
        }
    }
    let listed = read(&fs::read_to_string(root().join(LIST)).unwrap());
    let rule = format!(
        "break the lines over {WIDTH} characters; where there are fewer of them now, or files \
         have moved, renew {LIST} with\n  {UPDATE}=1 cargo test -p rr-cli --test architecture \
         wide"
    );
    assert_none(&wrong(&listed, &files), &rule);
}

/// The Rust files that people wrote, and the Rust code in the documents.
fn files() -> Vec<File> {
    let mut files: Vec<File> = sources::written_files()
        .iter()
        .map(|file| sources::read(file))
        .collect();
    for document in ["README.md", "ARCHITECTURE.md", "replay-format/FORMAT.md"] {
        let (path, text) = sources::read(&root().join(document));
        files.push((path, rust_blocks(&text)));
    }
    files
}

/// A document whose lines outside of Rust code blocks are empty.
fn rust_blocks(text: &str) -> String {
    let mut inside = false;
    let mut blocks = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line.starts_with("```rust");
        } else if inside {
            blocks += line;
        }
        blocks.push('\n');
    }
    blocks
}

/// The numbers of the lines that are too wide.
fn wide(text: &str) -> Vec<usize> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| line.chars().count() > WIDTH && !is_address(line))
        .map(|(number, _)| number + 1)
        .collect()
}

/// True for a comment that is only an address on the web: it cannot be broken.
fn is_address(line: &str) -> bool {
    let comment = line.trim().trim_start_matches(['/', '!']).trim();
    line.trim().starts_with("//") && comment.contains("://") && !comment.contains(' ')
}

fn count(files: &[File]) -> Counts {
    files
        .iter()
        .map(|(path, text)| (path.clone(), wide(text).len()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The differences from the list.
fn wrong(listed: &Counts, files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in files {
        let (may, found) = (listed.get(path).copied().unwrap_or_default(), wide(text));
        if found.len() > may {
            wrong.push(format!(
                "{path}: {} wide lines, {may} in the list; they are {found:?}",
                found.len()
            ));
        } else if found.len() < may {
            wrong.push(format!(
                "{path}: {} wide lines, {may} in the list",
                found.len()
            ));
        }
    }
    let gone = |path: &&String| !files.iter().any(|(other, _)| other == *path);
    for path in listed.keys().filter(gone) {
        wrong.push(format!("{path}: in the list, and not there"));
    }
    wrong
}

/// The renewed list. A file that is not in the list may take lines that others have given up,
/// because files are moved and divided. A file in the list may not have more than before.
fn renewed(listed: &Counts, found: &Counts) -> Result<Counts, Vec<String>> {
    let mut wrong = Vec::new();
    for (path, count) in found {
        if let Some(before) = listed.get(path).filter(|before| count > before) {
            wrong.push(format!("{path}: {before} before, {count} now"));
        }
    }
    let (before, now): (usize, usize) = (listed.values().sum(), found.values().sum());
    if now > before {
        wrong.push(format!("{before} in all before, {now} now"));
    }
    match wrong.is_empty() {
        true => Ok(found.clone()),
        false => Err(wrong),
    }
}

fn read(list: &str) -> Counts {
    list.lines()
        .map(|line| {
            let (count, path) = line.split_once(' ').unwrap();
            (path.to_owned(), count.parse().unwrap())
        })
        .collect()
}

fn written(counts: &Counts) -> String {
    let lines = counts
        .iter()
        .map(|(path, count)| format!("{count} {path}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::{Counts, read, renewed, rust_blocks, wide, written, wrong};

    fn counts(all: &[(&str, usize)]) -> Counts {
        all.iter()
            .map(|(path, count)| ((*path).to_owned(), *count))
            .collect()
    }

    /// A file with this number of wide lines.
    fn file(path: &str, count: usize) -> (String, String) {
        (
            path.to_owned(),
            format!("{}\n", "x".repeat(101)).repeat(count),
        )
    }

    #[test]
    fn characters_are_counted() {
        let text = format!(
            "{}\n// {}\n{}\n",
            "é".repeat(100),
            "é".repeat(98),
            "x".repeat(101)
        );
        assert_eq!(wide(&text), [2, 3]);
        let address = format!("    /// <https://{}>", "x".repeat(100));
        assert_eq!(wide(&address), [0; 0]);
        assert_eq!(wide(&format!("{address} and more")), [1]);
        assert_eq!(wide(&address.replace("///", "")), [1]);
    }

    #[test]
    fn of_a_document_the_rust_counts() {
        let text = "prose\n```sh\nls\n```\n```rust\nfn f() {}\n```\nprose";
        assert_eq!(rust_blocks(text).trim(), "fn f() {}");
        assert_eq!(rust_blocks(text).lines().count(), 8);
    }

    #[test]
    fn each_file_has_what_the_list_says() {
        let listed = counts(&[("a", 2), ("b", 1)]);
        assert_eq!(
            wrong(&listed, &[file("a", 2), file("b", 1), file("c", 0)]),
            [""; 0]
        );
        let expected = ["a: 3 wide lines, 2 in the list; they are [1, 2, 3]"];
        assert_eq!(wrong(&listed, &[file("a", 3), file("b", 1)]), expected);
        let expected = ["a: 1 wide lines, 2 in the list"];
        assert_eq!(wrong(&listed, &[file("a", 1), file("b", 1)]), expected);
        let expected = ["c: 1 wide lines, 0 in the list; they are [1]"];
        assert_eq!(
            wrong(&listed, &[file("a", 2), file("b", 1), file("c", 1)]),
            expected
        );
        let expected = ["b: in the list, and not there"];
        assert_eq!(wrong(&listed, &[file("a", 2)]), expected);
    }

    #[test]
    fn the_list_only_goes_down() {
        let listed = counts(&[("a", 2), ("b", 1)]);
        for fine in [
            &[("a", 1), ("b", 1)][..],
            &[("a", 2)],
            &[("c", 2), ("b", 1)],
            &[],
        ] {
            assert_eq!(renewed(&listed, &counts(fine)), Ok(counts(fine)));
        }
        for more in [
            &[("a", 1), ("b", 2)][..],
            &[("a", 2), ("b", 1), ("c", 1)],
            &[("c", 4)],
        ] {
            assert!(renewed(&listed, &counts(more)).is_err(), "{more:?}");
        }
    }

    #[test]
    fn the_list_is_read_as_it_was_written() {
        let listed = counts(&[("a/b.rs", 2), ("c.rs", 11)]);
        assert_eq!(written(&listed), "2 a/b.rs\n11 c.rs\n");
        assert_eq!(read(&written(&listed)), listed);
    }
}
