//! The library of the generated code. It checks arguments against a table of their types, with
//! QEMU's messages, before serde makes typed values of them. `rr qapi gen` makes the tables.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The class of an error, by which clients tell errors apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Any error without a class of its own.
    GenericError,
    /// The command does not exist, or is not allowed now.
    CommandNotFound,
    /// The device is not active.
    DeviceNotActive,
    /// No such device.
    DeviceNotFound,
    /// The accelerator lacks a feature.
    KvmMissingCap,
}

impl ErrorClass {
    /// The name in QMP.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::GenericError => "GenericError",
            ErrorClass::CommandNotFound => "CommandNotFound",
            ErrorClass::DeviceNotActive => "DeviceNotActive",
            ErrorClass::DeviceNotFound => "DeviceNotFound",
            ErrorClass::KvmMissingCap => "KVMMissingCap",
        }
    }
}

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct CommandError {
    /// The class, for programs.
    pub class: ErrorClass,
    /// The description, for people.
    pub description: String,
}

impl CommandError {
    /// An error of the class `GenericError`.
    pub fn generic(description: impl Into<String>) -> CommandError {
        CommandError {
            class: ErrorClass::GenericError,
            description: description.into(),
        }
    }
}

/// The properties of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandInfo {
    /// The name in QMP.
    pub name: &'static str,
    /// True if it may be executed out of band.
    pub allow_oob: bool,
    /// True if it is answered when it succeeds.
    pub success_response: bool,
    /// True if it may be executed before the machine exists.
    pub allow_preconfig: bool,
}

/// The properties of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInfo {
    /// The name in QMP.
    pub name: &'static str,
}

/// The type of an argument.
#[derive(Debug)]
pub enum Type {
    /// A string.
    Str,
    /// A number.
    Number,
    /// A signed integer.
    Int {
        /// 8, 16, 32 or 64.
        bits: u8,
    },
    /// An unsigned integer.
    UInt {
        /// 8, 16, 32 or 64.
        bits: u8,
    },
    /// A boolean.
    Bool,
    /// Any value, `null` too.
    Any,
    /// `null`.
    Null,
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// An array.
    Array(&'static Type),
    /// An object.
    Object(&'static Object),
    /// One of several types that JSON tells apart.
    Alternate(&'static Alternate),
}

/// An object's members.
#[derive(Debug)]
pub struct Object {
    /// The members, in the order of the schema, in which they are checked.
    pub members: &'static [Member],
    /// For a union: the member that decides, and the further members for each of its values.
    pub variants: Option<(&'static str, &'static [(&'static str, &'static Object)])>,
}

/// A member.
#[derive(Debug)]
pub struct Member {
    /// The name in QMP.
    pub name: &'static str,
    /// True if the member may be absent.
    pub optional: bool,
    /// Its type.
    pub of: Type,
}

/// A choice among types.
#[derive(Debug)]
pub struct Alternate {
    /// Its name, for messages.
    pub name: &'static str,
    /// The types.
    pub branches: &'static [Type],
}

/// The type of an object without members.
pub static EMPTY: Object = Object {
    members: &[],
    variants: None,
};

/// Checks the arguments of a command, and makes a typed value of them.
///
/// # Errors
/// The first argument that is not valid. Missing arguments come before unexpected ones.
pub fn decode<T: DeserializeOwned>(
    arguments: Option<Map<String, Value>>,
    of: &Object,
) -> Result<T, CommandError> {
    let arguments = arguments.unwrap_or_default();
    check(&arguments, of)?;
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| CommandError::generic(format!("Invalid arguments: {error}")))
}

/// Checks the arguments of a command that takes none.
///
/// # Errors
/// The first argument.
pub fn decode_none(arguments: Option<Map<String, Value>>) -> Result<(), CommandError> {
    check(&arguments.unwrap_or_default(), &EMPTY)
}

/// A result as JSON.
///
/// # Errors
/// None for generated types.
pub fn encode<T: Serialize>(value: &T) -> Result<Value, CommandError> {
    serde_json::to_value(value)
        .map_err(|error| CommandError::generic(format!("Invalid result: {error}")))
}

/// The result of a command that returns no data.
#[must_use]
pub fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Makes an object from its members. Optional members that are absent are left out.
#[must_use]
pub fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// Encodes a member of an object; `None` if that fails, which it never does for generated types.
#[must_use]
pub fn member<T: Serialize>(value: &T) -> Option<Value> {
    serde_json::to_value(value).ok()
}

/// Deserializes an optional member whose type can be `null`, because `null` is not the same as
/// absent.
///
/// # Errors
/// If the value is not of the member's type.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Checks arguments against their types.
///
/// # Errors
/// The first argument that is not valid.
pub fn check(arguments: &Map<String, Value>, of: &Object) -> Result<(), CommandError> {
    members(&Path::Root, arguments, of)
}

/// The path of a value in the arguments.
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Element(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// The whole path: `keys[0].data`.
    fn full(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Member(Path::Root, name) => (*name).to_owned(),
            Path::Member(outer, name) => format!("{}.{name}", outer.full()),
            Path::Element(outer, index) => format!("{}[{index}]", outer.full()),
        }
    }

    /// The last step alone, as some of QEMU's messages show it. Elements of arrays have no name.
    fn last(&self) -> &str {
        match self {
            Path::Member(_, name) => name,
            Path::Root | Path::Element(..) => "null",
        }
    }

    fn wrong_type(&self, expected: &str) -> CommandError {
        let path = self.full();
        CommandError::generic(format!(
            "Invalid parameter type for '{path}', expected: {expected}"
        ))
    }
}

fn members(path: &Path<'_>, values: &Map<String, Value>, of: &Object) -> Result<(), CommandError> {
    let mut known: Vec<&str> = Vec::new();
    let mut level = Some(of);
    while let Some(of) = level {
        for member in of.members {
            let at = Path::Member(path, member.name);
            match values.get(member.name) {
                Some(found) => value(&at, found, &member.of)?,
                None if member.optional => {}
                None => {
                    let path = at.full();
                    return Err(CommandError::generic(format!(
                        "Parameter '{path}' is missing"
                    )));
                }
            }
            known.push(member.name);
        }
        // The tag is one of the members above, and its value was checked.
        level = of.variants.and_then(|(tag, branches)| {
            let tag = values.get(tag)?.as_str()?;
            let mut branches = branches.iter();
            branches.find(|(name, _)| *name == tag).map(|(_, of)| *of)
        });
    }
    match values.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let path = Path::Member(path, name).full();
            Err(CommandError::generic(format!(
                "Parameter '{path}' is unexpected"
            )))
        }
        None => Ok(()),
    }
}

