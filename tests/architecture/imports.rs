//! Finds the names that a file uses of its own crate: in `use`, and in paths in its code.

use crate::tokens::{Token, tokens};

/// A file of a crate, as the rules for rooms see it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The names that it uses of its own crate, without its tests.
    pub(crate) imports: Vec<Import>,
    /// Modules in other files that are declared for tests alone.
    pub(crate) test_modules: Vec<String>,
}

/// A path from the root of the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    /// Its name in this file; `*` for a glob.
    pub(crate) name: String,
}

/// Reads a file that is the module `place` of its crate.
pub(crate) fn read(text: &str, place: &[String]) -> Module {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        place: place.to_vec(),
        braces: Vec::new(),
        found: Module::default(),
    };
    reader.read();
    reader.found
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Path of the present module.
    place: Vec<String>,
    /// For each open brace: true if it is that of a module.
    braces: Vec<bool>,
    found: Module,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn is(&self, ahead: usize, mark: char) -> bool {
        self.peek(ahead).is_some_and(|token| token.is(mark))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.peek(ahead).is_some_and(|token| token.is_word(word))
    }

    fn word(&self, ahead: usize) -> Option<String> {
        match self.peek(ahead)? {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        }
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            if self.is(0, '#') && (self.is(1, '[') || self.is(1, '!') && self.is(2, '[')) {
                self.attribute();
            } else if self.is_word(0, "mod") && self.word(1).is_some() && self.is(2, '{') {
                self.place.extend(self.word(1));
                self.braces.push(true);
                self.at += 3;
            } else if self.is_word(0, "use") {
                self.at += 1;
                self.tree(&[]);
            } else if self.peek(1) == Some(&Token::Path) && self.rooted(0) {
                self.path();
            } else {
                self.brace();
                self.at += 1;
            }
        }
    }

    /// Counts braces, and leaves a module at its closing brace.
    fn brace(&mut self) {
        if self.is(0, '{') {
            self.braces.push(false);
        } else if self.is(0, '}') && self.braces.pop() == Some(true) {
            self.place.pop();
        }
    }

    /// True if a path begins here with `crate`, `self` or `super`.
    fn rooted(&self, ahead: usize) -> bool {
        ["crate", "self", "super"]
            .iter()
            .any(|word| self.is_word(ahead, word))
    }

    /// Reads a path in code. A path in an item's visibility is skipped, because it uses nothing.
    fn path(&mut self) {
        let visibility = self.at >= 3
            && self.tokens[self.at - 1].1.is_word("in")
            && self.tokens[self.at - 2].1.is('(')
            && self.tokens[self.at - 3].1.is_word("pub");
        let line = self.line();
        let mut path: Vec<String> = self.word(0).into_iter().collect();
        self.at += 1;
        while self.peek(0) == Some(&Token::Path) {
            match self.word(1) {
                Some(word) => path.push(word),
                None => break,
            }
            self.at += 2;
        }
        if !visibility {
            self.add(line, &path, None);
        }
    }

    /// Reads the tree of a `use` from here to its end. `above` is the path before it.
    fn tree(&mut self, above: &[String]) {
        let mut path = above.to_vec();
        loop {
            let line = self.line();
            if self.is(0, '{') {
                self.at += 1;
                while self.peek(0).is_some() && !self.is(0, '}') {
                    self.tree(&path);
                    self.at += usize::from(self.is(0, ','));
                }
                self.at += 1;
                return;
            }
            if self.is(0, '*') {
                self.at += 1;
                self.add(line, &path, Some("*".to_owned()));
                return;
            }
            match self.word(0) {
                // `self` at the end of a tree is the module before it.
                Some(word) if word == "self" && !path.is_empty() => {}
                Some(word) => path.push(word),
                // A leading `::`, or the end of a tree of an unknown form.
                None if self.peek(0) == Some(&Token::Path) => {}
                None => {
                    self.at += usize::from(!self.is(0, '}') && !self.is(0, ';'));
                    return;
                }
            }
            self.at += usize::from(self.word(0).is_some());
            if self.peek(0) == Some(&Token::Path) {
                self.at += 1;
                continue;
            }
            let mut name = None;
            if self.is_word(0, "as") {
                name = self.word(1);
                self.at += 2;
            }
            self.add(line, &path, name);
            return;
        }
    }

    /// Adds a path, resolved from the root of the crate. A path that does not begin with `crate`,
    /// `self` or `super` belongs to another crate or to a module of this file; in the root of a
    /// crate, to a room.
    fn add(&mut self, line: usize, path: &[String], name: Option<String>) {
        let mut whole = self.place.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                whole.clear();
                rest = &rest[1..];
            }
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            _ if self.place.is_empty() => {}
            _ => return,
        }
        while rest.first().is_some_and(|word| word == "super") {
            whole.pop();
            rest = &rest[1..];
        }
        whole.extend_from_slice(rest);
        let name = name.or_else(|| whole.last().cloned()).unwrap_or_default();
        let path = whole;
        self.found.imports.push(Import { line, path, name });
    }

    /// Reads an attribute. An item that is for tests alone is skipped.
    fn attribute(&mut self) {
        let inner = self.is(1, '!');
        self.at += 2 + usize::from(inner);
        let start = self.at;
        let mut depth = 1;
        while depth > 0 && self.at < self.tokens.len() {
            depth += usize::from(self.is(0, '['));
            depth -= usize::from(self.is(0, ']'));
            // As in `#[serde(with = "crate::x")]`.
            let quoted = match self.peek(0) {
                Some(Token::Quoted(text)) => text.clone(),
                _ => String::new(),
            };
            if quoted.starts_with("crate::") || quoted.starts_with("super::") {
                let path: Vec<String> = quoted.split("::").map(str::to_owned).collect();
                self.add(self.line(), &path, None);
            }
            self.at += 1;
        }
        let words = &self.tokens[start..self.at];
        let word = |at: usize, wanted: &str| {
            words
                .get(at)
                .is_some_and(|(_, token)| token.is_word(wanted))
        };
        let all = word(2, "all") && word(4, "test");
        if word(0, "cfg") && (word(2, "test") || all) {
            if inner {
                self.at = self.tokens.len();
            } else {
                self.skip_item();
            }
        }
    }

    /// Skips an item or statement, to its `;` or the end of its block; a field or variant, to its
    /// comma.
    fn skip_item(&mut self) {
        while self.is(0, '#') {
            self.attribute();
        }
        if self.is_word(0, "mod") && self.is(2, ';') {
            self.found.test_modules.extend(self.word(1));
        }
        let after_name = match self.is_word(0, "pub") {
            true if self.is(1, '(') => 5,
            true => 2,
            false => 1,
        };
        let field = self.is(after_name, ':') || self.is(after_name, ',');
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') if depth == 0 => return,
                Token::Mark(')' | ']') => depth -= 1,
                Token::Mark('}') => depth -= 1,
                _ => {}
            }
            let block_ends = self.is(0, '}') && !field;
            let ends = block_ends || self.is(0, ';') || field && self.is(0, ',');
            self.at += 1;
            if depth == 0 && ends {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Module, read};

    fn at(place: &str, text: &str) -> Module {
        let place: Vec<String> = place
            .split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        read(text, &place)
    }

    fn paths(place: &str, text: &str) -> Vec<String> {
        let imports = at(place, text).imports;
        imports
            .iter()
            .map(|import| {
                let path = import.path.join("::");
                let same = import.path.last() == Some(&import.name);
                let name = if same { "" } else { import.name.as_str() };
                format!("{}:{path} {name}", import.line)
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn uses_of_every_form() {
        let text = "use std::io;\nuse crate::a::B;\npub(crate) use super::c::{self, D as E, f::{G, \
                    H}};\nuse self::i::*;\nuse super::super::j;";
        let expected = [
            "2:a::B",
            "3:x::c",
            "3:x::c::D E",
            "3:x::c::f::G",
            "3:x::c::f::H",
            "4:x::y::i *",
            "5:j",
        ];
        assert_eq!(paths("x::y", text), expected);
    }

    #[test]
    fn a_tree_of_the_root() {
        assert_eq!(paths("x", "use crate::{a, b::C};"), ["1:a", "1:b::C"]);
        assert_eq!(
            paths("", "pub use a::B;\nuse std::io;"),
            ["1:a::B", "2:std::io"]
        );
    }

    #[test]
    fn paths_in_code() {
        let text = "fn f(a: &crate::a::A) -> super::b::B<u8> {\n    \
                    x!(crate::c::D::e::<u8>(1))\n}\npub(in crate::x) \
                    struct S;\nfn g() { for i in crate::h::I {} }";
        let expected = ["1:a::A", "1:x::b::B", "2:c::D::e", "5:h::I"];
        assert_eq!(paths("x::y", text), expected);
        assert_eq!(
            paths("x", "#[serde(with = \"crate::a::b\")]\nstruct S;"),
            ["1:a::b"]
        );
    }

    #[test]
    fn modules_within_a_file() {
        let text = "mod m {\n    use super::a;\n    fn f() { if x { super::super::b::C } }\n}\n\
                    use super::d;";
        assert_eq!(paths("x", text), ["2:x::a", "3:b::C", "5:d"]);
    }

    #[test]
    fn comments_text_and_tests_are_left_out() {
        let text = "//! [`crate::a`]\n/* crate::b */ const S: &str = \"crate::c\";\n\
                    #[cfg(test)]\nuse crate::d;\n#[cfg(all(test, not(loom)))]\n#[allow(x)]\n\
                    mod tests {\n    use crate::e;\n}\n#[cfg(test)]\nmod far;\n\
                    struct T {\n    #[cfg(test)]\n    f: crate::f::F<1>,\n    g: crate::g::G,\n}\n\
                    #[cfg(test)]\nfn h<A, B>(x: [u8; 2]) { crate::h() }\n#[cfg(not(loom))]\n\
                    use crate::i;";
        assert_eq!(paths("x", text), ["15:g::G", "20:i"]);
        assert_eq!(at("x", text).test_modules, ["far"]);
    }
}
