//! YAML for foreign programs, made from typed values, so that nothing is quoted by hand.

use super::RenderError;
use serde::Serialize;

/// A document: who made it, what it is, and the value.
///
/// Errors: the value has no YAML form.
pub fn document<T: Serialize>(made_for: &str, what: &[&str], value: &T) -> Result<String, RenderError> {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, folded_wrap_chars: 110 };
    let body = serde_saphyr::to_string_with_options(value, options)
        .map_err(|error| RenderError::Text(format!("{}: {error}", what.first().unwrap_or(&"a document"))))?;
    let mut text = super::banner(made_for);
    what.iter().for_each(|line| text.push_str(&format!("# {line}\n")));
    text.push_str(&format!("\n{}\n", body.trim_end()));
    Ok(text)
}
