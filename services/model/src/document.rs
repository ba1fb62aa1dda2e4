//! The document that a report makes: what is stored, and what CSV and HTML are made of.

mod chart;
mod csv;
mod html;
mod scale;

pub use html::MAX_HTML_ROWS;

use serde::{Deserialize, Serialize};
use std::fmt;

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

impl Document {
    /// The table as comma-separated values by RFC 4180, for spreadsheets and scripts.
    ///
    /// The first line has the columns' names with their units. Words are quoted, and those that a spreadsheet would take
    /// for a formula begin with an apostrophe. With characters beyond ASCII in it the file begins with a byte order mark:
    /// spreadsheets would garble them otherwise.
    pub fn csv(&self) -> String {
        csv::render(self)
    }

    /// The whole document as a fragment of HTML without scripts and styles, for a page to show: a `section` of the class
    /// `report`. Of long tables it has the first [`MAX_HTML_ROWS`] rows and says so.
    pub fn html(&self) -> String {
        html::render(self)
    }
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

/// As people and spreadsheets read it: numbers with all their digits, and with an exponent where they are very large or
/// very small.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) if *number == 0.0 => f.write_str("0"),
            Self::Number(number) if (1e-6..1e15).contains(&number.abs()) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number:e}"),
            Self::Date(day) => write!(f, "{day}"),
        }
    }
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
