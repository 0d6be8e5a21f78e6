//! Definitions to entities: members given in place and arrays become types of their own.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::condition::Condition;
use crate::definition::{Arguments, Body, BranchOf, Definition, EnumValue, MemberOf, TypeRef};
use crate::error::{Error, Problem};
use crate::parse::{Item, Parsed};
use crate::schema::{
    Branch, EMPTY, Entity, Json, Kind, Member, Module, Object, Role, Schema, Variants,
};
use crate::shape;
use crate::source::Position;

/// The module of what is built in.
const BUILTIN: &str = "./builtin";

/// A signed or unsigned integer.
const fn int(unsigned: bool, bits: u8) -> Json {
    Json::Int { unsigned, bits }
}

/// The built-in types.
const BUILTINS: [(&str, Json); 15] = [
    ("str", Json::String),
    ("number", Json::Number),
    ("int", int(false, 64)),
    ("int8", int(false, 8)),
    ("int16", int(false, 16)),
    ("int32", int(false, 32)),
    ("int64", int(false, 64)),
    ("uint8", int(true, 8)),
    ("uint16", int(true, 16)),
    ("uint32", int(true, 32)),
    ("uint64", int(true, 64)),
    ("size", int(true, 64)),
    ("bool", Json::Boolean),
    ("any", Json::Value),
    ("null", Json::Null),
];

/// The values of the built-in enumeration of JSON's types.
const QTYPE: [&str; 7] = [
    "none", "qnull", "qnum", "qstring", "qdict", "qlist", "qbool",
];

/// Checks the shape of all definitions, and makes entities of them.
pub(crate) fn declare(parsed: Parsed) -> Result<Schema, Error> {
    let root = parsed
        .root
        .path
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned();
    let mut definitions = Vec::new();
    // All shapes come before all names: an error of shape further down is reported first.
    for item in &parsed.items {
        definitions.push(match item {
            Item::Include { at, file } => Declared::Include(at, file),
            Item::Expression { at, object, doc } => {
                let doc = doc.map(|doc| (doc, &parsed.docs[doc]));
                let definition = shape::definition(at, object, doc, &parsed.pragmas)?;
                Declared::Definition(Box::new(definition))
            }
        });
    }
    let mut declarer = Declarer::new(root, &parsed.root.path);
    for definition in definitions {
        match definition {
            Declared::Include(at, file) => declarer.include(at, file),
            Declared::Definition(definition) => declarer.definition(*definition)?,
        }
    }
    let mut schema = declarer.schema;
    schema.docs = parsed.docs;
    schema.command_returns = parsed.pragmas.command_returns;
    Ok(schema)
}

enum Declared<'p> {
    Include(&'p Position, &'p Path),
    Definition(Box<Definition>),
}

struct Declarer {
    schema: Schema,
    /// The folder of the first file.
    root: PathBuf,
    modules: BTreeMap<PathBuf, usize>,
}

/// What all entities of a definition have in common.
#[derive(Clone)]
struct Origin {
    at: Position,
    definition: (crate::Meta, String),
    module: usize,
}

impl Declarer {
    fn new(root: PathBuf, first: &Path) -> Declarer {
        let mut declarer = Declarer {
            schema: Schema {
                modules: vec![Module {
                    name: BUILTIN.to_owned(),
                }],
                entities: Vec::new(),
                docs: Vec::new(),
                by_name: BTreeMap::new(),
                command_returns: Vec::new(),
            },
            root,
            modules: BTreeMap::new(),
        };
        for (name, json) in BUILTINS {
            declarer.builtin(name, Kind::Builtin(json));
            let element = name.to_owned();
            declarer.builtin(&format!("{name}List"), Kind::Array { element });
        }
        declarer.builtin(EMPTY, Kind::Object(Object::default()));
        let value = |name: &str| EnumValue {
            name: name.to_owned(),
            condition: None,
            features: Vec::new(),
        };
        let values = QTYPE.into_iter().map(value).collect();
        let prefix = Some("QTYPE".to_owned());
        declarer.builtin("QType", Kind::Enum { prefix, values });
        declarer.module(first);
        declarer
    }

    fn builtin(&mut self, name: &str, kind: Kind) {
        self.push(Entity {
            name: name.to_owned(),
            at: None,
            definition: None,
            module: 0,
            condition: None,
            features: Vec::new(),
            doc: None,
            kind,
        });
    }

    fn push(&mut self, entity: Entity) {
        let index = self.schema.entities.len();
        self.schema.by_name.insert(entity.name.clone(), index);
        self.schema.entities.push(entity);
    }

    /// The module of a file.
    fn module(&mut self, file: &Path) -> usize {
        let next = self.schema.modules.len();
        let index = *self.modules.entry(file.to_owned()).or_insert(next);
        if index == next {
            let name = relative(file, &self.root);
            self.schema.modules.push(Module { name });
        }
        index
    }

    fn include(&mut self, at: &Position, file: &Path) {
        let module = self.module(&at.file.path);
        let included = self.module(file);
        self.schema.entities.push(Entity {
            name: String::new(),
            at: Some(at.clone()),
            definition: None,
            module,
            condition: None,
            features: Vec::new(),
            doc: None,
            kind: Kind::Include(included),
        });
    }

