//! Projects and new environments that are begun with files to edit.

use reportctl::model::ids::EnvName;
use reportctl::model::library::Meaning;
use reportctl::project::init::{Begun, InitError, New};
use reportctl::project::{Project, ProjectError};
use std::path::{Path, PathBuf};

fn name(text: &str) -> EnvName {
    EnvName::parse(text).unwrap()
}

fn init(folder: &Path, new: &str, from: &str, replace: bool) -> Result<Begun, InitError> {
    let project = Project::begin(Some(folder), Path::new("/"));
    project.init(&New { name: Some(&name(new)), from: &name(from), replace })
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join("environments").join(file)).unwrap()
}

fn files(paths: &[PathBuf]) -> Vec<&str> {
    paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn a_new_environment_comes_with_what_it_needs_and_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let begun = init(folder.path(), "plant", "local", false).unwrap();
    assert_eq!(files(&begun.written), ["environment.schema.json", "base.yaml", "plant.yaml"]);
    assert!(begun.replaced.is_empty() && begun.kept.is_empty());
    let text = read(folder.path(), "plant.yaml");
    assert!(text.starts_with("# yaml-language-server: $schema=environment.schema.json\n"), "{text}");
    assert!(text.contains("description: \"plant, begun as a copy of local\"\n"), "{text}");
    let project = Project::find(Some(folder.path()), Path::new("/")).unwrap();
    let validation = project.validate(None).unwrap();
    assert!(validation.report.diagnostics().is_empty(), "{:?}", validation.report.diagnostics());
    let meaning =
        |name: &str| validation.files.iter().find(|file| file.name.as_str() == name).map(|file| &file.meaning);
    assert!(matches!(meaning("plant"), Some(Meaning::Environment(_))));
    assert_eq!(meaning("base"), Some(&Meaning::Base));
    let (plant, local) = (project.load("plant").unwrap(), Project::embedded().load("local").unwrap());
    assert_eq!((plant.stack, plant.machine), (local.stack, local.machine));
}

#[test]
fn a_new_machine_comes_with_its_blueprint_and_template_which_then_count() {
    let folder = tempfile::tempdir().unwrap();
    let begun = init(folder.path(), "plant", "lxd", false).unwrap();
    let expected = [
        "environment.schema.json",
        "blueprint.schema.json",
        "base.yaml",
        "report-stack.yaml",
        "report-stack.yaml.tera",
        "plant.yaml",
    ];
    assert_eq!(files(&begun.written), expected);
    let blueprint = folder.path().join("blueprints/report-stack.yaml");
    let text = std::fs::read_to_string(&blueprint).unwrap().replace("memory: 6GiB", "memory: 9GiB");
    std::fs::write(&blueprint, text).unwrap();
    std::fs::write(folder.path().join("cloud-init/report-stack.yaml.tera"), "#cloud-config\n# ours\n").unwrap();
    let project = Project::find(Some(folder.path()), Path::new("/")).unwrap();
    let plant = project.load("plant").unwrap();
    let shape = plant.machine.blueprint().unwrap();
    assert_eq!(
        (shape.memory.to_string().as_str(), shape.cloud_init.text.as_str()),
        ("9GiB", "#cloud-config\n# ours\n")
    );
    let (_, path) = project.blueprint("report-stack").unwrap();
    assert!(blueprint.ends_with(path));
    let (_, path) = project.blueprint("microk8s-juju").unwrap();
    assert!(path.starts_with("<embedded>"), "{}", path.display());
}

#[test]
fn nothing_is_replaced_unless_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "plant", "local", false).unwrap();
    let edited = format!("{}# edited\n", read(folder.path(), "plant.yaml"));
    for (file, text) in
        [("plant.yaml", edited.as_str()), ("base.yaml", &format!("{}# edited\n", read(folder.path(), "base.yaml")))]
    {
        std::fs::write(folder.path().join("environments").join(file), text).unwrap();
    }
    let refused = init(folder.path(), "plant", "local", false).unwrap_err();
    assert!(matches!(&refused, InitError::Exists(path) if path.ends_with("environments/plant.yaml")), "{refused}");
    assert_eq!(read(folder.path(), "plant.yaml"), edited);
    let begun = init(folder.path(), "plant", "local", true).unwrap();
    assert_eq!(files(&begun.replaced), ["plant.yaml"]);
    assert_eq!(files(&begun.kept), ["environment.schema.json", "base.yaml"]);
    assert!(read(folder.path(), "base.yaml").ends_with("# edited\n"));
    assert!(!read(folder.path(), "plant.yaml").ends_with("# edited\n"));
}

