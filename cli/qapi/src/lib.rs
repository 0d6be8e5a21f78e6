//! The QAPI schema language, as QEMU 7.2 has it: parser, checker, introspection, and a generator of
//! Rust and of documentation. Files go through [`Schema::load`]: characters (`lex`), JSON and
//! comments (`parse`, `doc`), shape (`shape`), entities (`declare`), meaning (`check`); everything
//! else reads the schema that comes out.
#![forbid(unsafe_code)]

mod check;
mod condition;
mod declare;
mod definition;
mod doc;
mod documented;
mod error;
mod lex;
mod names;
mod parse;
mod parts;
mod schema;
mod shape;
mod source;
mod value;

pub mod dump;
pub mod generate;
pub mod introspect;
pub mod markdown;

pub use condition::{Condition, holds};
pub use definition::{EnumValue, Feature, Flags};
pub use doc::{Doc, Section};
pub use error::{Error, Names, Problem};
pub use schema::{
    Branch, EMPTY, Entity, Json, Kind, Member, Module, Object, Role, Schema, Variants,
};
pub use source::{Position, SourceFile};
pub use value::Meta;
