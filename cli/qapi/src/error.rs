//! What can be wrong with a schema: one table, [`Problem`], and where it is wrong, [`Error`].

use std::fmt;

use crate::source::Position;
use crate::value::Meta;

/// A schema that is refused. Displays as the include chain, the definition if the fault lies inside
/// one, and `FILE:LINE:COLUMN: reason`, each on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where; `None` if the schema's first file cannot be read. For a fault inside a definition
    /// this is where the definition starts.
    pub at: Option<Position>,
    /// The definition that the fault lies in.
    pub definition: Option<Box<(Meta, String)>>,
    /// What is wrong.
    pub problem: Problem,
    /// Another place that belongs to it, as of an earlier definition of the same name.
    pub other: Option<Box<Error>>,
}

impl Error {
    pub(crate) fn new(at: &Position, problem: Problem) -> Error {
        Error {
            at: Some(at.clone()),
            definition: None,
            problem,
            other: None,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            for from in at.includes() {
                writeln!(f, "In file included from {}:{}:", from.file.name, from.line)?;
            }
            if let Some((meta, name)) = self.definition.as_deref() {
                writeln!(f, "{}: In {meta} '{name}':", at.file.name)?;
            }
            write!(f, "{at}: ")?;
        }
        write!(f, "{}", self.problem)?;
        match &self.other {
            Some(other) => write!(f, "\n{other}"),
            None => Ok(()),
        }
    }
}

/// The table of problems, from which the enum and the list of its names come.
macro_rules! problems {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident $(($($field:ident: $type:ty),*))? => ($($format:tt)*);
    )*) => {
        /// Why a schema is refused.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Problem {
            $($(#[doc = $doc])* #[error($($format)*)] $name $(($($type),*))?,)*
        }

        impl Problem {
            /// The names of all problems, in the order of the table.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// This one's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Problem::$name { .. } => stringify!($name),)* }
            }
        }
    };
}

