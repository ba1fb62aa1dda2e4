//! Columns of text. Widths are counted in columns of the terminal, without colour.

use super::style::Paint;
use super::wrap::columns;

/// Rows under a heading, each column as wide as its widest cell. The last column is not padded.
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell: its text, and how it is painted.
pub struct Cell {
    text: String,
    paint: fn(Paint, &str) -> String,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), paint: |_, text| text.to_owned() }
    }
}

impl Cell {
    /// A cell that is painted so.
    pub fn painted(text: impl Into<String>, paint: fn(Paint, &str) -> String) -> Self {
        Self { text: text.into(), paint }
    }
}

impl Table {
    /// An empty table.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as the heading has.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The text, a line end after each row.
    pub fn render(&self, paint: Paint) -> String {
        let count = self.heading.len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(&cell.text));
            cells.chain([columns(self.heading[column])]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let pad = |column: usize, text: &str| {
            if column + 1 == count { 0 } else { widths[column].saturating_sub(columns(text)) + 2 }
        };
        let mut text = String::new();
        for (column, head) in self.heading.iter().enumerate() {
            text.push_str(&paint.dim(head));
            text.push_str(&" ".repeat(pad(column, head)));
        }
        text.push('\n');
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line.push_str(&(cell.paint)(paint, &cell.text));
                line.push_str(&" ".repeat(pad(column, &cell.text)));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(vec!["redis".into(), Cell::painted("running", Paint::green)]);
        table.row(vec!["redis-exporter".into(), "".into()]);
        let plain = "NAME            STATE\nredis           running\nredis-exporter\n";
        assert_eq!(table.render(Paint::new(false)), plain);
        let colored = table.render(Paint::new(true));
        assert!(colored.contains("redis           \u{1b}[32mrunning\u{1b}[0m\n"), "{colored}");
    }
}