#[test]
fn a_copy_of_a_copy_keeps_what_its_file_says() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "plant", "local", false).unwrap();
    let text = read(folder.path(), "plant.yaml").replace("5s", "7s");
    std::fs::write(folder.path().join("environments/plant.yaml"), text).unwrap();
    init(folder.path(), "line-one", "plant", false).unwrap();
    let copy = read(folder.path(), "line-one.yaml");
    assert!(copy.contains("scrape-interval: 7s") && copy.contains("begun as a copy of plant"), "{copy}");
}

#[test]
fn a_description_of_any_form_is_replaced_or_left_as_it_is() {
    for (description, replaced) in [
        ("plain text", true),
        ("'in quotes, \u{fc}'", true),
        ("\"over\n  two lines\"", true),
        (">-\n  folded\n  over lines", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("environments")).unwrap();
        let text = format!("description: {description}\nextends: base\nmachine: {{kind: host}}\n");
        std::fs::write(folder.path().join("environments/old.yaml"), text).unwrap();
        init(folder.path(), "new", "old", false).unwrap();
        let new = Project::find(Some(folder.path()), Path::new("/")).unwrap().load("new").unwrap();
        assert_eq!(new.description == "new, begun as a copy of old", replaced, "{}", new.description);
    }
}

#[test]
fn without_a_name_the_embedded_files_are_written_out_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::begin(Some(folder.path()), Path::new("/"));
    let new = New { name: None, from: &name("local"), replace: false };
    let begun = project.init(&new).unwrap();
    let written: Vec<String> = begun.written.iter().map(|path| path.display().to_string()).collect();
    let root = folder.path().display();
    let expected = [
        "environments/environment.schema.json",
        "blueprints/blueprint.schema.json",
        "environments/base.yaml",
        "environments/local.yaml",
        "environments/lxd.yaml",
        "environments/multipass.yaml",
        "blueprints/microk8s-juju.yaml",
        "blueprints/report-stack.yaml",
        "cloud-init/microk8s-juju.yaml.tera",
        "cloud-init/report-stack.yaml.tera",
    ];
    assert_eq!(written, expected.map(|path| format!("{root}/{path}")));
    assert_eq!(read(folder.path(), "local.yaml"), include_str!("../../environments/local.yaml"));
    let again = project.init(&new).unwrap();
    assert!(again.written.is_empty() && again.replaced.is_empty() && again.kept.len() == expected.len(), "{again:?}");
}

#[test]
fn what_cannot_be_copied_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(init(folder.path(), "plant", "base", false), Err(InitError::FromBase(_))));
    let unknown = init(folder.path(), "plant", "locl", false);
    assert!(matches!(unknown, Err(InitError::Project(ProjectError::NotFound { .. }))));
    assert!(!folder.path().join("environments").exists());
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    std::fs::write(folder.path().join("environments/base.yaml"), "stack: {redis: {memory: lots}}\n").unwrap();
    let invalid = init(folder.path(), "plant", "local", false);
    assert!(matches!(invalid, Err(InitError::Project(ProjectError::Invalid(_)))), "{invalid:?}");
    assert_eq!(std::fs::read_dir(folder.path().join("environments")).unwrap().count(), 1);
}

#[test]
fn a_project_overrides_file_by_file_and_is_found_from_below() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    let text = "extends: base\ndescription: Ours\nmachine: {kind: host}\n";
    std::fs::write(folder.path().join("environments/local.yaml"), text).unwrap();
    let project = Project::find(None, &below).unwrap();
    assert_eq!(project.folder(), Some(folder.path()));
    assert_eq!(project.load("local").unwrap().description, "Ours");
    assert!(matches!(Project::find(Some(Path::new("c")), &below), Err(ProjectError::NoProject(_))));
}