problems! {
    // Files.
    /// The first file cannot be read.
    NoSchema(file: String, cause: String) => ("can't read schema file '{0}': {1}");
    /// An included file cannot be read.
    NoInclude(file: String, cause: String) => ("can't read include file '{0}': {1}");
    /// A file includes itself, directly or not.
    InclusionLoop(file: String) => ("inclusion loop for {0}");

    // Tokens.
    /// Something that starts no token.
    Stray(text: String) => ("stray '{0}'");
    /// A string that goes on at the end of its line.
    UnterminatedString => ("missing terminating \"'\"");
    /// A backslash with something else than a backslash behind it.
    UnknownEscape(character: char) => ("unknown escape \\{0}");
    /// A string with something else than printable ASCII.
    FunnyCharacter => ("funny character in string");

    // JSON.
    /// Another token was expected.
    Expected(what: &'static str) => ("expected {0}");
    /// A key stands twice in an object.
    DuplicateKey(key: String) => ("duplicate key '{0}'");
    /// Arrays and objects in each other without end.
    TooDeep(limit: usize) => ("nested more than {0} deep");

    // Top level.
    /// An expression that is a string or an array.
    NotAnObject => ("top-level expression must be an object");
    /// A directive with other keys beside it.
    BadDirective(directive: &'static str) => ("invalid '{0}' directive");
    /// A directive with a value of the wrong kind.
    DirectiveValue(directive: &'static str, kind: &'static str) => ("value of '{0}' must be {1}");
    /// A pragma that does not exist.
    UnknownPragma(name: String) => ("unknown pragma '{0}'");
    /// `doc-required` with something else than a boolean.
    PragmaNotBoolean(name: &'static str) => ("pragma '{0}' must be boolean");
    /// An exception list that is none.
    PragmaNotAList(name: &'static str) => ("pragma {0} must be a list of strings");
    /// No key, or more than one, that says what is defined.
    NoOneMeta => ("expression must have exactly one key 'enum', 'struct', 'union', 'alternate', \
        'command', 'event'");

    // Documentation comments.
    /// Text behind the `##` that starts a comment.
    JunkAtDocStart => ("junk after '##' at start of documentation comment");
    /// Text behind the `##` that ends a comment.
    JunkAtDocEnd => ("junk after '##' at end of documentation comment");
    /// A comment that does not end.
    UnterminatedDoc => ("documentation comment must end with '##'");
    /// A line of a comment with no space after `#`.
    NoSpaceInDoc => ("missing space after #");
    /// A heading in a definition's documentation.
    HeadingInDefinition => ("unexpected '=' markup in definition documentation");
    /// `@symbol` without a colon.
    NoColon => ("line should end with ':'");
    /// `@:` as the symbol.
    NoSymbol => ("name required after '@'");
    /// `@:` as an argument.
    NoParameterName => ("invalid parameter name");
    /// An argument or feature is documented twice.
    DuplicateParameter(name: String) => ("'{0}' parameter name duplicated");
    /// A section that may stand once stands twice.
    DuplicateSection(name: String) => ("duplicated '{0}' section");
    /// A section without text.
    EmptySection(name: String) => ("empty doc section '{0}'");
    /// An argument behind a tagged section.
    ArgumentAfterSection(argument: String, section: String) => ("'{0}' can't follow '{1}' section");
    /// `@argument:` where only text may stand.
    ArgumentInText(argument: String) => ("'{0}' not allowed in free-form documentation");
    /// A line that is indented less than its section's first.
    DeIndent(indent: usize) => ("unexpected de-indent (expected at least {0} spaces)");
    /// A definition's documentation without the definition.
    DocWithoutDefinition(symbol: String) => ("documentation for '{0}' is not followed by the \
        definition");
    /// A definition behind a free-form comment.
    FreeFormDoc => ("definition documentation required");
    /// `doc-required`, and there is none.
    DocRequired => ("documentation comment required");
    /// Documentation of something else.
    DocForOther(symbol: String) => ("documentation comment is for '{0}'");
    /// `Returns:` for something that is no command.
    ReturnsWithoutCommand => ("'Returns:' is only valid for commands");
    /// A feature without documentation in a definition that has some.
    UndocumentedFeature(name: String) => ("feature '{0}' lacks documentation");
    /// What is documented does not exist.
    DocumentedNothing(kind: &'static str, name: String) => ("documented {0} '{1}' does not exist");
    /// The same of several, with `', '` between them.
    DocumentedNothings(kind: &'static str, names: String) => ("documented {0}s '{1}' do not exist");

    // Shape of a definition.
    /// A name that is no string.
    NameNotString(source: String) => ("{0} requires a string name");
    /// A name with characters that names have not, or a reserved prefix.
    InvalidName(source: String) => ("{0} has an invalid name");
    /// An event's name.
    NotUpper(source: String) => ("name of {0} must not use lowercase or '-'");
    /// A name of a command, member, feature.
    NotLower(source: String) => ("name of {0} must not use uppercase or '_'");
    /// A type's name.
    NotCamel(source: String) => ("name of {0} must use CamelCase");
    /// `u`, and what starts with `has-`.
    ReservedName(source: String) => ("{0} uses reserved name");
    /// Names of arrays are made from those of their elements.
    ListName(meta: Meta) => ("{0} name should not end in 'List'");
    /// A key that must be there is not.
    MissingKeys(source: String, keys: Names) => ("{0} misses key{1:#}");
    /// A key that must not be there is.
    UnknownKeys(source: String, keys: Names, valid: Names) => ("{0} has unknown key{1:#}\nValid \
        keys are {2}.");
    /// A value that is not of the kind that it must be.
    MustBe(source: String, kind: &'static str) => ("{0} must be {1}");
    /// `data` of an alternate without members.
    MustNotBeEmpty(source: &'static str) => ("{0} must not be empty");
    /// An array of types where it cannot be.
    NoArray(source: String) => ("{0} cannot be an array");
    /// An array of something else than one name.
    BadArray(source: String) => ("{0}: array type must contain single type name");
    /// Members in place, or something else, where a type's name must be.
    NotATypeName(source: String) => ("{0} should be a type name");
    /// Neither members nor a type's name.
    NotMembersOrTypeName(source: String) => ("{0} should be an object or type name");
    /// `boxed` without arguments.
    BoxedNothing => ("'boxed': true requires 'data'");
    /// A flag that can only be one thing.
    Flag(name: &'static str, only: bool) => ("flag '{0}' may only use {1} value");
    /// Both flags.
    OobCoroutine => ("flags 'allow-oob' and 'coroutine' are incompatible");
    /// A symbol that is none.
    ConditionSymbol(text: String, source: String) => ("'if' condition '{0}' of {1} is not a valid \
        identifier");
    /// `all` and `any` of nothing.
    ConditionEmpty(source: String) => ("'if' condition [] of {0} is useless");
    /// More or less than one operator.
    ConditionKeys(source: String) => ("'if' condition of {0} has conflicting keys");

    // Meaning.
    /// The name is taken.
    AlreadyDefined(what: String) => ("{0} is already defined");
    /// Where it was taken.
    PreviousDefinition => ("previous definition");
    /// A type that does not exist.
    UnknownType(what: String, name: String) => ("{0} uses unknown type '{1}'");
    /// A base that is no struct.
    BadBase(other: String) => ("'base' requires a struct type, {0} isn't");
    /// A struct that would be infinite.
    ContainsItself(name: String) => ("object {0} contains itself");
    /// Bases of bases, or branches of branches, without end.
    TooManyBases(limit: usize) => ("types contain each other more than {0} deep");
    /// Two names that are one in the generated code.
    Collision(this: String, other: String) => ("{0} collides with {1}");
    /// The tag is not there.
    NoDiscriminator(name: String) => ("discriminator '{0}' is not a member of 'base'");
    /// The tag is not as it must be.
    BadDiscriminator(name: String, base: String, rule: &'static str) => ("discriminator member \
        '{0}' of {1} must {2}");
    /// A union over an empty enum.
    NoBranches => ("union has no branches");
    /// A branch for a value that the tag cannot have.
    BranchNotAValue(branch: String, enumeration: String) => ("branch '{0}' is not a value of {1}");
    /// A branch of a type that a branch cannot have.
    BranchCannotUse(branch: String, other: String) => ("branch '{0}' cannot use {1}");
    /// Two branches of an alternate that look the same in JSON.
    Indistinguishable(branch: String, other: String) => ("branch '{0}' can't be distinguished from \
        '{1}'");
    /// Arguments or a result that cannot be.
    CannotTake(meta: Meta, key: &'static str, other: String) => ("{0}'s '{1}' cannot take {2}");
    /// Arguments in a union that are not boxed.
    OnlyBoxed(meta: Meta, other: String) => ("{0}'s 'data' can take {1} only with 'boxed': true");
    /// Features of types that only members may have.
    FeatureOfType(name: String) => ("feature '{0}' is not supported for types");
}

/// Names; displayed quoted and sorted. The form `{:#}` starts with the plural `s` if there are
/// several, and a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(if self.0.len() > 1 { "s " } else { " " })?;
        }
        let mut quoted: Vec<String> = self.0.iter().map(|name| format!("'{name}'")).collect();
        quoted.sort();
        f.write_str(&quoted.join(", "))
    }
}
