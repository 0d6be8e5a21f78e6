//! Meaning: every name exists and fits where it stands, no two members are one, documentation
//! matches.

use std::collections::BTreeMap;

use crate::definition::Feature;
use crate::documented;
use crate::error::{Error, Problem};
use crate::names::folded;
use crate::schema::{Branch, EMPTY, Entity, Json, Kind, Member, Object, Schema, Variants};
use crate::value::Meta;

/// How many types may stand for each other's base or branch: the check calls itself for each.
const DEPTH: usize = 128;

/// Checks all entities, completes unions with the branches that the schema does not name,
/// documentation with what it leaves out, and arrays with what they take from their elements.
pub(crate) fn check(schema: &mut Schema) -> Result<(), Error> {
    let mut states = vec![State::New; schema.entities.len()];
    for index in 0..schema.entities.len() {
        Checker {
            schema,
            states: &mut states,
        }
        .entity(index)?;
        documented::connect(schema, index)?;
    }
    for index in 0..schema.entities.len() {
        complete(schema, index);
    }
    Ok(())
}

/// What an entity takes from others, once they are known to be there.
fn complete(schema: &mut Schema, index: usize) {
    match &schema.entities[index].kind {
        Kind::Object(object) => {
            let rest = unnamed_branches(schema, object);
            if let Kind::Object(Object {
                variants: Some(variants),
                ..
            }) = &mut schema.entities[index].kind
            {
                variants.branches.extend(rest);
            }
        }
        Kind::Array { element } => {
            if let Some(element) = schema.get(element) {
                let (module, condition) = (element.module, element.condition.clone());
                schema.entities[index].module = module;
                schema.entities[index].condition = condition;
            }
        }
        _ => {}
    }
}

/// Values of the tag without a branch have one without members.
fn unnamed_branches(schema: &Schema, object: &Object) -> Vec<Branch> {
    let Some(variants) = &object.variants else {
        return Vec::new();
    };
    let members = schema.members(object);
    let tag = members.iter().find(|member| member.name == variants.tag);
    let Some(Kind::Enum { values, .. }) =
        tag.and_then(|tag| schema.get(&tag.of)).map(|of| &of.kind)
    else {
        return Vec::new();
    };
    let named = |name: &str| variants.branches.iter().any(|branch| branch.name == name);
    let unnamed = values.iter().filter(|value| !named(&value.name));
    unnamed
        .map(|value| Branch {
            name: value.name.clone(),
            of: EMPTY.to_owned(),
            condition: value.condition.clone(),
        })
        .collect()
}

/// How far the check of an object has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Busy,
    Done,
}

struct Checker<'s> {
    schema: &'s Schema,
    states: &'s mut [State],
}

/// Members seen so far, by what they are called in generated code; and of which type each is.
type Seen<'s> = BTreeMap<String, (&'s Member, &'s str)>;

impl<'s> Checker<'s> {
    fn entity(&mut self, index: usize) -> Result<(), Error> {
        let schema = self.schema;
        let entity = &schema.entities[index];
        if let Kind::Object(object) = &entity.kind {
            return self.object(index, object, 0);
        }
        features(entity, &entity.features)?;
        if let Kind::Enum { .. } | Kind::Alternate { .. } = entity.kind {
            no_special_features(entity)?;
        }
        match &entity.kind {
            Kind::Enum { values, .. } => {
                let names = values.iter().map(|value| value.name.as_str());
                unique(entity, "value", names)
            }
            Kind::Array { element } => {
                let what = entity
                    .definition
                    .as_ref()
                    .map_or("array", |(meta, _)| meta.key());
                self.resolve(entity, what, element).map(|_| ())
            }
            Kind::Alternate { branches } => self.alternate(entity, branches),
            Kind::Command {
                arguments,
                returns,
                flags,
            } => {
                self.arguments(entity, Meta::Command, arguments.as_deref(), flags.boxed)?;
                self.returns(entity, returns.as_deref())
            }
            Kind::Event { arguments, boxed } => {
                self.arguments(entity, Meta::Event, arguments.as_deref(), *boxed)
            }
            Kind::Object(_) | Kind::Builtin(_) | Kind::Include(_) => Ok(()),
        }
    }

