//! The JSON Schema of our files, made from the same tables as the reader.
//!
//! Draft 7, because that is what editors understand best. The schema cannot demand keys (a base may have them) nor
//! compare sizes: for that there is `validate`.

use super::blueprint::written::BlueprintFile;
use super::component::ComponentName;
use super::reader::Readable as _;
use super::scalars::{Line, SECRET_SOURCES};
use super::schema::{Choice, Form, Key};
use super::written::{ComponentFile, EnvironmentFile, MachineFile, MachineKind};
use serde_json::{Map, Value, json};

/// The name of the schema's file beside the files that it is for.
pub const FILE_NAME: &str = "environment.schema.json";

/// The name of the schema's file beside blueprints.
pub const BLUEPRINT_FILE_NAME: &str = "blueprint.schema.json";

/// The schema of a file in `environments/`.
pub fn environment() -> Value {
    let mut schema = headed(
        "reportctl environment",
        "An environment: one named place where the stack runs. Or a base for environments.",
        table(EnvironmentFile::KEYS, None),
    );
    schema["properties"]["machine"]["allOf"] = kinds_of_machine();
    schema["definitions"] = definitions();
    schema
}

/// The schema of a file in `blueprints/`.
pub fn blueprint() -> Value {
    headed(
        "reportctl blueprint",
        "A blueprint: the shape of a machine, whatever it runs on.",
        table(BlueprintFile::KEYS, None),
    )
}

/// The text of the schema's file for environments.
pub fn environment_text() -> String {
    text(&environment())
}

/// The text of the schema's file for blueprints.
pub fn blueprint_text() -> String {
    text(&blueprint())
}

fn text(schema: &Value) -> String {
    // A value of ours always has a JSON form.
    let text = serde_json::to_string_pretty(schema).unwrap_or_default();
    format!("{text}\n")
}

fn headed(title: &str, description: &str, mut schema: Value) -> Value {
    let head = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "description": description,
    });
    let Value::Object(mut whole) = head else { return schema };
    if let Value::Object(body) = &mut schema {
        whole.append(body);
    }
    Value::Object(whole)
}

/// For each kind of machine, the keys that it does not have.
fn kinds_of_machine() -> Value {
    let Form::Choice(kinds) = MachineKind::FORM else { return json!([]) };
    let of = |kind: &Choice| {
        let others = MachineFile::KEYS.iter().filter(|key| !key.on.is_empty());
        let others = others.filter(|key| !key.on.iter().any(|on| on.as_str() == kind.name));
        let none: Map<String, Value> = others.map(|key| (key.name.to_owned(), json!(false))).collect();
        json!({
            "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] },
            "then": { "properties": none },
        })
    };
    kinds.iter().map(of).collect()
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
        // `true`, `[]` and the like are the same in JSON; a word is none of it.
        let default = serde_json::from_str(default).unwrap_or_else(|_| Value::String(default.to_owned()));
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
        Form::Number => {
            json!({ "type": "integer", "minimum": least.parse::<u64>().ok(), "maximum": most.parse::<u64>().ok() })
        }
        Form::Word(shape) => {
            let types = if shape.numbers { json!(["string", "number"]) } else { json!("string") };
            json!({ "type": types, "pattern": shape.pattern })
        }
        Form::List(entry, once) => {
            let entry = Key { form: *entry, ..*key };
            let mut list = json!({ "type": "array", "items": form(&entry, component) });
            if once {
                list["uniqueItems"] = json!(true);
            }
            list
        }
        // What YAML takes for a number or a truth value is passed on as it stands.
        Form::Command => {
            json!({ "type": "array", "minItems": 1, "items": { "type": ["string", "number", "boolean"] } })
        }
        Form::Inputs => {
            let text = json!({ "type": "string" });
            let values = json!([{ "type": "boolean" }, text, { "type": "array", "items": text }]);
            json!({ "type": "object", "additionalProperties": false, "patternProperties": { "^[a-z][a-z0-9_]{0,39}$": { "oneOf": values } } })
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
