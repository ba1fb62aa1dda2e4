//! A document's table as comma-separated values.

use super::{Cell, Column, Document};
use ::csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use std::borrow::Cow;

/// The characters that make a spreadsheet compute what follows, and those that it skips before it looks.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

pub(super) fn render(document: &Document) -> String {
    // Words are always quoted: spreadsheets of some countries split lines at other characters than the comma.
    let mut builder = WriterBuilder::new();
    builder.quote_style(QuoteStyle::NonNumeric).terminator(Terminator::CRLF).flexible(true);
    let mut writer = builder.from_writer(Vec::with_capacity(64 * document.rows.len()));
    let header = document.columns.iter().map(header);
    write(&mut writer, header);
    for row in &document.rows {
        write(&mut writer, row.iter().map(cell));
    }
    // Writing into memory cannot fail, and all that was written is UTF-8.
    let text = writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    if text.is_ascii() { text } else { format!("\u{feff}{text}") }
}

fn write<'a>(writer: &mut Writer<Vec<u8>>, cells: impl Iterator<Item = Cow<'a, str>>) {
    for cell in cells {
        // Into memory: see above.
        let _ = writer.write_field(cell.as_ref());
    }
    let _ = writer.write_record(None::<&[u8]>);
}

fn header(column: &Column) -> Cow<'static, str> {
    let text = match &column.unit {
        Some(unit) => format!("{} ({unit})", column.name),
        None => column.name.clone(),
    };
    Cow::Owned(harmless(&text).into_owned())
}

fn cell(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Text(text) => harmless(text),
        Cell::Empty | Cell::Number(_) | Cell::Date(_) => Cow::Owned(cell.to_string()),
    }
}

/// Words that no spreadsheet takes for a formula. Words that already begin with an apostrophe get another one before such
/// a character, so that what was there can be told from what was added.
fn harmless(text: &str) -> Cow<'_, str> {
    let rest = text.trim_start_matches(['\'', ' ']);
    if rest.starts_with(FORMULA_STARTS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}