    /// The type of this name. `what` uses it.
    fn resolve(&self, user: &Entity, what: &str, name: &str) -> Result<&'s Entity, Error> {
        match self.schema.get(name) {
            Some(entity) if !matches!(entity.kind, Kind::Command { .. } | Kind::Event { .. }) => {
                Ok(entity)
            }
            _ => Err(user.error(Problem::UnknownType(what.to_owned(), name.to_owned()))),
        }
    }

    fn object(&mut self, index: usize, object: &'s Object, depth: usize) -> Result<(), Error> {
        let schema = self.schema;
        let entity = &schema.entities[index];
        match self.states[index] {
            State::Done => return Ok(()),
            State::Busy => return Err(entity.error(Problem::ContainsItself(entity.name.clone()))),
            State::New if depth > DEPTH => return Err(entity.error(Problem::TooManyBases(DEPTH))),
            State::New => self.states[index] = State::Busy,
        }
        features(entity, &entity.features)?;
        no_special_features(entity)?;
        let mut seen = Seen::new();
        if let Some(name) = &object.base {
            let base = self.resolve(entity, "'base'", name)?;
            match base.object() {
                Some(object) if object.variants.is_none() => {
                    self.by_name(name, depth + 1)?;
                    collide(entity, &mut seen, schema.owned_members(object, name))?;
                }
                _ => return Err(entity.error(Problem::BadBase(base.describe()))),
            }
        }
        for member in &object.members {
            let what = describe(entity, member, &entity.name);
            self.resolve(entity, &what, &member.of)?;
            features(entity, &member.features)?;
            collide(entity, &mut seen, vec![(member, &entity.name)])?;
        }
        if let Some(variants) = &object.variants {
            self.variants(entity, variants, &seen, depth)?;
        }
        self.states[index] = State::Done;
        Ok(())
    }

    fn by_name(&mut self, name: &str, depth: usize) -> Result<(), Error> {
        let schema = self.schema;
        match schema
            .by_name
            .get(name)
            .map(|index| (*index, schema.entities[*index].object()))
        {
            Some((index, Some(object))) => self.object(index, object, depth),
            _ => Ok(()),
        }
    }

    fn variants(
        &mut self,
        entity: &'s Entity,
        variants: &'s Variants,
        seen: &Seen<'s>,
        depth: usize,
    ) -> Result<(), Error> {
        let schema = self.schema;
        let tag = &variants.tag;
        let Some((member, owner)) = seen
            .get(&folded(tag))
            .filter(|(member, _)| member.name == *tag)
        else {
            return Err(entity.error(Problem::NoDiscriminator(tag.clone())));
        };
        let implicit = schema
            .get(owner)
            .and_then(Entity::object)
            .is_some_and(|o| o.implicit.is_some());
        let base = match implicit {
            true => "'base'".to_owned(),
            false => format!("base type '{owner}'"),
        };
        let bad =
            |rule| Err(entity.error(Problem::BadDiscriminator(tag.clone(), base.clone(), rule)));
        let Some(tag_type) = schema.get(&member.of) else {
            return bad("be of enum type");
        };
        let values = match &tag_type.kind {
            Kind::Enum { .. } if member.optional => return bad("not be optional"),
            Kind::Enum { .. } if member.condition.is_some() => return bad("not be conditional"),
            Kind::Enum { values, .. } => values,
            _ => return bad("be of enum type"),
        };
        if variants.branches.is_empty() && values.is_empty() {
            return Err(entity.error(Problem::NoBranches));
        }
        for branch in &variants.branches {
            let what = format!("branch '{}'", branch.name);
            let of = self.resolve(entity, &what, &branch.of)?;
            if !values.iter().any(|value| value.name == branch.name) {
                return Err(entity.error(Problem::BranchNotAValue(
                    branch.name.clone(),
                    tag_type.describe(),
                )));
            }
            // A branch that branches again is not in the language.
            if of.object().is_none_or(|object| object.variants.is_some()) {
                return Err(
                    entity.error(Problem::BranchCannotUse(branch.name.clone(), of.describe()))
                );
            }
            self.by_name(&branch.of, depth + 1)?;
        }
        for branch in &variants.branches {
            if let Some(object) = schema.get(&branch.of).and_then(Entity::object) {
                // Each branch anew: members of different branches never meet.
                let members = schema.owned_members(object, &branch.of);
                collide(entity, &mut seen.clone(), members)?;
            }
        }
        Ok(())
    }

    fn alternate(&self, entity: &Entity, branches: &'s [Branch]) -> Result<(), Error> {
        for branch in branches {
            self.resolve(entity, &format!("branch '{}'", branch.name), &branch.of)?;
        }
        let mut taken: BTreeMap<char, &str> = BTreeMap::new();
        for (index, branch) in branches.iter().enumerate() {
            let names = branches[..=index].iter().map(|branch| branch.name.as_str());
            unique(entity, "branch", names)?;
            let of = self.resolve(entity, "", &branch.of)?;
            let Some(looks) = looks(of) else {
                return Err(
                    entity.error(Problem::BranchCannotUse(branch.name.clone(), of.describe()))
                );
            };
            for look in looks.chars() {
                if let Some(other) = taken.insert(look, &branch.name) {
                    let problem = Problem::Indistinguishable(branch.name.clone(), other.to_owned());
                    return Err(entity.error(problem));
                }
            }
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        entity: &Entity,
        meta: Meta,
        arguments: Option<&str>,
        boxed: bool,
    ) -> Result<(), Error> {
        let Some(name) = arguments else {
            return Ok(());
        };
        let of = self.resolve(entity, &format!("{meta}'s 'data'"), name)?;
        match of.object() {
            None => Err(entity.error(Problem::CannotTake(meta, "data", of.describe()))),
            Some(object) if object.variants.is_some() && !boxed => {
                Err(entity.error(Problem::OnlyBoxed(meta, of.describe())))
            }
            Some(_) => Ok(()),
        }
    }

    /// A result can be extended later only if it is an object, or an array of objects.
    fn returns(&self, entity: &Entity, returns: Option<&str>) -> Result<(), Error> {
        let Some(name) = returns else {
            return Ok(());
        };
        let of = self.resolve(entity, "command's 'returns'", name)?;
        let inner = match &of.kind {
            Kind::Array { element } => self.resolve(entity, "command", element)?,
            _ => of,
        };
        let excepted = self.schema.command_returns.contains(&entity.name);
        match inner.object().is_some() || excepted {
            true => Ok(()),
            false => {
                Err(entity.error(Problem::CannotTake(Meta::Command, "returns", of.describe())))
            }
        }
    }
}

