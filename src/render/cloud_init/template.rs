//! Templates of user-data, in the language of Tera, filled in strictly.

use super::given::{Given, NAMES};
use super::scalar;
use crate::model::blueprint::Blueprint;
use crate::model::suggest;
use crate::render::RenderError;
use tera::{Context, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

/// The template of a blueprint with everything put into it.
///
/// Errors: where in the template what is wrong.
pub fn render(blueprint: &Blueprint, given: &Given) -> Result<String, RenderError> {
    let name = blueprint.cloud_init.template.as_str();
    let mut tera = Tera::new();
    tera.register_filter("yaml", yaml);
    tera.register_filter("block", block);
    let context = Context::from_serialize(given).map_err(|error| RenderError::Text(error.to_string()))?;
    tera.add_raw_template(name, &blueprint.cloud_init.text).map_err(|error| told(blueprint, &error))?;
    let known = tera.get_template_variables(name).map_err(|error| told(blueprint, &error))?;
    // A condition would take a variable that is not there for no, and a misspelt one would go unseen.
    if let Some(unbound) = known.iter().filter(|name| !context.contains_key(name)).min() {
        let (line, column) = place(&blueprint.cloud_init.text, unbound);
        let help = if blueprint.cloud_init.inputs.contains_key(*unbound) {
            format!("what the blueprint says is `inputs.{unbound}`")
        } else {
            suggest::help(unbound, NAMES.iter().copied())
        };
        return Err(error(blueprint, line, column, &format!("nobody gives `{unbound}`: {help}")));
    }
    tera.render(name, &context).map_err(|error| told(blueprint, &error))
}

/// Something wrong at a place in the template.
pub fn error(blueprint: &Blueprint, line: usize, column: usize, what: &str) -> RenderError {
    let template = blueprint.cloud_init.template.clone();
    RenderError::Template { template, line, column, what: what.to_owned() }
}

fn told(blueprint: &Blueprint, found: &tera::Error) -> RenderError {
    match found.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let span = report.span();
            error(blueprint, span.start_line, span.start_col + 1, report.message())
        }
        other => error(blueprint, 1, 1, &other.to_string()),
    }
}

/// Where a template first names a variable: line and column, both from 1.
fn place(text: &str, name: &str) -> (usize, usize) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let stands_alone = |at: usize| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let opened = before.rfind("{{").max(before.rfind("{%"));
        let closed = before.rfind("}}").max(before.rfind("%}"));
        let within = opened.is_some() && opened > closed;
        within && !before.ends_with(|c| is_word(c) || c == '.') && !after.starts_with(is_word)
    };
    let at = text.match_indices(name).map(|(at, _)| at).find(|at| stands_alone(*at)).unwrap_or_default();
    let line_start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    (text[..at].matches('\n').count() + 1, text[line_start..at].chars().count() + 1)
}

/// `{{ value | yaml }}`: a value within a line, such that every reader of YAML takes it for the same.
fn yaml(value: Value, _: Kwargs, _: &State) -> TeraResult<String> {
    if let Some(text) = value.as_str() {
        return Ok(scalar::text(text));
    }
    if let Some(items) = value.as_array() {
        let items = items.iter().map(|item| match item.as_str() {
            Some(text) => Ok(scalar::text(text)),
            None => Err(tera::Error::message("`yaml` takes a text, a list of texts, a number, or true or false")),
        });
        return Ok(format!("[{}]", items.collect::<TeraResult<Vec<_>>>()?.join(", ")));
    }
    if value.is_bool() || value.is_number() {
        return Ok(value.to_string());
    }
    Err(tera::Error::message("`yaml` takes a text, a list of texts, a number, or true or false"))
}

/// `{{ value | block(indent=4) }}`: a text of several lines, each so much further to the right.
fn block(value: &str, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let indent: usize = kwargs.must_get("indent")?;
    if indent == 0 || indent > 40 {
        return Err(tera::Error::message("`indent` is 1 to 40 blanks"));
    }
    Ok(scalar::block(value, indent))
}
