//! What people look at: one list of panels, and the two forms in which it is shown. Grafana shows the one, Prometheus
//! itself shows the other, so that there are graphs where there is no Grafana.

mod console;
mod grafana;
mod panels;

use super::RenderError;
use super::rules::Watched;
use crate::model::component::ComponentName;
use crate::model::quantity::Span;
use serde::Serialize;

pub use console::console;
pub use grafana::{PROMETHEUS_UID, UID, grafana};

/// The dashboard of one environment: what runs there decides which panels there are.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The environment's name.
    pub env: String,
    /// The time between two scrapes: there are no finer figures.
    pub scrape_interval: Span,
    /// The span over which rates are taken when the graph is short.
    pub window: Span,
    /// The rows, from top to bottom.
    pub rows: Vec<Row>,
}

/// Panels that belong together.
#[derive(Debug, Clone)]
pub struct Row {
    /// What they are about.
    pub title: &'static str,
    /// The panels, from left to right; a full line is 24 wide.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// What it means, and when to worry.
    pub about: &'static str,
    /// The components whose series it reads: it is there only when all of them run.
    pub of: &'static [ComponentName],
    /// The form.
    pub kind: Kind,
    /// The unit of its figures.
    pub unit: Unit,
    /// How wide it is, of 24.
    pub width: u32,
    /// Its series.
    pub queries: Vec<Query>,
    /// From which figure on it is good or bad.
    pub scale: Scale,
    /// What it says when there are no series.
    pub empty: &'static str,
}

/// The form of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The last figure, large, coloured by the scale.
    Number,
    /// One field a series: 1 is up, everything else is down.
    State,
    /// Lines over time.
    Graph,
    /// Areas over time, one upon the other.
    Stack,
}

/// The unit of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A number of things.
    Count,
    /// A number of things a second.
    PerSecond,
    /// Bytes, shown in powers of 1024.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// A part of one, shown in per cent.
    Ratio,
}

/// One or more series of a panel.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Query {
    /// What is asked, in PromQL; `$window` is the span for rates.
    pub expr: &'static str,
    /// What each series is called; `{{label}}` is replaced by its label.
    pub legend: &'static str,
}

/// From which figure on something is good or bad.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Scale {
    /// What it is below the first step.
    pub base: Level,
    /// Each figure, rising, and what it is from there on.
    pub steps: &'static [(f64, Level)],
}

/// Whether a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Something is wrong.
    Bad,
}

impl Dashboard {
    /// The dashboard for what is watched.
    pub fn new(watched: &Watched, scrape_interval: Span) -> Self {
        let runs = |panel: &Panel| panel.of.iter().all(|component| watched.components.contains(component));
        let rows = panels::rows()
            .into_iter()
            .map(|row| Row { title: row.title, panels: row.panels.into_iter().filter(runs).collect() });
        let rows = rows.filter(|row: &Row| !row.panels.is_empty()).collect();
        Self { env: watched.env.clone(), scrape_interval, window: watched.window, rows }
    }

    /// Every panel, from top to bottom.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}

/// The panels' questions as a rule file: `promtool check rules` then judges every one of them.
///
/// Errors: it has no YAML form.
pub fn as_rules(dashboard: &Dashboard) -> Result<String, RenderError> {
    let window = dashboard.window.to_string();
    let questions = dashboard.panels().flat_map(|panel| &panel.queries);
    let rules: Vec<_> = questions
        .enumerate()
        .map(|(number, query)| {
            let expr = query.expr.replace("$window", &window);
            serde_json::json!({ "record": format!("panel:question:{number}"), "expr": expr })
        })
        .collect();
    let groups = serde_json::json!({ "groups": [{ "name": "panels", "rules": rules }] });
    super::yaml::document(&dashboard.env, &["The questions of the dashboard, for promtool to judge."], &groups)
}