/// What a value of the type can look like in JSON, a letter for each: string, number, boolean,
/// object, list, null. An enumeration looks like more than a string, as values also come from
/// command lines, where nothing is quoted. None: not in an alternate.
fn looks(of: &Entity) -> Option<String> {
    let fixed = match &of.kind {
        Kind::Builtin(Json::String) => "snb",
        Kind::Builtin(Json::Number | Json::Int { .. }) => "n",
        Kind::Builtin(Json::Boolean) => "b",
        Kind::Builtin(Json::Null) => "0",
        Kind::Builtin(Json::Value) => return None,
        Kind::Object(_) => "o",
        Kind::Array { .. } => "l",
        Kind::Enum { values, .. } => {
            let names = || values.iter().map(|value| value.name.as_str());
            let number = names()
                .any(|name| name.starts_with(|c: char| "-+.".contains(c) || c.is_ascii_digit()));
            let boolean = names().any(|name| name == "on" || name == "off");
            let n = if number { "n" } else { "" };
            let b = if boolean { "b" } else { "" };
            return Some(format!("s{n}{b}"));
        }
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// Enters members; two that are called the same are an error of `entity`.
fn collide<'s>(
    entity: &Entity,
    seen: &mut Seen<'s>,
    members: Vec<(&'s Member, &'s str)>,
) -> Result<(), Error> {
    for (member, owner) in members {
        if let Some((other, other_owner)) = seen.insert(folded(&member.name), (member, owner)) {
            let (this, other) = (
                describe(entity, member, owner),
                describe(entity, other, other_owner),
            );
            return Err(entity.error(Problem::Collision(this, other)));
        }
    }
    Ok(())
}

/// A member in a message about `entity`.
fn describe(entity: &Entity, member: &Member, owner: &str) -> String {
    let name = &member.name;
    let own = entity
        .definition
        .as_ref()
        .map_or("", |(_, name)| name.as_str());
    match owner.strip_prefix("q_obj_") {
        Some(implicit) if implicit.ends_with("-arg") => format!("parameter '{name}'"),
        Some(_) => format!("base member '{name}'"),
        None if owner == own => format!("member '{name}'"),
        None => format!("member '{name}' of type '{owner}'"),
    }
}

fn unique<'n>(
    entity: &Entity,
    role: &str,
    names: impl Iterator<Item = &'n str>,
) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(other) = seen.insert(folded(name), name) {
            let (this, other) = (format!("{role} '{name}'"), format!("{role} '{other}'"));
            return Err(entity.error(Problem::Collision(this, other)));
        }
    }
    Ok(())
}

fn features(entity: &Entity, features: &[Feature]) -> Result<(), Error> {
    unique(
        entity,
        "feature",
        features.iter().map(|feature| feature.name.as_str()),
    )
}

/// Two features that mean something to the server, and not for a type as a whole.
fn no_special_features(entity: &Entity) -> Result<(), Error> {
    let special = |feature: &&Feature| ["deprecated", "unstable"].contains(&feature.name.as_str());
    match entity.features.iter().find(special) {
        Some(feature) => Err(entity.error(Problem::FeatureOfType(feature.name.clone()))),
        None => Ok(()),
    }
}
