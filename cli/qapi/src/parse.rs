//! Files to expressions: JSON, documentation, and the two directives.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::doc::{Builder, Doc};
use crate::error::{Error, Problem};
use crate::lex::{Lexer, Place, Token};
use crate::source::{Position, SourceFile};
use crate::value::{Object, Value};

/// How deep values may nest; and how long a chain of includes may be.
const DEPTH: usize = 128;

/// What the pragmas of all files say; the last one counts.
#[derive(Debug, Default)]
pub(crate) struct Pragmas {
    pub(crate) doc_required: bool,
    pub(crate) command_names: Vec<String>,
    pub(crate) command_returns: Vec<String>,
    pub(crate) member_names: Vec<String>,
}

/// What a file consists of, directives for the parser aside.
#[derive(Debug)]
pub(crate) enum Item {
    /// What the file includes, by its name as in messages.
    Include { at: Position, file: PathBuf },
    /// A definition that is not looked at yet; its documentation is an index into [`Parsed::docs`].
    Expression {
        at: Position,
        object: Object,
        doc: Option<usize>,
    },
}

/// All files, the included ones in place of their first directive.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) root: Arc<SourceFile>,
    pub(crate) items: Vec<Item>,
    pub(crate) docs: Vec<Doc>,
    pub(crate) pragmas: Pragmas,
}

/// Reads a schema and what it includes.
pub(crate) fn parse(file: &Path) -> Result<Parsed, Error> {
    let root = Arc::new(SourceFile {
        name: file.display().to_string(),
        path: absolute(file),
        included_from: None,
    });
    let text = fs::read_to_string(file).map_err(|cause| Error {
        at: None,
        definition: None,
        problem: Problem::NoSchema(root.name.clone(), reason(&cause)),
        other: None,
    })?;
    let mut parsed = Parsed {
        root: root.clone(),
        items: Vec::new(),
        docs: Vec::new(),
        pragmas: Pragmas::default(),
    };
    let mut known = BTreeSet::from([root.path.clone()]);
    File::new(root, text, &mut parsed, &mut known)?.read()?;
    Ok(parsed)
}

