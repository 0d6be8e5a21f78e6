//! What a command answers when it fails.

use serde_json::{Value, json};

/// The class of an error; clients may rely on it, unlike on the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Most errors.
    GenericError,
    /// There is no such command, or not now.
    CommandNotFound,
}

/// An error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// Its class.
    pub class: ErrorClass,
    /// In words.
    pub description: String,
}

impl CommandError {
    /// An error without a class of its own.
    pub fn generic(description: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::GenericError,
            description: description.into(),
        }
    }

    /// There is no command of this name.
    pub fn unknown(name: &str) -> Self {
        let description = format!("The command {name} has not been found");
        Self {
            class: ErrorClass::CommandNotFound,
            description,
        }
    }

    /// As the client gets it.
    pub fn to_value(&self) -> Value {
        let class = match self.class {
            ErrorClass::GenericError => "GenericError",
            ErrorClass::CommandNotFound => "CommandNotFound",
        };
        json!({"class": class, "desc": self.description})
    }
}
