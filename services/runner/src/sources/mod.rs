//! Where reports read their data: CSV files and tables of PostgreSQL, named by whoever runs the runner. Who asks for a report
//! knows the names alone, never a path or an address.

mod csv;
mod error;
mod limits;
mod origin;
mod postgres;
mod table;
mod tls;
mod value;

pub use error::{SettingError, SourceError};
pub use limits::Limits;
pub use table::{Table, Wanted};
pub use value::{Moment, Value};

use origin::Origin;
use report_model::source::{SourceColumn, SourceInfo};
use tokio_util::sync::CancellationToken;

/// A table of gages, in which there is all that goes wrong with such tables; see `samples/README.md`.
const SAMPLE_GAGES: &[u8] = include_bytes!("../../samples/gages.csv");

/// A public series; see `samples/README.md`.
const SAMPLE_CO2: &[u8] = include_bytes!("../../samples/co2.csv");

/// The sources that there are.
#[derive(Debug, Clone)]
pub struct Sources {
    all: Vec<Source>,
    limits: Limits,
}

/// One of them.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    label: String,
    origin: Origin,
}

impl Sources {
    /// Reads settings of the form `NAME=csv:PATH` or `NAME=postgres:PATH#TABLE`, where the file at `PATH` holds a URL of
    /// PostgreSQL and nothing else, and `TABLE` is a table or view, `SCHEMA.TABLE` if need be, and `NAME` where it is not
    /// said. Without settings there are the [samples](Self::samples). Nothing is read yet.
    ///
    /// # Errors
    ///
    /// The first setting that has another form, or whose name is taken.
    pub fn parse(settings: &[String]) -> Result<Self, SettingError> {
        if settings.is_empty() {
            return Ok(Self::samples());
        }
        let mut all: Vec<Source> = Vec::new();
        for setting in settings {
            let source = Source::parse(setting)?;
            if all.iter().any(|other| other.name == source.name) {
                return Err(SettingError::Twice { name: source.name });
            }
            all.push(source);
        }
        Ok(Self { all, limits: Limits::default() })
    }

    /// The samples that are built in.
    pub fn samples() -> Self {
        let sample = |name: &str, label: &str, bytes| Source {
            name: name.to_owned(),
            label: label.to_owned(),
            origin: Origin::Sample(bytes),
        };
        let co2 = sample("co2", "CO₂ at Mauna Loa (sample)", SAMPLE_CO2);
        Self { all: vec![co2, sample("gages", "Gages (sample)", SAMPLE_GAGES)], limits: Limits::default() }
    }

    /// The same sources with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|source| source.name.as_str())
    }

    /// Looks at each of them: what can be read now, with its columns and the reports it serves, and what cannot. All are
    /// looked at at once; it takes 10 s at most.
    pub async fn describe(&self) -> (Vec<SourceInfo>, Vec<SourceError>) {
        let looks: Vec<_> = self.all.iter().cloned().map(|source| tokio::spawn(source.describe())).collect();
        let (mut infos, mut errors) = (Vec::new(), Vec::new());
        for (look, source) in looks.into_iter().zip(&self.all) {
            match look.await {
                Ok(Ok(info)) => infos.push(info),
                Ok(Err(error)) => errors.push(error.of(&source.name)),
                Err(_) => errors.push(SourceError::away("the look at it ended early", "").of(&source.name)),
            }
        }
        (infos, errors)
    }

    /// Reads the `wanted` columns of a source, all rows of them. Off the async threads where that takes computing.
    ///
    /// # Errors
    ///
    /// There is no such source, it cannot be read now, or what is in it cannot be used: more rows or bytes than the
    /// limits, no text, lines that do not fit the header, a column that must be there and is not.
    pub async fn extract(
        &self,
        name: &str,
        wanted: Vec<Wanted>,
        cancelled: &CancellationToken,
    ) -> Result<Table, SourceError> {
        let source = self.all.iter().find(|source| source.name == name);
        let Some(source) = source else { return Err(SourceError::Unknown { name: name.to_owned() }) };
        source.origin.read(wanted, self.limits, cancelled).await.map_err(|error| error.of(name))
    }
}

impl Source {
    fn parse(setting: &str) -> Result<Self, SettingError> {
        let form = || SettingError::Form { setting: setting.to_owned() };
        let (name, origin) = setting.split_once('=').ok_or_else(form)?;
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
            return Err(SettingError::Name { name: name.to_owned() });
        }
        let origin = Origin::parse(name, origin).ok_or_else(form)?;
        Ok(Self { name: name.to_owned(), label: label(name), origin })
    }

    async fn describe(self) -> Result<SourceInfo, SourceError> {
        let columns: Vec<SourceColumn> = self.origin.columns().await?;
        Ok(SourceInfo::new(&self.name, &self.label, columns))
    }
}

/// A name as people write it: `line-4_scrap` is `Line 4 scrap`.
fn label(name: &str) -> String {
    let words = name.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