fn value(path: &Path<'_>, found: &Value, of: &Type) -> Result<(), CommandError> {
    let expect = |good, expected| match good {
        true => Ok(()),
        false => Err(path.wrong_type(expected)),
    };
    match of {
        Type::Any => Ok(()),
        Type::Str => expect(found.is_string(), "string"),
        Type::Number => expect(found.is_number(), "number"),
        Type::Bool => expect(found.is_boolean(), "boolean"),
        Type::Null => expect(found.is_null(), "null"),
        Type::Int { bits } => match found.as_i64() {
            None => Err(path.wrong_type("integer")),
            Some(number) if number << (64 - bits) >> (64 - bits) == number => Ok(()),
            Some(_) => Err(out_of_range(path.last(), &format!("int{bits}_t"))),
        },
        // QEMU takes a negative number for `uint64` as that number plus 2^64. No client can mean
        // that, so it is refused here.
        Type::UInt { bits } => match found.as_u64() {
            Some(number) if number << (64 - bits) >> (64 - bits) == number => Ok(()),
            None if found.as_i64().is_none() || *bits == 64 => {
                Err(out_of_range(&path.full(), "uint64"))
            }
            _ => Err(out_of_range(path.last(), &format!("uint{bits}_t"))),
        },
        Type::Enum(values) => match found.as_str() {
            None => Err(path.wrong_type("string")),
            Some(text) if values.contains(&text) => Ok(()),
            Some(text) => {
                let name = path.last();
                Err(CommandError::generic(format!(
                    "Parameter '{name}' does not accept value '{text}'"
                )))
            }
        },
        Type::Array(element) => match found.as_array() {
            None => Err(path.wrong_type("array")),
            Some(elements) => elements
                .iter()
                .enumerate()
                .try_for_each(|(index, found)| value(&Path::Element(path, index), found, element)),
        },
        Type::Object(object) => match found.as_object() {
            None => Err(path.wrong_type("object")),
            Some(values) => members(path, values, object),
        },
        Type::Alternate(alternate) => {
            match alternate.branches.iter().find(|of| looks_like(found, of)) {
                Some(of) => value(path, found, of),
                None => {
                    let (name, expected) = (path.last(), alternate.name);
                    Err(CommandError::generic(format!(
                        "Invalid parameter type for '{name}', expected: {expected}"
                    )))
                }
            }
        }
    }
}

fn out_of_range(name: &str, expected: &str) -> CommandError {
    CommandError::generic(format!("Parameter '{name}' expects {expected}"))
}

/// True if the JSON type of a value selects this branch of an alternate.
fn looks_like(found: &Value, of: &Type) -> bool {
    match of {
        Type::Str | Type::Enum(_) => found.is_string(),
        Type::Number | Type::Int { .. } | Type::UInt { .. } => found.is_number(),
        Type::Bool => found.is_boolean(),
        Type::Null => found.is_null(),
        Type::Array(_) => found.is_array(),
        Type::Object(_) => found.is_object(),
        // These types cannot stand in an alternate.
        Type::Any | Type::Alternate(_) => false,
    }
}
