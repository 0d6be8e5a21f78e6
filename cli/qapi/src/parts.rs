//! Parts that definitions of all kinds have: keys, type references, features, conditions.

use crate::condition::Condition;
use crate::definition::{Feature, TypeRef};
use crate::error::{Names, Problem};
use crate::names::{self, Allowed};
use crate::value::{Object, Value};

type Result<T> = std::result::Result<T, Problem>;

/// A value that stands for an object with one member.
pub(crate) fn longhand(value: &Value, key: &str) -> Object {
    match value {
        Value::Object(object) => object.clone(),
        other => Object(vec![(key.to_owned(), other.clone())]),
    }
}

pub(crate) fn check_keys(
    object: &Object,
    source: &str,
    required: &[&'static str],
    optional: &[&'static str],
) -> Result<()> {
    let missing = required.iter().filter(|key| object.get(key).is_none());
    let missing: Vec<String> = missing.map(|key| (*key).to_owned()).collect();
    if !missing.is_empty() {
        return Err(Problem::MissingKeys(source.to_owned(), Names(missing)));
    }
    let valid = [required, optional].concat();
    let unknown = object
        .0
        .iter()
        .filter(|(key, _)| !valid.contains(&key.as_str()));
    let unknown: Vec<String> = unknown.map(|(key, _)| key.clone()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let valid = valid.into_iter().map(str::to_owned).collect();
    Err(Problem::UnknownKeys(
        source.to_owned(),
        Names(unknown),
        Names(valid),
    ))
}

pub(crate) fn type_member(object: &Object, source: &str, array: bool) -> Result<TypeRef> {
    match object.get("type") {
        Some(value) => type_ref(value, source, array),
        None => Err(Problem::MissingKeys(
            source.to_owned(),
            Names(vec!["type".to_owned()]),
        )),
    }
}

pub(crate) fn type_ref(value: &Value, source: &str, array: bool) -> Result<TypeRef> {
    let source = || source.to_owned();
    match value {
        Value::String(name) => Ok(TypeRef::Name(name.clone())),
        Value::Array(_) if !array => Err(Problem::NoArray(source())),
        Value::Array(elements) => match elements.as_slice() {
            [Value::String(name)] => Ok(TypeRef::Array(name.clone())),
            _ => Err(Problem::BadArray(source())),
        },
        _ => Err(Problem::NotATypeName(source())),
    }
}

pub(crate) fn features_of(object: &Object) -> Result<Vec<Feature>> {
    let list = match object.get("features") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Problem::MustBe("'features'".to_owned(), "an array")),
    };
    let feature = |value: &Value| {
        let feature = longhand(value, "name");
        let source = "'features' member";
        check_keys(&feature, source, &["name"], &["if"])?;
        let Some(Value::String(name)) = feature.get("name") else {
            return Err(Problem::NameNotString(source.to_owned()));
        };
        let source = format!("{source} '{name}'");
        names::lower(name, &source, Allowed::default())?;
        Ok(Feature {
            condition: condition_of(&feature, &source)?,
            name: name.clone(),
        })
    };
    list.iter().map(feature).collect()
}

pub(crate) fn condition_of(object: &Object, source: &str) -> Result<Option<Condition>> {
    let condition = object.get("if").map(|value| condition(value, source));
    condition.transpose()
}

fn condition(value: &Value, source: &str) -> Result<Condition> {
    let named = || format!("'if' condition of {source}");
    let object = match value {
        Value::String(symbol) if is_symbol(symbol) => {
            return Ok(Condition::Symbol(symbol.clone()));
        }
        Value::String(text) => {
            return Err(Problem::ConditionSymbol(text.clone(), source.to_owned()));
        }
        Value::Object(object) => object,
        _ => return Err(Problem::MustBe(named(), "a string or an object")),
    };
    check_keys(object, &named(), &[], &["all", "any", "not"])?;
    let [(operator, operand)] = object.0.as_slice() else {
        return Err(Problem::ConditionKeys(source.to_owned()));
    };
    if operator == "not" {
        return Ok(Condition::Not(Box::new(condition(operand, source)?)));
    }
    let Value::Array(operands) = operand else {
        let source = format!("'{operator}' condition of {source}");
        return Err(Problem::MustBe(source, "an array"));
    };
    if operands.is_empty() {
        return Err(Problem::ConditionEmpty(source.to_owned()));
    }
    let operands = operands.iter().map(|operand| condition(operand, source));
    let operands = operands.collect::<Result<_>>()?;
    Ok(match operator.as_str() {
        "all" => Condition::All(operands),
        _ => Condition::Any(operands),
    })
}

fn is_symbol(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
