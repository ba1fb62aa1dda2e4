//! Tables for people.

use std::fmt::Write;

/// The most of one cell, in characters.
const WIDEST: usize = 100;

/// Lines of columns that stand below each other. Numbers stand to the right. The last column is as long as it is.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([heads[at].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let right: Vec<bool> = (0..heads.len())
        .map(|at| !rows.is_empty() && rows.iter().all(|row| row.get(at).is_some_and(|cell| is_number(cell))))
        .collect();
    let mut text = String::new();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let (width, gap) = (widths[at], if at == 0 { "" } else { "  " });
            // Writing to a string does not fail.
            let _ = if right[at] { write!(line, "{gap}{cell:>width$}") } else { write!(line, "{gap}{cell:<width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn is_number(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|c| c.is_ascii_digit() || c == b'.')
}

/// One line without anything that a terminal would obey.
fn clean(cell: &str) -> String {
    let plain = cell.chars().map(|c| if c.is_control() { ' ' } else { c });
    if cell.chars().count() <= WIDEST {
        return plain.collect();
    }
    plain.take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_numbers_to_the_right() {
        let rows = [["reports", "7", "open"], ["webhooks", "1200", ""]].map(|row| row.map(str::to_owned).to_vec());
        let expected = "QUEUE     WAITING  STATE\nreports         7  open\nwebhooks     1200\n";
        assert_eq!(table(&["QUEUE", "WAITING", "STATE"], &rows), expected);
        assert_eq!(table(&["A", "B"], &[]), "A  B\n");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        let row = vec!["a\u{1b}[2Jb\nc".to_owned(), "x".repeat(150)];
        let text = table(&["A", "B"], &[row]);
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2 && text.contains('…'), "{text:?}");
    }
}
