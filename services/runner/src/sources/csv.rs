//! CSV files, as spreadsheets and databases write them: parted by commas, semicolons or tabs, with a byte order mark or
//! without.

use super::table::choose;
use super::value::{self, Value};
use super::{Limits, SourceError, Table, Wanted};
use ::csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use report_model::source::{ColumnKind, SourceColumn};
use std::io::{BufRead, BufReader, Read};
use tokio_util::sync::CancellationToken;

/// How many rows tell what a column holds.
const LOOKED_AT: usize = 1_000;

/// The longest header.
const MAX_HEADER: usize = 64 << 10;

/// Whether somebody still wants the rows is asked once in so many.
const ASKED_EACH: usize = 1_024;

type Input = Reader<Box<dyn Read + Send>>;

/// Reads the wanted columns.
pub(super) fn read(
    input: Box<dyn Read + Send>,
    wanted: &[Wanted],
    limits: Limits,
    cancelled: &CancellationToken,
) -> Result<Table, SourceError> {
    let (mut reader, comma) = begin(input)?;
    let names = header(&mut reader)?;
    let there: Vec<&str> = names.iter().map(String::as_str).collect();
    let chosen = choose(&there, wanted)?;
    let chosen_names: Vec<&str> = chosen.iter().filter_map(|&index| there.get(index).copied()).collect();
    let mut table = Table::new(&chosen_names, "line", comma);
    let mut record = ByteRecord::new();
    while next(&mut reader, &mut record, &names)? {
        if table.rows().is_multiple_of(ASKED_EACH) && cancelled.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let line = line_of(&reader, &record);
        let cells: Result<Vec<&str>, SourceError> =
            chosen.iter().map(|&index| text(&record, index, line, &names)).collect();
        table.push(line, cells?.into_iter(), limits)?;
    }
    Ok(table)
}

/// Looks at the first rows to tell what the columns hold.
pub(super) fn columns(input: Box<dyn Read + Send>) -> Result<Vec<SourceColumn>, SourceError> {
    let (mut reader, comma) = begin(input)?;
    let names = header(&mut reader)?;
    let mut seen = vec![Seen::default(); names.len()];
    let mut record = ByteRecord::new();
    for _ in 0..LOOKED_AT {
        if !next(&mut reader, &mut record, &names)? {
            break;
        }
        let line = line_of(&reader, &record);
        for (index, seen) in seen.iter_mut().enumerate() {
            seen.look(text(&record, index, line, &names)?, comma);
        }
    }
    Ok(names.into_iter().zip(seen).map(|(name, seen)| SourceColumn { name, kind: seen.kind() }).collect())
}

/// How many cells of a column could be what.
#[derive(Debug, Clone, Default)]
struct Seen {
    all: usize,
    numbers: usize,
    moments: usize,
}

impl Seen {
    fn look(&mut self, text: &str, comma: bool) {
        let number = value::number(text, comma);
        if number == Value::Missing {
            return;
        }
        self.all += 1;
        self.numbers += usize::from(number.good().is_some());
        self.moments += usize::from(value::moment(text).good().is_some());
    }

    /// One in ten may be a mistake: the report names it.
    fn kind(&self) -> ColumnKind {
        let most = |count: usize| count > 0 && count * 10 >= self.all * 9;
        if most(self.numbers) {
            ColumnKind::Number
        } else if most(self.moments) {
            ColumnKind::Date
        } else {
            ColumnKind::Text
        }
    }
}

/// A reader, and whether commas part decimals.
fn begin(input: Box<dyn Read + Send>) -> Result<(Input, bool), SourceError> {
    let mut input = BufReader::with_capacity(MAX_HEADER, input);
    let start = input.fill_buf().map_err(broken)?;
    let first = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let delimiter = delimiter(first);
    let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    input.consume(mark);
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).flexible(true).has_headers(false);
    // A carriage return before the end is a blank, and falls with the other blanks. With each line ended, and ended by one
    // character, lines can be counted.
    builder.terminator(Terminator::Any(b'\n'));
    Ok((builder.from_reader(Box::new(input.chain(&b"\n"[..]))), delimiter == b';'))
}

/// What parts the cells of a header: what is in it most often, outside of quotes.
fn delimiter(header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for &byte in header {
        quoted ^= byte == b'"';
        for (candidate, count) in &mut counts {
            *count += usize::from(!quoted && byte == *candidate);
        }
    }
    let [comma, semicolon, tab] = counts;
    if semicolon.1 > comma.1 && semicolon.1 >= tab.1 {
        b';'
    } else if tab.1 > comma.1 {
        b'\t'
    } else {
        b','
    }
}

fn header(reader: &mut Input) -> Result<Vec<String>, SourceError> {
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(misread)? {
        return Err(SourceError::unusable("it is empty: its first line should name the columns", ""));
    }
    let mut names: Vec<String> = Vec::new();
    for index in 0..record.len() {
        let name = text(&record, index, 1, &[])?.trim();
        if name.is_empty() {
            return Err(SourceError::unusable(format!("line 1, column {}: the column has no name", index + 1), ""));
        }
        if names.iter().any(|other| other == name) {
            return Err(SourceError::unusable(format!("line 1: two columns are named {name}"), ""));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Reads the next row; false at the end.
fn next(reader: &mut Input, record: &mut ByteRecord, names: &[String]) -> Result<bool, SourceError> {
    loop {
        if !reader.read_byte_record(record).map_err(misread)? {
            return Ok(false);
        }
        // A line with nothing in it is no row.
        if record.len() != 1 || record.get(0) != Some(b"\r") {
            break;
        }
    }
    if record.len() == names.len() {
        return Ok(true);
    }
    let (line, has, wants) = (line_of(reader, record), record.len(), names.len());
    let hint = if has > wants { "; text with a comma in it must stand in quotes" } else { "" };
    Err(SourceError::unusable(format!("line {line} has {has} cells where the header has {wants}{hint}"), ""))
}

fn text<'a>(record: &'a ByteRecord, index: usize, line: u64, names: &[String]) -> Result<&'a str, SourceError> {
    std::str::from_utf8(record.get(index).unwrap_or_default()).map_err(|error| {
        let column = names.get(index).cloned().unwrap_or_else(|| (index + 1).to_string());
        SourceError::unusable(format!("line {line}, column {column} is not UTF-8: save the file as UTF-8"), error)
    })
}

/// The line in which the row begins that was just read: the reader is behind it.
fn line_of(reader: &Input, record: &ByteRecord) -> u64 {
    let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
    reader.position().line().saturating_sub(1 + inside)
}

fn misread(error: ::csv::Error) -> SourceError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => broken(error),
        kind => SourceError::unusable("it is no CSV file", format!("{kind:?}")),
    }
}

fn broken(error: std::io::Error) -> SourceError {
    SourceError::away("reading its file failed", error)
}
