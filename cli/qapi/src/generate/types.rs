//! `types.rs`: structs, enums, unions, alternates, as serde has them on the wire.

use crate::schema::{Branch, EMPTY, Entity, Kind, Member, Object, Variants};

use super::{Code, Context, Error, docs, names};

const DERIVE: &str = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]";
const DERIVE_PLAIN: &str =
    "#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]";

/// The file.
pub(super) fn types(context: &Context<'_>) -> Result<String, Error> {
    let mut out = Code::new("The types.");
    out.line(
        0,
        "\nuse serde::{Deserialize, Serialize};\nuse serde_json::{Map, Value};",
    );
    for entity in context.entities() {
        if !context.types.contains_key(entity.name.as_str()) {
            continue;
        }
        let mut writer = Writer {
            context,
            entity,
            out: &mut out,
        };
        match &entity.kind {
            Kind::Enum { values, .. } => {
                let there = values
                    .iter()
                    .filter(|value| context.there(value.condition.as_ref()));
                writer.enumeration(&there.map(|value| value.name.as_str()).collect::<Vec<_>>())?;
            }
            Kind::Object(object) => writer.object(object)?,
            Kind::Alternate { branches } => writer.alternate(branches)?,
            _ => {}
        }
    }
    Ok(out.0)
}

struct Writer<'c, 's> {
    context: &'c Context<'s>,
    entity: &'s Entity,
    out: &'c mut Code,
}

