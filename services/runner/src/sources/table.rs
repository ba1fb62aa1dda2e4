//! The rows of a source, in memory.

use super::value::{self, Moment, Value};
use super::{Limits, SourceError};

/// A column that a report asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Whether there is no report without it.
    pub required: bool,
}

impl Wanted {
    /// One that must be there.
    pub fn required(name: &str) -> Self {
        Self { name: name.to_owned(), required: true }
    }

    /// One that may be missing.
    pub fn optional(name: &str) -> Self {
        Self { name: name.to_owned(), required: false }
    }
}

/// Rows of text. They stand close together: a million rows of six columns need some 80 MiB.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<TextColumn>,
    /// Where each row is in the source.
    numbers: Vec<u64>,
    word: &'static str,
    decimal_comma: bool,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct TextColumn {
    name: String,
    text: String,
    ends: Vec<u32>,
}

impl Table {
    /// An empty one. `word` says what its rows are in the source, such as `line`.
    pub(super) fn new(names: &[&str], word: &'static str, decimal_comma: bool) -> Self {
        let column = |name: &&str| TextColumn { name: (*name).to_owned(), text: String::new(), ends: Vec::new() };
        Self { columns: names.iter().map(column).collect(), numbers: Vec::new(), word, decimal_comma, bytes: 0 }
    }

    /// Adds a row with one cell a column.
    pub(super) fn push<'a>(
        &mut self,
        number: u64,
        cells: impl Iterator<Item = &'a str>,
        limits: Limits,
    ) -> Result<(), SourceError> {
        if self.rows() >= limits.rows {
            return Err(SourceError::unusable(format!("it has more than {} rows", limits.rows), ""));
        }
        self.numbers.push(number);
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.text.push_str(cell);
            self.bytes += cell.len() as u64;
            column.ends.push(u32::try_from(column.text.len()).unwrap_or(u32::MAX));
        }
        if self.bytes > limits.bytes.min(u64::from(u32::MAX)) {
            return Err(SourceError::unusable(format!("it has more than {} MiB of text", limits.bytes >> 20), ""));
        }
        Ok(())
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.numbers.len()
    }

    /// Where the column of this name is; none when it has no such column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The names of its columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// A cell's text without blanks around it. Empty where there is no such column or row.
    pub fn text(&self, column: Option<usize>, row: usize) -> &str {
        let Some(column) = column.and_then(|column| self.columns.get(column)) else { return "" };
        let end = |row: usize| column.ends.get(row).map(|&end| end as usize);
        let start = row.checked_sub(1).map_or(Some(0), end);
        let text = start.zip(end(row)).and_then(|(start, end)| column.text.get(start..end));
        text.unwrap_or_default().trim()
    }

    /// A cell as a number.
    pub fn number(&self, column: Option<usize>, row: usize) -> Value<f64> {
        value::number(self.text(column, row), self.decimal_comma)
    }

    /// A cell as a day or a point in time.
    pub fn moment(&self, column: Option<usize>, row: usize) -> Value<Moment> {
        value::moment(self.text(column, row))
    }

    /// The row's number in the source.
    pub fn place(&self, row: usize) -> u64 {
        self.numbers.get(row).copied().unwrap_or_default()
    }

    /// What the rows are called in the source: `line` in a file, `row` in a table.
    pub const fn word(&self) -> &'static str {
        self.word
    }
}

/// Which of the columns that there are are wanted, in the order in which they are wanted.
pub(super) fn choose(there: &[&str], wanted: &[Wanted]) -> Result<Vec<usize>, SourceError> {
    let mut chosen = Vec::new();
    let mut lacking = Vec::new();
    for want in wanted {
        match there.iter().position(|name| *name == want.name) {
            Some(index) => chosen.push(index),
            None if want.required => lacking.push(want.name.as_str()),
            None => {}
        }
    }
    if lacking.is_empty() {
        return Ok(chosen);
    }
    let many = if lacking.len() == 1 { "column" } else { "columns" };
    let has: Vec<&str> = there.iter().copied().take(30).collect();
    let problem = format!("it lacks the {many} {}; it has {}", lacking.join(", "), has.join(", "));
    Err(SourceError::unusable(problem, ""))
}
