//! A checked schema: entities that refer to each other by name, and every name exists.

use std::collections::BTreeMap;
use std::path::Path;

use crate::condition::Condition;
use crate::definition::{EnumValue, Feature, Flags};
use crate::doc::Doc;
use crate::error::{Error, Problem};
use crate::source::Position;
use crate::value::Meta;

/// The type of no members: what a command without arguments takes, and one without a result
/// returns.
pub const EMPTY: &str = "q_empty";

/// A checked schema.
#[derive(Debug)]
pub struct Schema {
    /// The built-in one first, then in the order in which they are included.
    pub modules: Vec<Module>,
    /// In the order of definition, after the built-in ones.
    pub entities: Vec<Entity>,
    /// In the order of the files.
    pub docs: Vec<Doc>,
    pub(crate) by_name: BTreeMap<String, usize>,
    /// Commands that may return what others may not.
    pub(crate) command_returns: Vec<String>,
}

/// A file, or the built-in types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Relative to the folder of the first file.
    pub name: String,
}

/// Something that has a name, or a directive.
#[derive(Debug)]
pub struct Entity {
    /// Types, commands and events have one name space. Empty for a directive.
    pub name: String,
    /// Of the definition that it comes from; none for what is built in.
    pub at: Option<Position>,
    /// The definition that it comes from: for an array the first one that uses it.
    pub definition: Option<(Meta, String)>,
    /// An index into the modules.
    pub module: usize,
    /// When it is there.
    pub condition: Option<Condition>,
    /// Its features.
    pub features: Vec<Feature>,
    /// An index into the documents.
    pub doc: Option<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What an entity is, and what belongs to that.
#[derive(Debug)]
pub enum Kind {
    /// A type that needs no definition.
    Builtin(Json),
    /// An enumeration.
    Enum {
        /// For the constants of generated C.
        prefix: Option<String>,
        /// In order.
        values: Vec<EnumValue>,
    },
    /// A struct, a union, or members given in place.
    Object(Object),
    /// An array of a type.
    Array {
        /// The type's name.
        element: String,
    },
    /// One of several types, told apart by their JSON.
    Alternate {
        /// In order.
        branches: Vec<Branch>,
    },
    /// A command.
    Command {
        /// The type of its arguments.
        arguments: Option<String>,
        /// The type of its result.
        returns: Option<String>,
        /// Its flags.
        flags: Flags,
    },
    /// An event.
    Event {
        /// The type of its data.
        arguments: Option<String>,
        /// Its data come as one struct.
        boxed: bool,
    },
    /// A module that is included.
    Include(usize),
}

/// What a built-in type is in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// A string.
    String,
    /// A number.
    Number,
    /// A number without a fraction, with its range.
    Int {
        /// Has no negative values.
        unsigned: bool,
        /// 8, 16, 32 or 64.
        bits: u8,
    },
    /// `true` or `false`.
    Boolean,
    /// Anything.
    Value,
    /// `null`.
    Null,
}

/// A type with members.
#[derive(Debug, Default)]
pub struct Object {
    /// The type that the first members come from.
    pub base: Option<String>,
    /// Its own members.
    pub members: Vec<Member>,
    /// The tag, and what follows from its values.
    pub variants: Option<Variants>,
    /// Members given in place: whose they are, and as what.
    pub implicit: Option<Role>,
}

/// What members that are given in place are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Arguments of a command, data of an event.
    Arguments,
    /// Common members of a union.
    Base,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As on the wire.
    pub name: String,
    /// Its type.
    pub of: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// When it is there.
    pub condition: Option<Condition>,
    /// Its features.
    pub features: Vec<Feature>,
}

/// A union's branches.
#[derive(Debug)]
pub struct Variants {
    /// The member that decides.
    pub tag: String,
    /// One for each value of the tag's type, those that the schema names first.
    pub branches: Vec<Branch>,
}

/// A branch of a union or of an alternate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// In a union, the value of the tag.
    pub name: String,
    /// Its type.
    pub of: String,
    /// When it is there.
    pub condition: Option<Condition>,
}

impl Schema {
    /// Reads and checks a schema, and what it includes.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn load(file: &Path) -> Result<Schema, Error> {
        let parsed = crate::parse::parse(file)?;
        let mut schema = crate::declare::declare(parsed)?;
        crate::check::check(&mut schema)?;
        Ok(schema)
    }

    /// The entity of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entity> {
        self.by_name.get(name).map(|index| &self.entities[*index])
    }

    /// All members of a type with members, the base's first.
    #[must_use]
    pub fn members<'s>(&'s self, object: &'s Object) -> Vec<&'s Member> {
        self.owned_members(object, "")
            .into_iter()
            .map(|(member, _)| member)
            .collect()
    }

    /// The same with the name of the type that each comes from; the outermost is given.
    pub(crate) fn owned_members<'s>(
        &'s self,
        object: &'s Object,
        name: &'s str,
    ) -> Vec<(&'s Member, &'s str)> {
        let mut all = match &object.base {
            Some(base) => match self.get(base).map(|entity| &entity.kind) {
                Some(Kind::Object(object)) => self.owned_members(object, base),
                _ => Vec::new(),
            },
            None => Vec::new(),
        };
        all.extend(object.members.iter().map(|member| (member, name)));
        all
    }

    /// The documentation of an entity.
    #[must_use]
    pub fn doc(&self, entity: &Entity) -> Option<&Doc> {
        entity.doc.map(|doc| &self.docs[doc])
    }
}

impl Entity {
    /// The type's members, if it can have any.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// A fault of its definition.
    pub(crate) fn error(&self, problem: Problem) -> Error {
        Error {
            at: self.at.clone(),
            definition: self.definition.clone().map(Box::new),
            problem,
            other: None,
        }
    }

    /// For messages: what it is, and its name.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        let name = &self.name;
        match &self.kind {
            Kind::Builtin(_) => format!("built-in type '{name}'"),
            Kind::Enum { .. } => format!("enum type '{name}'"),
            Kind::Object(object) if object.variants.is_some() => format!("union type '{name}'"),
            Kind::Object(object) if object.implicit.is_none() && name != EMPTY => {
                format!("struct type '{name}'")
            }
            Kind::Object(_) => format!("object type '{name}'"),
            Kind::Array { element } => format!("array type ['{element}']"),
            Kind::Alternate { .. } => format!("alternate type '{name}'"),
            Kind::Command { .. } => format!("command '{name}'"),
            Kind::Event { .. } => format!("event '{name}'"),
            Kind::Include(_) => "include directive".to_owned(),
        }
    }
}