/// As the system says it, without the number.
fn reason(cause: &io::Error) -> String {
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Without `.` and `..`, which are not looked up: as QEMU's generator does it.
fn absolute(file: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(file)
        .unwrap_or_else(|_| file.to_owned())
        .components()
    {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// A file that is being read.
struct File<'p> {
    file: Arc<SourceFile>,
    lexer: Lexer,
    token: Token,
    place: Place,
    parsed: &'p mut Parsed,
    /// The files that were read, or are being read.
    known: &'p mut BTreeSet<PathBuf>,
}

impl<'p> File<'p> {
    fn new(
        file: Arc<SourceFile>,
        text: String,
        parsed: &'p mut Parsed,
        known: &'p mut BTreeSet<PathBuf>,
    ) -> Result<File<'p>, Error> {
        let mut file = File {
            file,
            lexer: Lexer::new(text),
            token: Token::End,
            place: (1, 1),
            parsed,
            known,
        };
        file.advance(false)?;
        Ok(file)
    }

    fn read(mut self) -> Result<(), Error> {
        // The documentation right before the next expression.
        let mut doc = None;
        loop {
            let at = self.at();
            match &self.token {
                Token::End => return self.unused(doc),
                Token::Comment(_) => {
                    self.unused(doc)?;
                    self.doc_comment()?;
                    doc = Some(self.parsed.docs.len() - 1);
                    continue;
                }
                _ => {}
            }
            let Value::Object(object) = self.value(0)? else {
                return Err(Error::new(&at, Problem::NotAnObject));
            };
            if let Some(value) = object.get("include") {
                self.unused(doc)?;
                alone(&object, "include").map_err(|problem| Error::new(&at, problem))?;
                self.include(&at, value)?;
            } else if let Some(value) = object.get("pragma") {
                self.unused(doc)?;
                alone(&object, "pragma")
                    .and_then(|()| set_pragmas(&mut self.parsed.pragmas, value))
                    .map_err(|problem| Error::new(&at, problem))?;
            } else {
                if let Some(free) = doc.map(|doc: usize| &self.parsed.docs[doc])
                    && free.symbol.is_none()
                {
                    return Err(Error::new(&free.at, Problem::FreeFormDoc));
                }
                self.parsed.items.push(Item::Expression { at, object, doc });
            }
            doc = None;
        }
    }

    /// A definition's documentation must stand right before it.
    fn unused(&self, doc: Option<usize>) -> Result<(), Error> {
        let Some(doc) = doc.map(|doc| &self.parsed.docs[doc]) else {
            return Ok(());
        };
        match &doc.symbol {
            Some(symbol) => {
                let problem = Problem::DocWithoutDefinition(symbol.clone());
                Err(Error::new(&doc.at, problem))
            }
            None => Ok(()),
        }
    }

    fn include(&mut self, at: &Position, value: &Value) -> Result<(), Error> {
        let fail = |problem| Err(Error::new(at, problem));
        let Value::String(name) = value else {
            return fail(Problem::DirectiveValue("include", "a string"));
        };
        let folder = Path::new(&self.file.name).parent().unwrap_or(Path::new(""));
        let named = folder.join(name);
        let path = absolute(&named);
        self.parsed.items.push(Item::Include {
            at: at.clone(),
            file: path.clone(),
        });
        let chain = at.includes();
        let outer = chain.iter().map(|from| &from.file);
        if outer.chain([&self.file]).any(|file| file.path == path) {
            return fail(Problem::InclusionLoop(name.clone()));
        }
        if chain.len() >= DEPTH {
            return fail(Problem::TooDeep(DEPTH));
        }
        if !self.known.insert(path.clone()) {
            return Ok(());
        }
        let file = Arc::new(SourceFile {
            name: named.display().to_string(),
            path,
            included_from: Some(at.clone()),
        });
        match fs::read_to_string(&named) {
            Ok(text) => File::new(file, text, self.parsed, self.known)?.read(),
            Err(cause) => fail(Problem::NoInclude(file.name.clone(), reason(&cause))),
        }
    }

    /// One comment makes several documents where headings divide it.
    fn doc_comment(&mut self) -> Result<(), Error> {
        let at = self.at();
        let mut builder = Builder::new(at.clone());
        self.doc_line(|line| match line {
            "##" => Ok(()),
            _ => Err(Problem::JunkAtDocStart),
        })?;
        loop {
            let Token::Comment(line) = self.token.clone() else {
                return Err(Error::new(&self.at(), Problem::UnterminatedDoc));
            };
            if line.starts_with("##") {
                if line != "##" {
                    return Err(Error::new(&self.at(), Problem::JunkAtDocEnd));
                }
                self.end_of_doc(builder)?;
                return self.advance(false);
            }
            if line.starts_with("# =") {
                if builder.symbol().is_some() {
                    return Err(Error::new(&self.at(), Problem::HeadingInDefinition));
                }
                if builder.has_text() {
                    let before = std::mem::replace(&mut builder, Builder::new(at.clone()));
                    self.end_of_doc(before)?;
                }
            }
            self.doc_line(|line| builder.line(line))?;
        }
    }

    /// Hands over the line, and goes on to the next.
    fn doc_line(&mut self, take: impl FnOnce(&str) -> Result<(), Problem>) -> Result<(), Error> {
        if let Token::Comment(line) = &self.token {
            take(line).map_err(|problem| Error::new(&self.at(), problem))?;
        }
        self.advance(true)
    }

    fn end_of_doc(&mut self, builder: Builder) -> Result<(), Error> {
        let doc = builder
            .finish()
            .map_err(|problem| Error::new(&self.at(), problem))?;
        self.parsed.docs.push(doc);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > DEPTH {
            return Err(Error::new(&self.at(), Problem::TooDeep(DEPTH)));
        }
        match std::mem::replace(&mut self.token, Token::End) {
            Token::String(text) => self.advance(false).map(|()| Value::String(text)),
            Token::Bool(value) => self.advance(false).map(|()| Value::Bool(value)),
            Token::Mark('{') => {
                self.advance(false)?;
                self.object(depth).map(Value::Object)
            }
            Token::Mark('[') => {
                self.advance(false)?;
                self.array(depth).map(Value::Array)
            }
            _ => self.expected("'{', '[', string, or boolean"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, Error> {
        let mut object = Object::default();
        if self.skip('}')? {
            return Ok(object);
        }
        if !matches!(self.token, Token::String(_)) {
            return self.expected("string or '}'");
        }
        loop {
            let Token::String(key) = self.token.clone() else {
                return self.expected("string");
            };
            self.advance(false)?;
            if !self.skip(':')? {
                return self.expected("':'");
            }
            if object.get(&key).is_some() {
                return Err(Error::new(&self.at(), Problem::DuplicateKey(key)));
            }
            let value = self.value(depth + 1)?;
            object.0.push((key, value));
            if self.skip('}')? {
                return Ok(object);
            }
            if !self.skip(',')? {
                return self.expected("',' or '}'");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        if self.skip(']')? {
            return Ok(values);
        }
        if matches!(self.token, Token::Mark(mark) if !"{[".contains(mark))
            || matches!(self.token, Token::Comment(_) | Token::End)
        {
            return self.expected("'{', '[', ']', string, or boolean");
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.skip(']')? {
                return Ok(values);
            }
            if !self.skip(',')? {
                return self.expected("',' or ']'");
            }
        }
    }

    fn expected<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::new(&self.at(), Problem::Expected(what)))
    }

    /// Whether the mark is here; then goes on.
    fn skip(&mut self, mark: char) -> Result<bool, Error> {
        let here = self.token == Token::Mark(mark);
        if here {
            self.advance(false)?;
        }
        Ok(here)
    }

    fn advance(&mut self, comments: bool) -> Result<(), Error> {
        match self.lexer.next(comments) {
            Ok((token, place)) => {
                (self.token, self.place) = (token, place);
                Ok(())
            }
            Err((problem, place)) => {
                self.place = place;
                Err(Error::new(&self.at(), problem))
            }
        }
    }

    fn at(&self) -> Position {
        let (line, column) = self.place;
        Position {
            file: self.file.clone(),
            line,
            column,
        }
    }
}

fn alone(object: &Object, directive: &'static str) -> Result<(), Problem> {
    match object.0.len() {
        1 => Ok(()),
        _ => Err(Problem::BadDirective(directive)),
    }
}

fn set_pragmas(pragmas: &mut Pragmas, value: &Value) -> Result<(), Problem> {
    let Value::Object(object) = value else {
        return Err(Problem::DirectiveValue("pragma", "an object"));
    };
    for (name, value) in &object.0 {
        let (name, list) = match name.as_str() {
            "doc-required" => {
                let Value::Bool(required) = value else {
                    return Err(Problem::PragmaNotBoolean("doc-required"));
                };
                pragmas.doc_required = *required;
                continue;
            }
            "command-name-exceptions" => ("command-name-exceptions", &mut pragmas.command_names),
            "command-returns-exceptions" => {
                ("command-returns-exceptions", &mut pragmas.command_returns)
            }
            "member-name-exceptions" => ("member-name-exceptions", &mut pragmas.member_names),
            other => return Err(Problem::UnknownPragma(other.to_owned())),
        };
        *list = strings(value).ok_or(Problem::PragmaNotAList(name))?;
    }
    Ok(())
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().map(text).collect()
}
