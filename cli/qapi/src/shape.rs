//! Expressions to definitions: which keys there are, of which kind the values are, how names look.

use crate::definition::{
    Arguments, Body, BranchOf, Definition, EnumValue, Flags, MemberOf, TypeRef,
};
use crate::doc::Doc;
use crate::error::{Error, Problem};
use crate::names::{self, Allowed};
use crate::parse::Pragmas;
use crate::parts::{check_keys, condition_of, features_of, longhand, type_member, type_ref};
use crate::source::Position;
use crate::value::{Meta, Object, Value};

type Result<T, E = Problem> = std::result::Result<T, E>;

/// The keys that a definition must have beside its own, and those that it may have.
fn keys(meta: Meta) -> (&'static [&'static str], &'static [&'static str]) {
    match meta {
        Meta::Enum => (&["enum", "data"], &["if", "features", "prefix"]),
        Meta::Struct => (&["struct", "data"], &["base", "if", "features"]),
        Meta::Union => (
            &["union", "base", "discriminator", "data"],
            &["if", "features"],
        ),
        Meta::Alternate => (&["alternate", "data"], &["if", "features"]),
        Meta::Command => (
            &["command"],
            &[
                "data",
                "returns",
                "boxed",
                "if",
                "features",
                "gen",
                "success-response",
                "allow-oob",
                "allow-preconfig",
                "coroutine",
            ],
        ),
        Meta::Event => (&["event"], &["data", "boxed", "if", "features"]),
    }
}

/// The flags, and the only value that each may be given.
const FLAGS: [(&str, bool); 6] = [
    ("gen", false),
    ("success-response", false),
    ("boxed", true),
    ("allow-oob", true),
    ("allow-preconfig", true),
    ("coroutine", true),
];

/// Checks an expression. `doc` is its documentation, and where that stands among the documents.
pub(crate) fn definition(
    at: &Position,
    object: &Object,
    doc: Option<(usize, &Doc)>,
    pragmas: &Pragmas,
) -> Result<Definition, Error> {
    let mut metas = Meta::ALL
        .into_iter()
        .filter(|meta| object.get(meta.key()).is_some());
    let (Some(meta), None) = (metas.next(), metas.next()) else {
        return Err(Error::new(at, Problem::NoOneMeta));
    };
    let name = match object.get(meta.key()) {
        Some(Value::String(name)) => name,
        _ => {
            let source = format!("'{meta}'");
            return Err(Error::new(at, Problem::NameNotString(source)));
        }
    };
    let shape = Shape {
        meta,
        name,
        object,
        pragmas,
    };
    shape.check(at, doc).map_err(|problem| match doc {
        // A fault of the comment, and reported there.
        Some((_, doc)) if problem == Problem::ReturnsWithoutCommand => Error::new(&doc.at, problem),
        _ => Error {
            definition: Some(Box::new((meta, name.clone()))),
            ..Error::new(at, problem)
        },
    })
}

fn own_name(meta: Meta, name: &str, pragmas: &Pragmas) -> Result<()> {
    match meta {
        Meta::Event => names::upper(name, meta.key()),
        Meta::Command => {
            let underscore = pragmas.command_names.iter().any(|known| known == name);
            let allowed = Allowed {
                underscore,
                ..Allowed::default()
            };
            names::lower(name, meta.key(), allowed)
        }
        _ => {
            names::camel(name, meta.key())?;
            match name.ends_with("List") {
                true => Err(Problem::ListName(meta)),
                false => Ok(()),
            }
        }
    }
}

/// An expression that is being checked.
struct Shape<'s> {
    meta: Meta,
    name: &'s str,
    object: &'s Object,
    pragmas: &'s Pragmas,
}

