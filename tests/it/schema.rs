//! The JSON Schema and the reader know the same keys.

use reportctl::model::blueprint::written::{BlueprintFile, CloudInitFile, ImageFile, MountFile, TimeoutsFile};
use reportctl::model::component::ComponentName;
use reportctl::model::diagnostic::Kind;
use reportctl::model::ids::EnvName;
use reportctl::model::json_schema;
use reportctl::model::schema::Form;
use reportctl::model::written::{ComponentFile, EnvironmentFile, MachineFile};
use reportctl::project::Project;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the reader says of a text, by kind, with the key or value that it underlines.
fn said(text: &str) -> Vec<(Kind, String)> {
    let name = EnvName::parse("probe").unwrap();
    let report = Project::embedded().with(name, text.as_bytes()).validate(Some("probe")).unwrap().report;
    let covered = |place: reportctl::model::source::Place| {
        report.sources().get(place.file).unwrap().text()[place.start..place.end].to_owned()
    };
    report.diagnostics().iter().map(|diagnostic| (diagnostic.kind, covered(diagnostic.place))).collect()
}

/// What a schema refers to, or itself.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// Every object of the schema with closed properties, and the keys that lead to it.
fn tables(schema: &Value, root: &Value, path: &[String], all: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
    let schema = resolved(schema, root);
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path:?} takes anything");
    all.push((path.to_owned(), properties.keys().cloned().collect()));
    for (key, inner) in properties {
        tables(inner, root, &[path, std::slice::from_ref(key)].concat(), all);
    }
}

/// A file that has nothing but `key` at `path`.
fn file(path: &[String], key: &str, value: &str) -> String {
    let open: String = path.iter().map(|key| format!("{key}: {{")).collect();
    let close = "}".repeat(path.len());
    format!("{{{open}\"{key}\": {value}{close}}}\n")
}

/// The kinds that mean that the reader does not know a key where it stands.
const STRANGE: [Kind; 4] = [Kind::UnknownKey, Kind::MisplacedKey, Kind::ForeignOption, Kind::UnknownComponent];

#[test]
fn every_key_of_the_schema_is_read_and_no_other() {
    let mut all = Vec::new();
    let schema = json_schema::environment();
    tables(&schema, &schema, &[], &mut all);
    assert!(all.len() > 20, "{}", all.len());
    let every: BTreeSet<&String> = all.iter().flat_map(|(_, keys)| keys).collect();
    for (path, keys) in &all {
        for key in &every {
            let strange = said(&file(path, key, "[]")).iter().any(|(kind, _)| STRANGE.contains(kind));
            // A reference to a secret does not repeat words that it does not know.
            let bad_source = path.iter().any(|key| key == "secrets") && path.len() == 4;
            let known = keys.contains(*key);
            assert!(
                bad_source || strange != known,
                "{key} at {path:?}: the schema has it: {known}, the reader does not: {strange}"
            );
        }
    }
}

#[test]
fn every_source_of_a_secret_in_the_schema_is_read() {
    let schema = json_schema::environment();
    let sources = &schema["properties"]["stack"]["properties"]["redis"]["properties"]["secrets"]["properties"]["admin"];
    let path: Vec<String> = ["stack", "redis", "secrets", "admin"].map(str::to_owned).to_vec();
    let keys: Vec<&String> = resolved(sources, &schema)["properties"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["generate", "env", "file"]);
    for (key, value) in [("generate", "24"), ("env", "ADMIN"), ("file", "/etc/admin")] {
        assert!(said(&file(&path, key, value)).iter().all(|(kind, _)| *kind != Kind::BadSecret), "{key}");
    }
    assert!(said(&file(&path, "value", "24")).iter().any(|(kind, _)| *kind == Kind::BadSecret));
}

#[test]
fn every_table_of_the_reader_is_in_the_schema_with_its_docs_defaults_and_words() {
    let schema = json_schema::environment();
    let stack = &schema["properties"]["stack"]["properties"];
    let mut tables =
        vec![(EnvironmentFile::KEYS, &schema, None), (MachineFile::KEYS, &schema["properties"]["machine"], None)];
    let blueprint = json_schema::blueprint();
    let below = |key: &str| &blueprint["properties"][key];
    tables.extend([
        (BlueprintFile::KEYS, &blueprint, None),
        (ImageFile::KEYS, below("image"), None),
        (MountFile::KEYS, &below("mounts")["items"], None),
        (CloudInitFile::KEYS, below("cloud-init"), None),
        (TimeoutsFile::KEYS, below("timeouts"), None),
    ]);
    tables.extend(ComponentName::ALL.map(|name| (ComponentFile::KEYS, &stack[name.as_str()], Some(name))));
    for (keys, table, component) in tables {
        let keys: Vec<_> = keys.iter().filter(|key| component.is_none_or(|component| key.is_of(component))).collect();
        let properties = table["properties"].as_object().unwrap();
        assert!(keys.iter().map(|key| key.name).eq(properties.keys()), "{component:?}: {:?}", properties.keys());
        for key in keys {
            let property = resolved(&properties[key.name], &schema);
            let description = property["description"].as_str().unwrap();
            assert!(!key.text().is_empty() && description.starts_with(&key.text()), "{}: {description}", key.name);
            assert_eq!(key.default.is_some(), property.get("default").is_some(), "{}", key.name);
            if let Form::Choice(choices) = key.form {
                let words: Vec<_> = property["enum"].as_array().unwrap().iter().collect();
                assert_eq!(words, choices.iter().map(|choice| choice.name).collect::<Vec<_>>());
                assert!(choices.iter().all(|choice| description.contains(choice.doc)));
            }
        }
    }
}

#[test]
fn the_limits_and_defaults_of_the_tables_can_be_read() {
    for component in ComponentName::ALL {
        for key in ComponentFile::KEYS.iter().filter(|key| key.is_of(component)) {
            let path = ["stack".to_owned(), component.to_string()];
            let (least, most) = match (key.within, key.form) {
                (Some(within), Form::Size | Form::Span) => within,
                _ => match key.default {
                    Some(default) => (default, default),
                    None => continue,
                },
            };
            for value in [least, most] {
                let bad = said(&file(&path, key.name, value));
                let bad = bad.iter().find(|(_, covered)| covered == value);
                assert!(bad.is_none(), "{component} {}: {bad:?}", key.name);
            }
        }
    }
    let machine = ["machine".to_owned()];
    for (key, value) in [("memory", "64MiB"), ("memory", "64TiB"), ("ports", "free")] {
        assert!(said(&file(&machine, key, value)).iter().all(|(_, covered)| covered != value), "{key}");
    }
}

#[test]
fn the_schemas_beside_the_files_are_those_that_are_printed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, name, text) in [
        ("environments", json_schema::FILE_NAME, json_schema::environment_text()),
        ("blueprints", json_schema::BLUEPRINT_FILE_NAME, json_schema::blueprint_text()),
    ] {
        let path = root.join(folder).join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
