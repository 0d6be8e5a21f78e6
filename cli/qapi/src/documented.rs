//! What is documented exists, and each feature is documented.

use crate::definition::Feature;
use crate::doc::Section;
use crate::error::{Error, Problem};
use crate::schema::{Entity, Kind, Object, Schema};

/// A name that documentation may describe, and the features of what has that name.
type Described<'s> = (&'s str, &'s [Feature]);

/// Holds an entity's documentation against what there is, and completes it with what it leaves out.
pub(crate) fn connect(schema: &mut Schema, index: usize) -> Result<(), Error> {
    let entity = &schema.entities[index];
    let Some(doc_index) = entity.doc else {
        return Ok(());
    };
    let doc = &schema.docs[doc_index];
    let described = described(schema, entity);
    let of_members = described.iter().flat_map(|(_, features)| features.iter());
    let features: Vec<&str> = entity
        .features
        .iter()
        .chain(of_members)
        .map(|f| f.name.as_str())
        .collect();
    let names: Vec<&str> = described.iter().map(|(name, _)| *name).collect();
    let has =
        |sections: &[Section], name: &str| sections.iter().any(|s| s.name.as_deref() == Some(name));
    if let Some(feature) = features.iter().find(|feature| !has(&doc.features, feature)) {
        return Err(entity.error(Problem::UndocumentedFeature((*feature).to_owned())));
    }
    for (kind, sections, real) in [
        ("member", &doc.arguments, &names),
        ("feature", &doc.features, &features),
    ] {
        let documented = sections
            .iter()
            .filter_map(|section| section.name.as_deref());
        let bogus = documented.filter(|name| !real.contains(name));
        let bogus: Vec<String> = bogus.map(str::to_owned).collect();
        // A fault of the comment, and reported there.
        let problem = match bogus.as_slice() {
            [] => continue,
            [name] => Problem::DocumentedNothing(kind, name.clone()),
            names => Problem::DocumentedNothings(kind, names.join("', '")),
        };
        return Err(Error::new(&doc.at, problem));
    }
    let missing = names.iter().filter(|name| !has(&doc.arguments, name));
    let missing: Vec<Section> = missing
        .map(|name| Section {
            name: Some((*name).to_owned()),
            text: String::new(),
        })
        .collect();
    schema.docs[doc_index].arguments.extend(missing);
    Ok(())
}

/// What an entity's documentation may describe: its own values, members or branches, and those
/// given in place.
fn described<'s>(schema: &'s Schema, entity: &'s Entity) -> Vec<Described<'s>> {
    let members = |object: &'s Object| {
        object
            .members
            .iter()
            .map(|m| (m.name.as_str(), m.features.as_slice()))
    };
    let in_place = |name: &Option<String>| {
        let object = name
            .as_ref()
            .and_then(|name| schema.get(name))
            .and_then(Entity::object);
        object
            .filter(|object| object.implicit.is_some())
            .into_iter()
            .flat_map(members)
    };
    match &entity.kind {
        Kind::Enum { values, .. } => values
            .iter()
            .map(|v| (v.name.as_str(), v.features.as_slice()))
            .collect(),
        Kind::Object(object) => in_place(&object.base).chain(members(object)).collect(),
        Kind::Alternate { branches } => branches
            .iter()
            .map(|b| (b.name.as_str(), [].as_slice()))
            .collect(),
        Kind::Command { arguments, .. } | Kind::Event { arguments, .. } => {
            in_place(arguments).collect()
        }
        Kind::Builtin(_) | Kind::Array { .. } | Kind::Include(_) => Vec::new(),
    }
}
