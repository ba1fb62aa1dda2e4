//! Reads parameters by what is said of them, and collects everything that is wrong.

use super::{Choice, ParameterError, ParameterSpec};
use jiff::civil::Date;
use serde_json::{Map, Value};

/// Reads what was sent. Where something is wrong it remembers that and gives any value: [`Reader::finish`] lets nothing
/// out then.
pub(super) struct Reader<'a> {
    specs: &'a [ParameterSpec],
    given: &'a Map<String, Value>,
    errors: Vec<ParameterError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(specs: &'a [ParameterSpec], given: &'a Value) -> Result<Self, Vec<ParameterError>> {
        let Value::Object(given) = given else {
            return Err(vec![error("", "Send the parameters as an object.".to_owned())]);
        };
        Ok(Self { specs, given, errors: Vec::new() })
    }

    /// Gives the parameters if nothing was wrong.
    pub(super) fn finish<T>(mut self, parameters: T) -> Result<T, Vec<ParameterError>> {
        let known = |name: &str| self.specs.iter().position(|spec| spec.name == name);
        for name in self.given.keys().filter(|name| known(name).is_none()).take(20) {
            let short: String = name.chars().take(60).collect();
            let names: Vec<&str> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
            let problem = format!("There is no such parameter. Those that there are: {}.", names.join(", "));
            self.errors.push(error(&short, problem));
        }
        self.errors.sort_by_key(|error| known(&error.field).unwrap_or(usize::MAX));
        if self.errors.is_empty() { Ok(parameters) } else { Err(self.errors) }
    }

    pub(super) fn refuse(&mut self, name: &str, problem: String) {
        self.errors.push(error(name, problem));
    }

    /// Whether nothing was wrong with it so far.
    pub(super) fn good(&self, name: &str) -> bool {
        !self.errors.iter().any(|error| error.field == name)
    }

    pub(super) fn date(&mut self, name: &str) -> Date {
        let Some((_, value)) = self.find(name) else { return Date::default() };
        // Other forms of a date mean different days to different people.
        let day = value.as_str().filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
        day.unwrap_or_else(|| {
            self.refuse(name, "Enter a day as year-month-day, such as 2026-03-31.".to_owned());
            Date::default()
        })
    }

    pub(super) fn integer(&mut self, name: &str) -> u32 {
        let Some((spec, value)) = self.find(name) else { return 0 };
        let bound = |bound: &Option<Value>, otherwise| bound.as_ref().and_then(Value::as_u64).unwrap_or(otherwise);
        let (min, max) = (bound(&spec.min, 0), bound(&spec.max, u64::from(u32::MAX)));
        // Some senders write whole numbers with a fraction of zero.
        let whole = |number: f64| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        let number =
            value.as_u64().or_else(|| value.as_f64().filter(|&number| whole(number)).map(|number| number as u64));
        let number = number.filter(|number| (min..=max).contains(number)).and_then(|number| u32::try_from(number).ok());
        number.unwrap_or_else(|| {
            self.refuse(name, format!("Enter a whole number from {min} to {max}."));
            0
        })
    }

    pub(super) fn number(&mut self, name: &str) -> Option<f64> {
        let (_, value) = self.find(name)?;
        let number = value.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            self.refuse(name, "Enter a number.".to_owned());
        }
        number
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let (spec, value) = self.find(name)?;
        let most = spec.max.as_ref().and_then(Value::as_u64).unwrap_or(u64::MAX);
        let fits = |text: &&str| text.chars().count() as u64 <= most && !text.chars().any(char::is_control);
        let text = value.as_str().filter(fits).map(|text| text.trim().to_owned());
        if text.is_none() {
            self.refuse(name, format!("Enter one line of at most {most} characters."));
        }
        text.filter(|text| !text.is_empty())
    }

    /// One of the choices; empty when it is none.
    pub(super) fn string(&mut self, name: &str) -> String {
        self.choice(name).map(|choice| choice.value.clone()).unwrap_or_default()
    }

    /// One of the columns that the source has.
    pub(super) fn column(&mut self, name: &str) -> Option<String> {
        let choice = self.choice(name)?;
        // Which columns there are cannot be said of a source that is none.
        let source = self.given.get("source").and_then(Value::as_str).filter(|_| self.good("source"))?;
        let has =
            |choice: &Choice| choice.sources.as_ref().is_none_or(|having| having.iter().any(|name| name == source));
        if !has(choice) {
            let spec = self.specs.iter().find(|spec| spec.name == name)?;
            let offered = spec.choices.iter().flatten().filter(|choice| has(choice));
            let problem = format!("The source {source} has no such column. {}", listed(offered));
            self.refuse(name, problem);
        }
        Some(choice.value.clone())
    }

    fn choice(&mut self, name: &str) -> Option<&'a Choice> {
        let (spec, value) = self.find(name)?;
        let choices = spec.choices.as_deref().unwrap_or_default();
        let chosen = value.as_str().and_then(|text| choices.iter().find(|choice| choice.value == text));
        if chosen.is_none() {
            self.refuse(name, listed(choices.iter()));
        }
        chosen
    }

    /// What is said of a parameter and what was sent; none, and noted where it must not be, when nothing was.
    fn find(&mut self, name: &str) -> Option<(&'a ParameterSpec, &'a Value)> {
        let spec = self.specs.iter().find(|spec| spec.name == name)?;
        let value = self.given.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""));
        if value.is_none() && spec.required {
            self.refuse(name, format!("{} is missing.", spec.label));
        }
        Some((spec, value?))
    }
}

fn listed<'a>(choices: impl Iterator<Item = &'a Choice>) -> String {
    let values: Vec<&str> = choices.take(50).map(|choice| choice.value.as_str()).collect();
    if values.is_empty() {
        "There is none to choose.".to_owned()
    } else {
        format!("Choose one of: {}.", values.join(", "))
    }
}

fn error(field: &str, problem: String) -> ParameterError {
    ParameterError { field: field.to_owned(), problem }
}
