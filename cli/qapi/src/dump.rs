//! A checked schema as text, in the form that the tests of QEMU's front end compare.

use std::fmt::Write;

use crate::condition::Condition;
use crate::definition::Feature;
use crate::schema::{Branch, Entity, Kind, Schema};

/// All entities module by module, then all documentation.
#[must_use]
pub fn dump(schema: &Schema) -> String {
    let mut out = Dump(String::new());
    for (index, module) in schema.modules.iter().enumerate() {
        out.line(0, &format!("module {}", module.name));
        let entities = schema.entities.iter();
        for entity in entities.filter(|entity| entity.module == index) {
            out.entity(schema, entity);
        }
    }
    out.docs(schema);
    out.0
}

struct Dump(String);

impl Dump {
    fn line(&mut self, indent: usize, text: &str) {
        // A string takes everything.
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    fn entity(&mut self, schema: &Schema, entity: &Entity) {
        let name = &entity.name;
        let or_none = |name: &Option<String>| name.clone().unwrap_or_else(|| "None".to_owned());
        match &entity.kind {
            Kind::Builtin(_) => return,
            Kind::Array { .. } if entity.at.is_none() => return,
            Kind::Include(module) => {
                return self.line(0, &format!("include {}", schema.modules[*module].name));
            }
            Kind::Enum { prefix, values } => {
                self.line(0, &format!("enum {name}"));
                if let Some(prefix) = prefix {
                    self.line(4, &format!("prefix {prefix}"));
                }
                for value in values {
                    self.line(4, &format!("member {}", value.name));
                    self.condition(8, value.condition.as_ref());
                    self.features(8, &value.features);
                }
            }
            Kind::Object(object) => {
                self.line(0, &format!("object {name}"));
                if let Some(base) = &object.base {
                    self.line(4, &format!("base {base}"));
                }
                for member in &object.members {
                    let optional = boolean(member.optional);
                    self.line(
                        4,
                        &format!("member {}: {} optional={optional}", member.name, member.of),
                    );
                    self.condition(8, member.condition.as_ref());
                    self.features(8, &member.features);
                }
                if let Some(variants) = &object.variants {
                    self.branches(&variants.tag, &variants.branches);
                }
            }
            Kind::Array { element } => self.line(0, &format!("array {name} {element}")),
            Kind::Alternate { branches } => {
                self.line(0, &format!("alternate {name}"));
                self.branches("type", branches);
            }
            Kind::Command {
                arguments,
                returns,
                flags,
            } => {
                self.line(
                    0,
                    &format!(
                        "command {name} {} -> {}",
                        or_none(arguments),
                        or_none(returns)
                    ),
                );
                let coroutine = if flags.coroutine {
                    " coroutine=True"
                } else {
                    ""
                };
                self.line(
                    4,
                    &format!(
                        "gen={} success_response={} boxed={} oob={} preconfig={}{coroutine}",
                        boolean(flags.generate),
                        boolean(flags.success_response),
                        boolean(flags.boxed),
                        boolean(flags.allow_oob),
                        boolean(flags.allow_preconfig),
                    ),
                );
            }
            Kind::Event { arguments, boxed } => {
                self.line(0, &format!("event {name} {}", or_none(arguments)));
                self.line(4, &format!("boxed={}", boolean(*boxed)));
            }
        }
        self.condition(4, entity.condition.as_ref());
        self.features(4, &entity.features);
    }

    fn branches(&mut self, tag: &str, branches: &[Branch]) {
        self.line(4, &format!("tag {tag}"));
        for branch in branches {
            self.line(4, &format!("case {}: {}", branch.name, branch.of));
            self.condition(8, branch.condition.as_ref());
        }
    }

    fn condition(&mut self, indent: usize, condition: Option<&Condition>) {
        if let Some(condition) = condition {
            self.line(indent, &format!("if {condition}"));
        }
    }

    fn features(&mut self, indent: usize, features: &[Feature]) {
        for feature in features {
            self.line(indent, &format!("feature {}", feature.name));
            self.condition(indent + 4, feature.condition.as_ref());
        }
    }

    fn docs(&mut self, schema: &Schema) {
        for doc in &schema.docs {
            match &doc.symbol {
                Some(symbol) => self.line(0, &format!("doc symbol={symbol}")),
                None => self.line(0, "doc freeform"),
            }
            self.line(4, "body=");
            self.line(0, &doc.body);
            let kinds = [
                ("arg", &doc.arguments),
                ("feature", &doc.features),
                ("section", &doc.sections),
            ];
            for (kind, sections) in kinds {
                for section in sections {
                    let name = section.name.as_deref().unwrap_or("None");
                    self.line(4, &format!("{kind}={name}"));
                    self.line(0, &section.text);
                }
            }
        }
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
