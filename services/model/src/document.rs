//! The document that a report makes: what is stored, and what CSV and HTML are made of.

use serde::{Deserialize, Serialize};

/// The result of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// What a reader should know first, in a few short sentences: counts, the worst case, the forecast.
    pub summary: Vec<String>,
    /// What was odd in the data or limits what may be concluded. Empty when there is nothing.
    pub warnings: Vec<String>,
    /// The table's columns.
    pub columns: Vec<Column>,
    /// The table's rows; each has one cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// The chart, where there is one.
    pub chart: Option<Chart>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in CSV and JSON, such as `days_overdue`.
    pub name: String,
    /// Its heading, such as `Days overdue`.
    pub label: String,
    /// The unit of its numbers, such as `mm`, where they have one.
    pub unit: Option<String>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "lowercase")]
pub enum Cell {
    /// Nothing is known.
    Empty,
    /// Words.
    Text(String),
    /// A number; finite.
    Number(f64),
    /// A day.
    Date(jiff::civil::Date),
}

/// Lines over one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What the chart shows, in one sentence: also its text for those who cannot see it.
    pub title: String,
    /// What stands at the horizontal axis.
    pub x_label: String,
    /// What stands at the vertical axis, with its unit.
    pub y_label: String,
    /// The horizontal axis' values, one for each position of every line: days, names or numbers as text.
    pub x: Vec<String>,
    /// The lines.
    pub series: Vec<Series>,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it shows.
    pub label: String,
    /// Whether it tells of what has not happened yet; such lines are broken ones.
    pub forecast: bool,
    /// Its values, one for each position of the axis; none where there is a gap.
    pub values: Vec<Option<f64>>,
}