impl<'s> Writer<'_, 's> {
    fn rust_name(&self) -> String {
        self.context.rust(&self.entity.name)
    }

    fn start(&mut self, derive: &str) {
        self.out.0.push('\n');
        let owner = self
            .entity
            .definition
            .as_ref()
            .map_or("", |(_, name)| name.as_str());
        let implicit = self
            .entity
            .object()
            .is_some_and(|object| object.implicit.is_some());
        let fallback = match implicit {
            true => format!("The arguments of `{owner}`."),
            false => format!("The type `{}`.", self.entity.name),
        };
        docs::of_entity(self.out, 0, self.context.schema, self.entity, &fallback);
        self.out.line(0, derive);
    }

    fn enumeration(&mut self, values: &[&str]) -> Result<(), Error> {
        let name = self.rust_name();
        let doc = self.context.schema.doc(self.entity);
        self.start(DERIVE_PLAIN);
        if values.is_empty() {
            self.out.line(0, &format!("pub enum {name} {{}}"));
            return Ok(());
        }
        let variants = names::distinct(values.iter().copied(), names::camel)?;
        self.out.line(0, &format!("pub enum {name} {{"));
        for (value, rust) in &variants {
            docs::of_part(self.out, 1, doc, value, &format!("`{value}`."));
            self.out.line(1, &format!("#[serde(rename = {value:?})]"));
            self.out.line(1, &format!("{rust},"));
        }
        self.out.line(0, "}");
        self.out.0.push('\n');
        self.out.line(0, &format!("impl {name} {{"));
        self.out.line(1, "/// As on the wire.");
        self.out.line(1, "#[must_use]");
        self.out.line(1, "#[rustfmt::skip]");
        self.out.line(1, "pub fn name(self) -> &'static str {");
        self.out.line(2, "match self {");
        for (value, rust) in &variants {
            self.out.line(3, &format!("{name}::{rust} => {value:?},"));
        }
        self.out.line(2, "}");
        self.out.line(1, "}");
        self.out.line(0, "}");
        Ok(())
    }

    fn object(&mut self, object: &'s Object) -> Result<(), Error> {
        let members = self.context.members(object);
        let Some(variants) = &object.variants else {
            self.start(DERIVE);
            return self.structure(&self.rust_name(), &members, None);
        };
        let common: Vec<&Member> = members
            .iter()
            .copied()
            .filter(|m| m.name != variants.tag)
            .collect();
        if common.is_empty() {
            self.start(DERIVE);
            return self.union(&self.rust_name(), variants);
        }
        // Common members beside the branch, which takes those that are left.
        let (name, branch) = (self.rust_name(), format!("{}Branch", self.rust_name()));
        self.start(DERIVE);
        self.structure(&name, &common, Some(&branch))?;
        self.out.0.push('\n');
        self.out.line(
            0,
            &format!("/// What is different in each kind of [`{name}`]."),
        );
        self.out.line(0, DERIVE);
        self.union(&branch, variants)
    }

    fn structure(
        &mut self,
        name: &str,
        members: &[&'s Member],
        branch: Option<&str>,
    ) -> Result<(), Error> {
        if members.is_empty() && branch.is_none() {
            self.out.line(0, &format!("pub struct {name} {{}}"));
            return Ok(());
        }
        self.out.line(0, &format!("pub struct {name} {{"));
        let fields = names::distinct(
            members.iter().map(|member| member.name.as_str()),
            names::snake,
        )?;
        for (member, (_, rust)) in members.iter().zip(&fields) {
            self.member(member, rust);
        }
        if let Some(branch) = branch {
            let taken = fields.iter().any(|(_, rust)| rust == "branch");
            let rust = if taken { "branch_" } else { "branch" };
            self.out.line(1, "/// The rest.");
            self.out.line(1, "#[serde(flatten)]");
            self.out.line(1, &format!("pub {rust}: {branch},"));
        }
        self.out.line(0, "}");
        Ok(())
    }

    fn member(&mut self, member: &Member, rust: &str) {
        let name = &member.name;
        docs::of_part(self.out, 1, self.doc(), name, &format!("Member `{name}`."));
        if rust.trim_start_matches("r#") != name {
            self.out.line(1, &format!("#[serde(rename = {name:?})]"));
        }
        if member.optional {
            self.out
                .line(1, "#[serde(skip_serializing_if = \"Option::is_none\")]");
            if self.context.can_be_null(&member.of) {
                self.out.line(
                    1,
                    "#[serde(default, deserialize_with = \"super::super::visit::present\")]",
                );
            }
        }
        let of = self.context.member_type(member);
        let line = format!("pub {rust}: {of},");
        match line.len() + 4 <= 100 {
            true => self.out.line(1, &line),
            false => {
                self.out.line(1, &format!("pub {rust}:"));
                self.out.line(2, &format!("{of},"));
            }
        }
    }

    /// Where members are described: for arguments given in place, where the command is.
    fn doc(&self) -> Option<&'s crate::doc::Doc> {
        let schema = self.context.schema;
        let owner = self
            .entity
            .definition
            .as_ref()
            .and_then(|(_, name)| schema.get(name));
        schema.doc(owner.unwrap_or(self.entity))
    }

    fn union(&mut self, name: &str, variants: &'s Variants) -> Result<(), Error> {
        let branches = variants
            .branches
            .iter()
            .filter(|b| self.context.there(b.condition.as_ref()));
        let branches: Vec<&Branch> = branches.collect();
        let named = names::distinct(branches.iter().map(|b| b.name.as_str()), names::camel)?;
        self.out
            .line(0, &format!("#[serde(tag = {:?})]", variants.tag));
        self.out.line(0, &format!("pub enum {name} {{"));
        for (branch, (value, rust)) in branches.iter().zip(named) {
            docs::of_part(
                self.out,
                1,
                self.doc(),
                value,
                &format!("`{}` is `{value}`.", variants.tag),
            );
            self.out.line(1, &format!("#[serde(rename = {value:?})]"));
            match branch.of.as_str() {
                EMPTY => self.out.line(1, &format!("{rust},")),
                of => self.variant(&rust, of),
            }
        }
        self.out.line(0, "}");
        Ok(())
    }

    fn variant(&mut self, rust: &str, of: &str) {
        let mut inner = self.context.rust(of);
        if self.context.recursive.contains(of) {
            inner = format!("Box<{inner}>");
        }
        self.out.line(1, &format!("{rust}({inner}),"));
    }

    fn alternate(&mut self, branches: &'s [Branch]) -> Result<(), Error> {
        let branches = branches
            .iter()
            .filter(|b| self.context.there(b.condition.as_ref()));
        let mut branches: Vec<&Branch> = branches.collect();
        // serde tries one after the other, and takes an array for a struct and an object for an
        // enumeration.
        branches.sort_by_key(|branch| match self.context.schema.get(&branch.of) {
            Some(of) if of.object().is_some() => 1,
            Some(of) if matches!(of.kind, Kind::Enum { .. }) => 2,
            _ => 0,
        });
        let named = names::distinct(branches.iter().map(|b| b.name.as_str()), names::camel)?;
        self.start(DERIVE);
        self.out.line(0, "#[serde(untagged)]");
        self.out
            .line(0, &format!("pub enum {} {{", self.rust_name()));
        for (branch, (name, rust)) in branches.iter().zip(named) {
            docs::of_part(self.out, 1, self.doc(), name, &format!("Branch `{name}`."));
            self.variant(&rust, &branch.of);
        }
        self.out.line(0, "}");
        Ok(())
    }
}
