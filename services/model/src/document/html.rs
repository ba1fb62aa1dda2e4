//! A document as a fragment of HTML. The classes are for the page to style; without any style it reads well too:
//!
//! | class | what |
//! |---|---|
//! | `report` | the section of the whole |
//! | `report-summary`, `report-warnings` | the list of what to know first, and the box of what was odd |
//! | `report-figure`, `report-chart`, `report-legend` | the figure, its picture, the list of its lines |
//! | `report-scroll` | around what may be wider than a phone |
//! | `report-table`, `number`, `report-unit` | the table, its cells that hold numbers, the units in its headings |
//! | `report-more` | the sentence that says that rows are left out |

use super::{Cell, Column, Document, chart};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The most rows of a table in HTML: more are slow to show and read by nobody. CSV has all.
pub const MAX_HTML_ROWS: usize = 2_000;

pub(super) fn render(document: &Document) -> String {
    let shown = document.rows.len().min(MAX_HTML_ROWS);
    let mut out = String::with_capacity(8_192 + shown * document.columns.len() * 40);
    let _ = writeln!(out, "<section class=\"report\">\n<h2>{}</h2>", escape(&document.title));
    if !document.summary.is_empty() {
        list("report-summary", &document.summary, &mut out);
    }
    if !document.warnings.is_empty() {
        out.push_str("<div class=\"report-warnings\" role=\"note\">\n<h3>Worth knowing</h3>\n");
        list("report-warning-list", &document.warnings, &mut out);
        out.push_str("</div>\n");
    }
    if let Some(chart) = &document.chart {
        chart::render(chart, &mut out);
    }
    if !document.columns.is_empty() {
        table(document, shown, &mut out);
    }
    out.push_str("</section>\n");
    out
}

fn list(class: &str, sentences: &[String], out: &mut String) {
    let _ = writeln!(out, "<ul class=\"{class}\">");
    for sentence in sentences {
        let _ = writeln!(out, "<li>{}</li>", escape(sentence));
    }
    out.push_str("</ul>\n");
}

fn table(document: &Document, shown: usize, out: &mut String) {
    let title = escape(&document.title);
    let _ = write!(
        out,
        "<div class=\"report-scroll\" role=\"region\" aria-label=\"Table: {title}\" tabindex=\"0\">\n\
         <table class=\"report-table\">\n<caption>{title}: {} rows</caption>\n<thead><tr>",
        document.rows.len()
    );
    document.columns.iter().for_each(|column| heading(column, out));
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in document.rows.iter().take(shown) {
        out.push_str("<tr>");
        row.iter().for_each(|value| cell(value, out));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if shown < document.rows.len() {
        let all = document.rows.len();
        let _ = writeln!(
            out,
            "<p class=\"report-more\">The first {shown} of {all} rows. The CSV file has all of them.</p>"
        );
    }
}

fn heading(column: &Column, out: &mut String) {
    let _ = write!(out, "<th scope=\"col\">{}", escape(&column.label));
    if let Some(unit) = &column.unit {
        let _ = write!(out, " <span class=\"report-unit\">({})</span>", escape(unit));
    }
    out.push_str("</th>");
}

fn cell(cell: &Cell, out: &mut String) {
    match cell {
        Cell::Empty => out.push_str("<td></td>"),
        Cell::Text(text) => {
            let _ = write!(out, "<td>{}</td>", escape(text));
        }
        Cell::Number(_) => {
            let _ = write!(out, "<td class=\"number\">{cell}</td>");
        }
        Cell::Date(day) => {
            let _ = write!(out, "<td><time datetime=\"{day}\">{day}</time></td>");
        }
    }
}

/// Text as it may stand in an element or in a quoted attribute. Characters that HTML knows not are shown as unknown.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\'') || unknown(c);
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if unknown(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn unknown(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}
