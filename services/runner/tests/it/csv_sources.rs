//! CSV files as sources: what is read, and what is said of files that cannot be.

use super::library::{Library, column, words};
use report_model::catalog::ReportType;
use report_model::source::ColumnKind;
use report_runner::sources::{Limits, SettingError, SourceError, Sources, Wanted};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn extract(sources: &Sources, name: &str, wanted: Vec<Wanted>) -> Result<report_runner::sources::Table, SourceError> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(sources.extract(name, wanted, &CancellationToken::new()))
}

/// What is said of a file of this content, of which a column `b` is wanted.
fn said(content: &[u8]) -> String {
    let library = Library::new().with("file", content);
    extract(&library.sources(), "file", vec![Wanted::required("b")]).unwrap_err().to_string()
}

#[test]
fn files_are_read_as_spreadsheets_of_all_countries_write_them() {
    for (content, comma) in [
        ("a,b\nx,\"1.5\"\ny,2\n", false),
        ("\u{feff}a;b\r\nx;1,5\r\n\"y\n;\";2\r\n", true),
        ("a\tb\nx\t1.5\ny\t2", false),
        ("b\n1.5\n2\n", false),
    ] {
        let library = Library::new().with("file", content);
        let table = extract(&library.sources(), "file", vec![Wanted::optional("none"), Wanted::required("b")]).unwrap();
        let numbers: Vec<_> = (0..table.rows()).map(|row| table.number(table.column("b"), row).good()).collect();
        assert_eq!(numbers, [Some(1.5), Some(2.0)], "{content}");
        assert_eq!((table.place(0), table.place(1), table.word()), (2, 3, "line"));
        assert_eq!(table.column("none"), None);
        assert!(!comma || table.text(table.column("b"), 0) == "1,5");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    for (content, what) in [
        (&b""[..], "it is empty: its first line should name the columns"),
        (b"a,c\n1,2\n", "it lacks the column b; it has a, c"),
        (b"a,,b\n1,2,3\n", "line 1, column 2: the column has no name"),
        (b"b,b\n1,2\n", "line 1: two columns are named b"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 cells where the header has 2"),
        (
            b"a,b\n1,2\n\n3,4,5\n",
            "line 4 has 3 cells where the header has 2; text with a comma in it must stand in quotes",
        ),
        (b"a,b\r\n1,\"2\n2\"\r\n\r\n3\r\n", "line 5 has 1 cells where the header has 2"),
        (b"a,b\n1,2\n3,\xe4\n", "line 3, column b is not UTF-8: save the file as UTF-8"),
    ] {
        assert_eq!(said(content), format!("The source file cannot be used: {what}."));
    }
}

#[test]
fn a_file_that_is_away_may_come_back_and_no_path_is_told() {
    let sources = Sources::parse(&["gone=csv:/nowhere/secret-place.csv".to_owned()]).unwrap();
    let error = extract(&sources, "gone", vec![]).unwrap_err();
    assert!(error.retry_helps());
    assert!(!error.to_string().contains("secret-place") && error.detail().contains("secret-place"), "{error}");
    let sources = Sources::parse(&["folder=csv:/tmp".to_owned()]).unwrap();
    let error = extract(&sources, "folder", vec![]).unwrap_err();
    assert_eq!(
        (error.retry_helps(), error.to_string().as_str()),
        (false, "The source folder cannot be used: it is no file.")
    );
    let error = extract(&sources, "other", vec![]).unwrap_err();
    assert_eq!(error, SourceError::Unknown { name: "other".to_owned() });
}

#[test]
fn rows_and_bytes_are_bounded() {
    let library = Library::new().with("file", "b\n1\n2\n3\n");
    let with = |rows, bytes| {
        let sources = library.sources().with_limits(Limits { rows, bytes });
        extract(&sources, "file", vec![Wanted::required("b")]).map(|table| table.rows())
    };
    assert_eq!(with(3, 100), Ok(3));
    assert!(with(2, 100).unwrap_err().to_string().contains("more than 2 rows"));
    assert!(with(3, 5).unwrap_err().to_string().contains("its file is larger than"));
}

#[test]
fn nobody_waits_for_a_cancelled_reading() {
    let library = Library::new().with("file", "b\n1\n");
    let token = CancellationToken::new();
    token.cancel();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sources = library.sources();
    let read = runtime.block_on(sources.extract("file", vec![Wanted::required("b")], &token));
    assert_eq!(read.unwrap_err(), SourceError::Cancelled);
}

#[test]
fn columns_are_known_by_what_they_hold() {
    let text = "day,name,value,mixed,empty\n2026-01-01,a,1,x,\n2026-01-02,b,,2,\n03.01.2026,c,3.5,3,\n";
    let library = Library::new().with("line-4_scrap", text);
    let (infos, _) = tokio::runtime::Runtime::new().unwrap().block_on(library.sources().describe());
    let kinds: Vec<ColumnKind> = infos[0].columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnKind::Date, ColumnKind::Text, ColumnKind::Number, ColumnKind::Text, ColumnKind::Text]);
    assert_eq!(infos[0].label, "Line 4 scrap");
}

#[test]
fn settings_that_name_no_source_are_refused() {
    let parse = |texts: &[&str]| Sources::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    for text in
        ["gages", "gages=", "gages=csv:", "gages=odbc:/x", "gages=postgres:", "gages=postgres:/x#", "g=postgres:#t"]
    {
        assert_eq!(parse(&[text]).unwrap_err(), SettingError::Form { setting: text.to_owned() });
    }
    for name in ["", "Gages", "a b", "../x"] {
        assert_eq!(parse(&[&format!("{name}=csv:/x")]).unwrap_err(), SettingError::Name { name: name.to_owned() });
    }
    assert_eq!(parse(&["a=csv:/x", "a=csv:/y"]).unwrap_err(), SettingError::Twice { name: "a".to_owned() });
    let names: Vec<String> = parse(&[]).unwrap().names().map(str::to_owned).collect();
    assert_eq!(names, ["co2", "gages"]);
}

#[test]
fn a_german_file_gives_the_same_report() {
    let english = "day,parts\n2026-01-01,1.5\n2026-01-02,2.5\n2026-01-03,3.5\n";
    let german = "\u{feff}day;parts\r\n01.01.2026;1,5\r\n02.01.2026;2,5\r\n03.01.2026;3,5\r\n";
    let library = Library::new().with("en", english).with("de", german);
    let forecast = |source: &str| {
        let given = json!({"source": source, "column": "parts", "date_column": "day", "values": "readings", "order": 2, "ahead": 1});
        let document = library.run(ReportType::MovingAverage, given).unwrap();
        words(&column(&document, "forecast_double_moving_average")).remove(0)
    };
    assert_eq!(forecast("en"), "4.5");
    assert_eq!(forecast("de"), "4.5");
}
