//! The dashboard as a page that Prometheus serves itself: a console template. It brings all that it needs, since the
//! distribution's console libraries are examples only and lie where no Prometheus looks by itself.

use super::{Dashboard, Panel};
use crate::render::RenderError;
use serde_json::{Value, json};

const PAGE: &str = include_str!("console/page.html");
const STYLE: &str = include_str!("console/page.css");
const SCRIPT: &str = include_str!("console/page.js");

/// The page, a Go template of Prometheus.
///
/// Errors: the list of panels has no JSON form.
pub fn console(dashboard: &Dashboard) -> Result<String, RenderError> {
    let rows: Vec<Value> = dashboard
        .rows
        .iter()
        .map(|row| json!({ "title": row.title, "panels": row.panels.iter().map(panel).collect::<Vec<_>>() }))
        .collect();
    let spec = json!({
        "scrape": dashboard.scrape_interval.duration().as_secs_f64(),
        "window": dashboard.window.duration().as_secs(),
        "rows": rows,
    });
    let spec = serde_json::to_string(&spec).map_err(|error| RenderError::Text(error.to_string()))?;
    Ok(PAGE
        .replace("@STYLE@", STYLE.trim_end())
        .replace("@SCRIPT@", SCRIPT.trim_end())
        .replace("@ENV@", &dashboard.env)
        .replace("@SPEC@", &inert(&spec)))
}

fn panel(panel: &Panel) -> Value {
    json!({
        "title": panel.title,
        "about": panel.about,
        "kind": panel.kind,
        "unit": panel.unit,
        "width": panel.width,
        "queries": panel.queries,
        "scale": panel.scale,
        "empty": panel.empty,
    })
}

/// JSON that neither a Go template nor a browser takes for something else: braces of a template and angle brackets stand
/// only within texts, where they may be escaped.
fn inert(json: &str) -> String {
    json.replace("{{", "\\u007b\\u007b").replace('<', "\\u003c").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_for_browsers_without_scripts_is_a_template() {
        assert!(!SCRIPT.contains("{{") && !STYLE.contains("{{"));
        assert_eq!(PAGE.matches("{{").count(), 7);
        let json = r#"{"a":{"legend":"{{job}} < & x"}}"#;
        let kept: Value = serde_json::from_str(&inert(json)).unwrap_or_default();
        assert_eq!(kept["a"]["legend"], "{{job}} < & x");
        assert!(!inert(json).contains("{{") && !inert(json).contains('<'));
    }
}
