//! The JSON Schema of our files, made from the same tables as the reader.
//!
//! Draft 7, because that is what editors understand best. The schema cannot demand keys (a base may have them) nor
//! compare sizes: for that there is `validate`.

use super::component::ComponentName;
use super::scalars::{Line, SECRET_SOURCES};
use super::schema::{Choice, Form, Key};
use super::written::{ComponentFile, EnvironmentFile};
use serde_json::{Map, Value, json};

/// The name of the schema's file beside the files that it is for.
pub const FILE_NAME: &str = "environment.schema.json";

/// The schema of a file in `environments/`.
pub fn environment() -> Value {
    let mut schema = table(EnvironmentFile::KEYS, None);
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "reportctl environment",
        "description": "An environment: one named place where the stack runs. Or a base for environments.",
    });
    let Value::Object(mut whole) = head else { return schema };
    if let Value::Object(body) = &mut schema {
        whole.append(body);
    }
    whole.insert("definitions".to_owned(), definitions());
    Value::Object(whole)
}

/// The text of the schema's file.
pub fn environment_text() -> String {
    // A value of ours always has a JSON form.
    let text = serde_json::to_string_pretty(&environment()).unwrap_or_default();
    format!("{text}\n")
}

/// An object with the keys of a table: those of `component`, when it is a component's.
fn table(keys: &[Key], component: Option<ComponentName>) -> Value {
    let of_it = keys.iter().filter(|key| component.is_none_or(|component| key.is_of(component)));
    closed(of_it.map(|key| match component {
        Some(_) if is_shared(key) => (key.name, json!({ "$ref": format!("#/definitions/{}", key.name) })),
        _ => (key.name, described(key, form(key, component))),
    }))
}

/// Whether a component's key looks the same for every component that has it.
fn is_shared(key: &Key) -> bool {
    !matches!(key.form, Form::Ports | Form::Secrets)
}

/// What is the same for several components.
fn definitions() -> Value {
    let keys = ComponentFile::KEYS.iter().filter(|key| is_shared(key));
    let mut all: Map<String, Value> = keys.map(|key| (key.name.to_owned(), described(key, form(key, None)))).collect();
    all.insert("secret-source".to_owned(), secret_source());
    Value::Object(all)
}

/// An object with these properties and no others.
fn closed<'a>(properties: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let properties: Map<String, Value> = properties.map(|(name, value)| (name.to_owned(), value)).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Puts a key's doc, limits and default on its schema.
fn described(key: &Key, schema: Value) -> Value {
    let mut text = key.text();
    if let Form::Choice(choices) = key.form {
        for Choice { name, doc } in choices {
            text.push_str(&format!("\n\n`{name}`: {doc}"));
        }
    }
    if let (Some((least, most)), Form::Size | Form::Span) = (key.within, key.form) {
        text.push_str(&format!("\n\nFrom {least} to {most}."));
    }
    if let Some(default) = key.default {
        text.push_str(&format!("\n\nDefault: {default}"));
    }
    let mut whole = Map::from_iter([("description".to_owned(), Value::String(text))]);
    if let Value::Object(schema) = schema {
        whole.extend(schema);
    }
    if let Some(default) = key.default {
        let default = match (key.form, default) {
            (Form::Bool, text) => Value::Bool(text == "true"),
            (Form::Components, _) => json!([]),
            (_, text) => Value::String(text.to_owned()),
        };
        whole.insert("default".to_owned(), default);
    }
    Value::Object(whole)
}

fn form(key: &Key, component: Option<ComponentName>) -> Value {
    let (least, most) = key.within.unwrap_or_default();
    match key.form {
        Form::Line => json!({ "type": "string", "minLength": 1, "maxLength": Line::LONGEST }),
        Form::Name => json!({ "type": "string", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength": 32 }),
        // YAML takes 7.0 for a number; the reader takes its text.
        Form::Version => json!({ "type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+){0,3}$" }),
        Form::Size => json!({ "type": "string", "pattern": "^[0-9]+(KiB|MiB|GiB|TiB)$" }),
        Form::Span => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Form::Bool => json!({ "type": "boolean" }),
        Form::Port => {
            json!({ "type": "integer", "minimum": least.parse::<u64>().ok(), "maximum": most.parse::<u64>().ok() })
        }
        Form::Choice(choices) => {
            json!({ "type": "string", "enum": choices.iter().map(|choice| choice.name).collect::<Vec<_>>() })
        }
        Form::Components => json!({
            "type": "array",
            "uniqueItems": true,
            "items": { "enum": ComponentName::ALL.map(ComponentName::as_str) },
        }),
        Form::Ports => closed(component.into_iter().flat_map(ComponentName::ports).map(|(name, usual)| {
            let mut port = form(&Key { form: Form::Port, ..*key }, component);
            port["description"] = json!(format!("Customary: {usual}"));
            (*name, port)
        })),
        Form::Secrets => closed(
            component.into_iter().flat_map(ComponentName::secrets).map(|name| (*name, form(&secret(key), component))),
        ),
        Form::Secret => json!({ "$ref": "#/definitions/secret-source" }),
        Form::Table(keys) => table(keys, component),
        Form::Stack => closed(ComponentName::ALL.into_iter().map(|name| {
            let mut schema = table(ComponentFile::KEYS, Some(name));
            schema["description"] = json!(name.purpose());
            (name.as_str(), schema)
        })),
    }
}

fn secret(key: &Key) -> Key {
    Key { form: Form::Secret, ..*key }
}

/// A reference: exactly one source.
fn secret_source() -> Value {
    let mut schema = closed(SECRET_SOURCES.iter().map(|source| {
        let value = match source.name {
            "generate" => {
                json!({ "type": "integer", "minimum": super::scalars::GENERATED.0, "maximum": super::scalars::GENERATED.1 })
            }
            "env" => json!({ "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$" }),
            _ => json!({ "type": "string", "pattern": "^/" }),
        };
        let mut whole = Map::from_iter([("description".to_owned(), json!(source.doc))]);
        if let Value::Object(value) = value {
            whole.extend(value);
        }
        (source.name, Value::Object(whole))
    }));
    schema["minProperties"] = json!(1);
    schema["maxProperties"] = json!(1);
    schema
}