    fn definition(&mut self, definition: Definition) -> Result<(), Error> {
        let Definition {
            at,
            meta,
            name,
            doc,
            condition,
            features,
            body,
        } = definition;
        let origin = Origin {
            module: self.module(&at.file.path),
            definition: (meta, name.clone()),
            at,
        };
        let kind = match body {
            Body::Enum { prefix, values } => Kind::Enum { prefix, values },
            Body::Struct { base, members } => Kind::Object(Object {
                base,
                members: self.members(&origin, members),
                ..Object::default()
            }),
            Body::Union {
                base,
                discriminator,
                branches,
            } => Kind::Object(Object {
                base: self.arguments(&origin, &condition, Role::Base, base),
                variants: Some(Variants {
                    tag: discriminator,
                    branches: self.branches(&origin, branches),
                }),
                ..Object::default()
            }),
            Body::Alternate { branches } => Kind::Alternate {
                branches: self.branches(&origin, branches),
            },
            Body::Command {
                arguments,
                returns,
                flags,
            } => Kind::Command {
                arguments: self.arguments(&origin, &condition, Role::Arguments, arguments),
                returns: returns.map(|of| self.type_name(&origin, of)),
                flags,
            },
            Body::Event { arguments, boxed } => Kind::Event {
                arguments: self.arguments(&origin, &condition, Role::Arguments, arguments),
                boxed,
            },
        };
        self.define(Entity {
            name,
            at: Some(origin.at),
            definition: Some(origin.definition),
            module: origin.module,
            condition,
            features,
            doc,
            kind,
        })
    }

    /// Enters a definition, whose name must be free.
    fn define(&mut self, entity: Entity) -> Result<(), Error> {
        let Some(earlier) = self.schema.get(&entity.name) else {
            self.push(entity);
            return Ok(());
        };
        let other = earlier
            .at
            .as_ref()
            .map(|_| Box::new(earlier.error(Problem::PreviousDefinition)));
        let what = match other {
            Some(_) => format!("'{}'", entity.name),
            None => earlier.describe(),
        };
        let error = entity.error(Problem::AlreadyDefined(what));
        Err(Error { other, ..error })
    }

    fn members(&mut self, origin: &Origin, members: Vec<MemberOf>) -> Vec<Member> {
        let member = |member: MemberOf| Member {
            name: member.name,
            of: self.type_name(origin, member.of),
            optional: member.optional,
            condition: member.condition,
            features: member.features,
        };
        members.into_iter().map(member).collect()
    }

    fn branches(&mut self, origin: &Origin, branches: Vec<BranchOf>) -> Vec<Branch> {
        let branch = |branch: BranchOf| Branch {
            name: branch.name,
            of: self.type_name(origin, branch.of),
            condition: branch.condition,
        };
        branches.into_iter().map(branch).collect()
    }

    /// The name of a type; that of an array is made from its element's.
    fn type_name(&mut self, origin: &Origin, of: TypeRef) -> String {
        let element = match of {
            TypeRef::Name(name) => return name,
            TypeRef::Array(element) => element,
        };
        let name = format!("{element}List");
        if !self.schema.by_name.contains_key(&name) {
            self.derived(origin, &name, None, Kind::Array { element });
        }
        name
    }

    /// Members given in place become a type; none become none.
    fn arguments(
        &mut self,
        origin: &Origin,
        condition: &Option<Condition>,
        role: Role,
        arguments: Arguments,
    ) -> Option<String> {
        let members = match arguments {
            Arguments::None => return None,
            Arguments::Type(name) => return Some(name),
            Arguments::Members(members) if members.is_empty() => return None,
            Arguments::Members(members) => self.members(origin, members),
        };
        let suffix = match role {
            Role::Arguments => "arg",
            Role::Base => "base",
        };
        let name = format!("q_obj_{}-{suffix}", origin.definition.1);
        // There already if the definition is a second one of its name, which is refused in a
        // moment.
        if !self.schema.by_name.contains_key(&name) {
            let object = Object {
                members,
                implicit: Some(role),
                ..Object::default()
            };
            self.derived(origin, &name, condition.clone(), Kind::Object(object));
        }
        Some(name)
    }

    fn derived(&mut self, origin: &Origin, name: &str, condition: Option<Condition>, kind: Kind) {
        let Origin {
            at,
            definition,
            module,
        } = origin.clone();
        self.push(Entity {
            name: name.to_owned(),
            at: Some(at),
            definition: Some(definition),
            module,
            condition,
            features: Vec::new(),
            doc: None,
            kind,
        });
    }
}

/// `file` as seen from `folder`; both are absolute.
fn relative(file: &Path, folder: &Path) -> String {
    let (file, folder): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (file.components().collect(), folder.components().collect());
    let common = file.iter().zip(&folder).take_while(|(a, b)| a == b).count();
    let up = folder[common..].iter().map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(file[common..].iter().copied()).collect();
    path.display().to_string()
}
