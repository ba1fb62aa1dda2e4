//! Mistakes in files, for people and for programs.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use reportctl::model::diagnostic::{Diagnostic, Report, Severity};
use reportctl::model::source::{Place, Source, Sources};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// The most diagnostics that are shown to people at once.
const MOST: usize = 100;

/// The report as people read it: each mistake with its line, and how many there are. Empty when there is none.
///
/// `columns` is the width to fit long lines into.
pub fn human(report: &Report, color: bool, columns: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(columns.clamp(60, 200));
    let shown = Shown::of(report);
    let mut text = String::new();
    for diagnostic in report.diagnostics().iter().take(MOST) {
        text.push_str(&renderer.render(&groups(diagnostic, report.sources(), &shown)));
        text.push_str("\n\n");
    }
    match report.diagnostics().len() {
        0 => {}
        all if all > MOST => text.push_str(&format!("{}, of which the first {MOST} are shown\n", counted(report))),
        _ => text.push_str(&format!("{}\n", counted(report))),
    }
    text
}

/// The report as programs read it.
pub fn json(report: &Report) -> Value {
    let sources = report.sources();
    let diagnostics: Vec<Value> = report
        .diagnostics()
        .iter()
        .map(|diagnostic| {
            let Diagnostic { place, kind, message, label, related, help } = diagnostic;
            let related: Vec<Value> = related
                .iter()
                .map(|related| json!({ "place": place_value(related.place, sources), "label": related.label }))
                .collect();
            json!({
                "severity": diagnostic.severity().as_str(),
                "code": kind.code(),
                "message": message,
                "place": place_value(*place, sources),
                "label": if label.is_empty() { Value::Null } else { json!(label) },
                "related": related,
                "help": help,
            })
        })
        .collect();
    json!({
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "diagnostics": diagnostics,
    })
}

/// `3 errors and 1 warning`.
pub fn counted(report: &Report) -> String {
    let some = |severity: Severity| {
        let count = report.count(severity);
        (count > 0).then(|| format!("{count} {}{}", severity.as_str(), if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(some).collect();
    if parts.is_empty() { "no mistakes".to_owned() } else { parts.join(" and ") }
}

fn place_value(place: Place, sources: &Sources) -> Value {
    let Some(source) = sources.get(place.file) else { return Value::Null };
    let (start, end) = (source.position(place.start), source.position(place.end));
    json!({
        "file": source.path(),
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "bytes": [place.start, place.end],
    })
}

/// The text of each file that a report points into, without what must not be shown.
struct Shown(BTreeMap<reportctl::model::source::FileId, String>);

impl Shown {
    fn of(report: &Report) -> Self {
        let places = report.diagnostics().iter().take(MOST).flat_map(places);
        let mut texts = BTreeMap::new();
        for place in places {
            if let Some(source) = report.sources().get(place.file) {
                texts.entry(place.file).or_insert_with(|| source.shown());
            }
        }
        Self(texts)
    }
}

fn places(diagnostic: &Diagnostic) -> impl Iterator<Item = Place> + '_ {
    [diagnostic.place].into_iter().chain(diagnostic.related.iter().map(|related| related.place))
}

/// What the renderer shows of one diagnostic: its own file first, then the others, then what to do.
fn groups<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, shown: &'a Shown) -> Vec<Group<'a>> {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.kind.code()));
    let mut files = vec![diagnostic.place.file];
    for related in &diagnostic.related {
        if !files.contains(&related.place.file) {
            files.push(related.place.file);
        }
    }
    for file in files {
        let (Some(source), Some(text)) = (sources.get(file), shown.0.get(&file)) else { continue };
        group = group.element(snippet(diagnostic, file, source, text));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    vec![group]
}

/// The lines of one file that a diagnostic has to do with.
fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: reportctl::model::source::FileId,
    source: &'a Source,
    text: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let here: Vec<Place> = places(diagnostic).filter(|place| place.file == file).collect();
    let first = here.iter().map(|place| place.start).min().unwrap_or(0);
    let last = here.iter().map(|place| place.end).max().unwrap_or(0);
    // Only these lines are handed over: the renderer goes through all that it gets.
    let from = text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let to = text.get(last..).and_then(|after| after.find('\n')).map_or(text.len(), |at| last + at);
    let within = |place: Place| -> Range<usize> { place.start - from..place.end - from };
    let mut snippet = Snippet::source(text.get(from..to).unwrap_or_default())
        .line_start(source.position(from).line)
        .path(source.path());
    if diagnostic.place.file == file {
        let annotation = AnnotationKind::Primary.span(within(diagnostic.place));
        snippet = snippet.annotation(match diagnostic.label.as_str() {
            "" => annotation,
            label => annotation.label(label),
        });
    }
    let related = diagnostic.related.iter().filter(|related| related.place.file == file);
    snippet.annotations(
        related.map(|related| AnnotationKind::Context.span(within(related.place)).label(related.label.as_str())),
    )
}
