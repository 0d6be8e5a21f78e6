//! Documentation comments: what each line of one belongs to.

use crate::error::Problem;
use crate::source::Position;

/// A documentation comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Of its first line.
    pub at: Position,
    /// What it documents; none for free-form documentation.
    pub symbol: Option<String>,
    /// The text before all sections.
    pub body: String,
    /// What `@name:` says, one for each argument, member or value; those that are not documented
    /// come last and have no text.
    pub arguments: Vec<Section>,
    /// The same for features.
    pub features: Vec<Section>,
    /// The tagged sections, and untagged text between them.
    pub sections: Vec<Section>,
}

/// A part of a documentation comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The name of what is documented, or the tag without its colon; none for untagged text.
    pub name: Option<String>,
    /// Without blank lines around it.
    pub text: String,
}

impl Section {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// The tags that start a section.
const TAGS: [&str; 7] = [
    "Returns:",
    "Since:",
    "Note:",
    "Notes:",
    "Example:",
    "Examples:",
    "TODO:",
];

/// The tags that may stand only once.
const ONCE: [&str; 2] = ["Returns", "Since"];

/// Which part of the comment is being read: what may start on the next line depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Body,
    Arguments,
    Features,
    Sections,
}

/// Builds a [`Doc`] line by line.
#[derive(Debug)]
pub(crate) struct Builder {
    doc: Doc,
    part: Part,
    /// Where text goes. It lags behind `part`: after `Features:` it changes with the first feature.
    open: Part,
    /// What a line of the open section must be indented by.
    indent: usize,
}

impl Builder {
    pub(crate) fn new(at: Position) -> Builder {
        Builder {
            doc: Doc {
                at,
                symbol: None,
                body: String::new(),
                arguments: Vec::new(),
                features: Vec::new(),
                sections: Vec::new(),
            },
            part: Part::Body,
            open: Part::Body,
            indent: 0,
        }
    }

    pub(crate) fn symbol(&self) -> Option<&str> {
        self.doc.symbol.as_deref()
    }

    /// Whether there is any text yet, blank lines included.
    pub(crate) fn has_text(&self) -> bool {
        !self.doc.body.is_empty()
    }

    /// Takes a line, `#` included.
    pub(crate) fn line(&mut self, comment: &str) -> Result<(), Problem> {
        let line = comment.strip_prefix('#').unwrap_or(comment);
        if line.is_empty() {
            return self.text(line);
        }
        let line = line.strip_prefix(' ').ok_or(Problem::NoSpaceInDoc)?;
        let word = line.split(' ').next().unwrap_or(line);
        if self.doc.symbol.is_none() {
            return match line.strip_prefix('@') {
                Some(symbol) if !self.has_text() => self.name_symbol(symbol),
                _ => self.text(line),
            };
        }
        let argument = word.strip_prefix('@').and_then(|w| w.strip_suffix(':'));
        match (self.part, argument) {
            (Part::Sections, Some(_)) => {
                let first = self.doc.sections.first().and_then(|s| s.name.clone());
                let first = first.unwrap_or_else(|| "None".to_owned());
                return Err(Problem::ArgumentAfterSection(word.to_owned(), first));
            }
            (Part::Features, Some(name)) => {
                self.start_symbol(Part::Features, name)?;
                return self.first_line(word, line);
            }
            (_, Some(name)) => {
                self.part = Part::Arguments;
                self.start_symbol(Part::Arguments, name)?;
                return self.first_line(word, line);
            }
            (_, None) => {}
        }
        if TAGS.contains(&word) {
            self.start_section(word.strip_suffix(':'))?;
            return self.first_line(word, line);
        }
        // A paragraph that is not indented ends the description of an argument.
        let paragraph = self.after_blank() && line.starts_with(|c: char| !c.is_whitespace());
        match self.part {
            Part::Body if line == "Features:" => self.part = Part::Features,
            Part::Arguments if paragraph && line == "Features:" => self.part = Part::Features,
            Part::Arguments | Part::Features if paragraph => {
                self.start_section(None)?;
                return self.text(line);
            }
            _ => return self.text(line),
        }
        Ok(())
    }

