//! A definition as it stands in a file, its shape checked, its names not yet looked up.

use crate::condition::Condition;
use crate::source::Position;
use crate::value::Meta;

/// One definition.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) at: Position,
    pub(crate) meta: Meta,
    pub(crate) name: String,
    /// An index among the documents.
    pub(crate) doc: Option<usize>,
    pub(crate) condition: Option<Condition>,
    pub(crate) features: Vec<Feature>,
    pub(crate) body: Body,
}

/// What is defined.
#[derive(Debug)]
pub(crate) enum Body {
    Enum {
        prefix: Option<String>,
        values: Vec<EnumValue>,
    },
    Struct {
        base: Option<String>,
        members: Vec<MemberOf>,
    },
    Union {
        base: Arguments,
        discriminator: String,
        branches: Vec<BranchOf>,
    },
    Alternate {
        branches: Vec<BranchOf>,
    },
    Command {
        arguments: Arguments,
        returns: Option<TypeRef>,
        flags: Flags,
    },
    Event {
        arguments: Arguments,
        boxed: bool,
    },
}

/// A type's name, or an array of it.
#[derive(Debug, Clone)]
pub(crate) enum TypeRef {
    Name(String),
    Array(String),
}

/// Members, by the name of a type or in place.
#[derive(Debug)]
pub(crate) enum Arguments {
    None,
    Type(String),
    Members(Vec<MemberOf>),
}

#[derive(Debug)]
pub(crate) struct MemberOf {
    pub(crate) name: String,
    pub(crate) optional: bool,
    pub(crate) of: TypeRef,
    pub(crate) condition: Option<Condition>,
    pub(crate) features: Vec<Feature>,
}

#[derive(Debug)]
pub(crate) struct BranchOf {
    pub(crate) name: String,
    pub(crate) of: TypeRef,
    pub(crate) condition: Option<Condition>,
}

/// A feature: a string that tells clients of something that the rest of the schema does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// When it is there.
    pub condition: Option<Condition>,
}

/// A value of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// As on the wire.
    pub name: String,
    /// When it is there.
    pub condition: Option<Condition>,
    /// Its features.
    pub features: Vec<Feature>,
}

/// A command's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// Arguments come as one struct.
    pub boxed: bool,
    /// Arguments are decoded and the result is encoded by generated code.
    pub generate: bool,
    /// There is an answer if it succeeds.
    pub success_response: bool,
    /// May run out of band.
    pub allow_oob: bool,
    /// May run before the machine is there.
    pub allow_preconfig: bool,
    /// May run in a coroutine.
    pub coroutine: bool,
}
