//! Documentation comments as rustdoc.

use crate::doc::Doc;
use crate::schema::{Entity, Schema};

use super::Code;

/// What is said of an entity as a whole. Without documentation, `fallback`.
pub(super) fn of_entity(
    out: &mut Code,
    indent: usize,
    schema: &Schema,
    entity: &Entity,
    fallback: &str,
) {
    let doc = schema.doc(entity);
    let mut text = doc
        .map(|doc| doc.body.clone())
        .filter(|body| !body.is_empty());
    let sections = doc.iter().flat_map(|doc| &doc.sections);
    let mut paragraphs: Vec<String> = text.take().into_iter().collect();
    for section in sections {
        match section.name.as_deref() {
            // Examples are about JSON, and this is about Rust.
            Some("TODO" | "Example" | "Examples") => {}
            Some(name) => paragraphs.push(format!("{name}: {}", section.text)),
            None => paragraphs.push(section.text.clone()),
        }
    }
    comment(out, indent, &paragraphs.join("\n\n"), fallback);
}

/// What is said of a member, value or branch.
pub(super) fn of_part(
    out: &mut Code,
    indent: usize,
    doc: Option<&Doc>,
    name: &str,
    fallback: &str,
) {
    let sections = doc.iter().flat_map(|doc| &doc.arguments);
    let mut texts = sections.filter(|section| section.name.as_deref() == Some(name));
    let text = texts.next().map_or("", |section| section.text.as_str());
    comment(out, indent, text, fallback);
}

fn comment(out: &mut Code, indent: usize, text: &str, fallback: &str) {
    let text = if text.is_empty() { fallback } else { text };
    for line in text.lines() {
        let line = marked(line.trim_end());
        out.line(indent, format!("/// {line}").trim_end());
    }
}

/// `@name` becomes `` `name` ``; brackets and angles are no links and no tags.
pub(crate) fn marked(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('@').map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
            &rest[..end.unwrap_or(rest.len())]
        });
        let boundary = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
        match name {
            Some(name) if boundary && !name.is_empty() => {
                out.push_str(&format!("`{name}`"));
                rest = &rest[1 + name.len()..];
            }
            _ => {
                if "[]<>".contains(c) {
                    out.push('\\');
                }
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}