    /// The comment is over.
    pub(crate) fn finish(mut self) -> Result<Doc, Problem> {
        self.close()?;
        Ok(self.doc)
    }

    fn name_symbol(&mut self, symbol: &str) -> Result<(), Problem> {
        let name = symbol.strip_suffix(':').ok_or(Problem::NoColon)?;
        if name.is_empty() {
            return Err(Problem::NoSymbol);
        }
        self.doc.symbol = Some(name.to_owned());
        Ok(())
    }

    fn start_symbol(&mut self, part: Part, name: &str) -> Result<(), Problem> {
        let list = match part {
            Part::Features => &self.doc.features,
            _ => &self.doc.arguments,
        };
        if name.is_empty() {
            return Err(Problem::NoParameterName);
        }
        if list.iter().any(|section| section.is(name)) {
            return Err(Problem::DuplicateParameter(name.to_owned()));
        }
        self.open(part, Some(name))
    }

    fn start_section(&mut self, name: Option<&str>) -> Result<(), Problem> {
        if let Some(name) = name
            && ONCE.contains(&name)
            && self.doc.sections.iter().any(|section| section.is(name))
        {
            return Err(Problem::DuplicateSection(name.to_owned()));
        }
        self.part = Part::Sections;
        self.open(Part::Sections, name)
    }

    fn open(&mut self, part: Part, name: Option<&str>) -> Result<(), Problem> {
        self.close()?;
        self.open = part;
        self.indent = 0;
        let list = match part {
            Part::Arguments => &mut self.doc.arguments,
            Part::Features => &mut self.doc.features,
            Part::Body | Part::Sections => &mut self.doc.sections,
        };
        list.push(Section {
            name: name.map(str::to_owned),
            text: String::new(),
        });
        Ok(())
    }

    /// Only the body may be empty.
    fn close(&mut self) -> Result<(), Problem> {
        let body = self.open == Part::Body;
        let (name, text) = self.current();
        *text = text.trim().to_owned();
        match name {
            Some(name) if text.is_empty() && !body => Err(Problem::EmptySection(name.clone())),
            _ => Ok(()),
        }
    }

    /// Name and text of the open section.
    fn current(&mut self) -> (Option<&String>, &mut String) {
        let doc = &mut self.doc;
        let section = match self.open {
            Part::Body => None,
            Part::Arguments => doc.arguments.last_mut(),
            Part::Features => doc.features.last_mut(),
            Part::Sections => doc.sections.last_mut(),
        };
        match section {
            Some(section) => (section.name.as_ref(), &mut section.text),
            None => (None, &mut doc.body),
        }
    }

    fn after_blank(&mut self) -> bool {
        self.current().1.ends_with("\n\n")
    }

    /// What stands behind the word that starts a section. The lines that follow are indented as
    /// this text is.
    fn first_line(&mut self, word: &str, line: &str) -> Result<(), Problem> {
        let rest = line[word.len()..].trim_start();
        self.indent = match rest {
            "" => 0,
            _ => line.chars().count() - rest.chars().count(),
        };
        let indented = format!("{:1$}{rest}", "", self.indent);
        self.text(if rest.is_empty() { "" } else { &indented })
    }

    fn text(&mut self, line: &str) -> Result<(), Problem> {
        let run = line.split(char::is_whitespace).next().unwrap_or("");
        if let Some(end) = run
            .rfind(':')
            .filter(|end| run.starts_with('@') && *end > 1)
        {
            return Err(Problem::ArgumentInText(run[..=end].to_owned()));
        }
        let indent = self.indent;
        let stripped = line.trim_start();
        if !line.is_empty() && line.chars().count() - stripped.chars().count() < indent {
            return Err(Problem::DeIndent(indent));
        }
        let rest: String = line.chars().skip(indent).collect();
        let text = self.current().1;
        text.push_str(&rest);
        text.push('\n');
        Ok(())
    }
}
