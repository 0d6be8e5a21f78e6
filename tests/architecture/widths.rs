//! Lines are at most 100 characters wide. That includes comments, which rustfmt leaves alone.

use crate::rooms::File;
use crate::{assert_none, root, sources};
use std::fs;

/// The largest width, as in rustfmt.toml.
const WIDTH: usize = 100;

#[test]
fn lines_are_at_most_100_wide() {
    let config = fs::read_to_string(root().join("rustfmt.toml")).unwrap();
    assert_eq!(config.trim(), format!("max_width = {WIDTH}"));
    let rule = format!("break the lines over {WIDTH} characters:");
    assert_none(&wide_lines(&files()), &rule);
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

/// The wide lines of all files, as `path:number`.
fn wide_lines(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        found.extend(wide(text).iter().map(|number| format!("{path}:{number}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{rust_blocks, wide, wide_lines};

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
    fn each_wide_line_is_named() {
        let wide = format!("fine\n{0}\n{0}\n", "x".repeat(101));
        let files = [
            ("a".to_owned(), "fine\n".to_owned()),
            ("b".to_owned(), wide),
        ];
        assert_eq!(wide_lines(&files), ["b:2", "b:3"]);
    }
}