impl Shape<'_> {
    fn check(&self, at: &Position, doc: Option<(usize, &Doc)>) -> Result<Definition> {
        own_name(self.meta, self.name, self.pragmas)?;
        match doc {
            Some((_, doc)) => self.documentation(doc)?,
            None if self.pragmas.doc_required => return Err(Problem::DocRequired),
            None => {}
        }
        let (required, optional) = keys(self.meta);
        check_keys(self.object, self.meta.key(), required, optional)?;
        let body = self.body()?;
        let condition = condition_of(self.object, self.meta.key())?;
        let features = features_of(self.object)?;
        self.flags()?;
        Ok(Definition {
            at: at.clone(),
            meta: self.meta,
            name: self.name.to_owned(),
            doc: doc.map(|(index, _)| index),
            condition,
            features,
            body,
        })
    }

    fn documentation(&self, doc: &Doc) -> Result<()> {
        let symbol = doc.symbol.as_deref().unwrap_or_default();
        if symbol != self.name {
            return Err(Problem::DocForOther(symbol.to_owned()));
        }
        let returns = doc
            .sections
            .iter()
            .any(|s| s.name.as_deref() == Some("Returns"));
        match returns && self.meta != Meta::Command {
            true => Err(Problem::ReturnsWithoutCommand),
            false => Ok(()),
        }
    }

    fn body(&self) -> Result<Body> {
        match self.meta {
            Meta::Enum => self.enumeration(),
            Meta::Struct => Ok(Body::Struct {
                members: match self.arguments("data", "'data'", true)? {
                    Arguments::Members(members) => members,
                    _ => return Err(Problem::MustBe("'data'".to_owned(), "an object")),
                },
                base: match self.arguments("base", "'base'", false)? {
                    Arguments::Type(base) => Some(base),
                    _ => None,
                },
            }),
            Meta::Union => {
                let base = self.arguments("base", "'base'", true)?;
                let Some(Value::String(discriminator)) = self.object.get("discriminator") else {
                    return Err(Problem::NameNotString("'discriminator'".to_owned()));
                };
                Ok(Body::Union {
                    base,
                    discriminator: discriminator.clone(),
                    branches: self.branches(false)?,
                })
            }
            Meta::Alternate => match self.object.get("data") {
                Some(data) if data.is_empty() => Err(Problem::MustNotBeEmpty("'data'")),
                _ => Ok(Body::Alternate {
                    branches: self.branches(true)?,
                }),
            },
            Meta::Command => {
                let boxed = self.boxed()?;
                let arguments = self.arguments("data", "'data'", !boxed)?;
                let returns = match self.object.get("returns") {
                    Some(returns) => Some(type_ref(returns, "'returns'", true)?),
                    None => None,
                };
                let is = |flag, value| self.object.get(flag) == Some(&Value::Bool(value));
                Ok(Body::Command {
                    arguments,
                    returns,
                    flags: Flags {
                        boxed,
                        generate: !is("gen", false),
                        success_response: !is("success-response", false),
                        allow_oob: is("allow-oob", true),
                        allow_preconfig: is("allow-preconfig", true),
                        coroutine: is("coroutine", true),
                    },
                })
            }
            Meta::Event => {
                let boxed = self.boxed()?;
                let arguments = self.arguments("data", "'data'", !boxed)?;
                Ok(Body::Event { arguments, boxed })
            }
        }
    }

    fn boxed(&self) -> Result<bool> {
        let boxed = self
            .object
            .get("boxed")
            .is_some_and(|flag| !flag.is_empty());
        match boxed && self.object.get("data").is_none() {
            true => Err(Problem::BoxedNothing),
            false => Ok(boxed),
        }
    }

    fn flags(&self) -> Result<()> {
        for (flag, only) in FLAGS {
            match self.object.get(flag) {
                Some(value) if *value != Value::Bool(only) => {
                    return Err(Problem::Flag(flag, only));
                }
                _ => {}
            }
        }
        let both = ["allow-oob", "coroutine"].map(|flag| self.object.get(flag).is_some());
        match both {
            [true, true] => Err(Problem::OobCoroutine),
            _ => Ok(()),
        }
    }

    fn enumeration(&self) -> Result<Body> {
        let Some(Value::Array(data)) = self.object.get("data") else {
            return Err(Problem::MustBe("'data'".to_owned(), "an array"));
        };
        let prefix = match self.object.get("prefix") {
            None => None,
            Some(Value::String(prefix)) => Some(prefix.clone()),
            Some(_) => return Err(Problem::MustBe("'prefix'".to_owned(), "a string")),
        };
        let permissive = self.permissive();
        let mut values = Vec::new();
        for value in data {
            let member = longhand(value, "name");
            let source = "'data' member";
            check_keys(&member, source, &["name"], &["if", "features"])?;
            let Some(Value::String(name)) = member.get("name") else {
                return Err(Problem::NameNotString(source.to_owned()));
            };
            let source = format!("{source} '{name}'");
            // Values may start with a digit.
            let checked = match name.starts_with(|c: char| c.is_ascii_digit()) {
                true => format!("d{name}"),
                false => name.clone(),
            };
            names::lower(&checked, &source, permissive)?;
            values.push(EnumValue {
                condition: condition_of(&member, &source)?,
                features: features_of(&member)?,
                name: name.clone(),
            });
        }
        Ok(Body::Enum { prefix, values })
    }

    /// Whether this type's members may break the rules for names.
    fn permissive(&self) -> Allowed {
        let listed = self
            .pragmas
            .member_names
            .iter()
            .any(|known| known == self.name);
        Allowed {
            upper: listed,
            underscore: listed,
        }
    }

    /// A type's name, or, if `in_place`, members.
    fn arguments(&self, key: &str, source: &str, in_place: bool) -> Result<Arguments> {
        let members = match self.object.get(key) {
            None => return Ok(Arguments::None),
            Some(Value::Object(members)) if in_place => members,
            Some(Value::Bool(_)) if in_place => {
                return Err(Problem::NotMembersOrTypeName(source.to_owned()));
            }
            Some(other) => {
                return match type_ref(other, source, false)? {
                    TypeRef::Name(name) | TypeRef::Array(name) => Ok(Arguments::Type(name)),
                };
            }
        };
        let permissive = match self.meta {
            // Only types can be excepted.
            Meta::Command | Meta::Event => Allowed::default(),
            _ => self.permissive(),
        };
        let member = |(key, value): &(String, Value)| {
            let source = format!("{source} member '{key}'");
            let (name, optional) = match key.strip_prefix('*') {
                Some(name) => (name, true),
                None => (key.as_str(), false),
            };
            names::lower(name, &source, permissive)?;
            let folded = names::folded(name);
            if folded == "u" || folded.starts_with("has_") {
                return Err(Problem::ReservedName(source));
            }
            let value = longhand(value, "type");
            check_keys(&value, &source, &["type"], &["if", "features"])?;
            let condition = condition_of(&value, &source)?;
            let features = features_of(&value)?;
            Ok(MemberOf {
                name: name.to_owned(),
                optional,
                of: type_member(&value, &source, true)?,
                condition,
                features,
            })
        };
        let members = members.0.iter().map(member).collect::<Result<_>>()?;
        Ok(Arguments::Members(members))
    }

    fn branches(&self, alternate: bool) -> Result<Vec<BranchOf>> {
        let Some(Value::Object(data)) = self.object.get("data") else {
            return Err(Problem::MustBe("'data'".to_owned(), "an object"));
        };
        let branch = |(name, value): &(String, Value)| {
            let source = format!("'data' member '{name}'");
            if alternate {
                names::lower(name, &source, Allowed::default())?;
            }
            let value = longhand(value, "type");
            check_keys(&value, &source, &["type"], &["if"])?;
            let condition = condition_of(&value, &source)?;
            Ok(BranchOf {
                name: name.clone(),
                of: type_member(&value, &source, alternate)?,
                condition,
            })
        };
        data.0.iter().map(branch).collect()
    }
}
