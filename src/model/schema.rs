//! The tables of keys: what may stand in a file. One table serves the reader and the JSON Schema that editors use.

use super::component::ComponentName;
use super::written::MachineKind;

/// One key that a person may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it is for; the lines of its doc comment as they stand in the source.
    pub doc: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// What it is when nobody gives it, as it would be written; none where somebody must, or absence has a meaning.
    pub default: Option<&'static str>,
    /// The smallest and the largest value, as they would be written.
    pub within: Option<(&'static str, &'static str)>,
    /// The components that have it; empty when it has nothing to do with components, or all have it.
    pub of: &'static [ComponentName],
    /// The kinds of machine that have it; empty when it has nothing to do with machines, or all have it.
    pub on: &'static [MachineKind],
}

impl Key {
    /// Whether `component` has it.
    pub fn is_of(&self, component: ComponentName) -> bool {
        self.of.is_empty() || self.of.contains(&component)
    }

    /// Whether machines of that kind have it.
    pub fn is_on(&self, kind: MachineKind) -> bool {
        self.on.is_empty() || self.on.contains(&kind)
    }

    /// The key in a message.
    pub fn title(&self) -> String {
        match self.form {
            Form::Port => format!("the port `{}`", self.name),
            Form::Secret => format!("the secret `{}`", self.name),
            _ => format!("`{}`", self.name),
        }
    }

    /// What it is for, as flowing text.
    pub fn text(&self) -> String {
        self.doc.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// One word of a closed set and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// As it is written.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// What a word, a name or a path looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What is expected, for a message.
    pub expected: &'static str,
    /// The same as a regular expression, for editors.
    pub pattern: &'static str,
    /// Whether YAML may take some of them for numbers.
    pub numbers: bool,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line of text.
    Line,
    /// The name of an environment.
    Name,
    /// A version such as `7.0`.
    Version,
    /// A size such as `256MiB`.
    Size,
    /// A duration such as `15s`.
    Span,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// A word, a name or a path.
    Word(&'static Shape),
    /// A list of these; whether each may be there once only.
    List(&'static Form, bool),
    /// A program and its arguments.
    Command,
    /// What a template is filled with: names, and a text, a list of texts, true or false for each.
    Inputs,
    /// The number of a port.
    Port,
    /// One of these words.
    Choice(&'static [Choice]),
    /// A list of components.
    Components,
    /// A number for each port of the component at hand.
    Ports,
    /// A reference for each secret of the component at hand.
    Secrets,
    /// A reference to one secret.
    Secret,
    /// Keys of that table.
    Table(&'static [Key]),
    /// Components, each with keys of the component table.
    Stack,
}

impl Form {
    /// What is expected, for a message.
    pub fn expected(self) -> String {
        match self {
            Self::Line => "a text".to_owned(),
            Self::Name => "the name of an environment".to_owned(),
            Self::Version => "a version such as 7.0".to_owned(),
            Self::Size => "a size such as 256MiB".to_owned(),
            Self::Span => "a duration such as 15s".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Port => "a number such as 8080".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Word(shape) => shape.expected.to_owned(),
            Self::List(form, _) => format!("a list, each entry {}", form.expected()),
            Self::Command => "a program and its arguments such as [systemctl, is-active, ssh]".to_owned(),
            Self::Choice(choices) => {
                let names = super::suggest::list(choices.iter().map(|choice| choice.name));
                if choices.len() > 1 { format!("one of {names}") } else { format!("`{names}`") }
            }
            Self::Components => "a list of components such as [redis, prometheus]".to_owned(),
            Self::Ports | Self::Secrets | Self::Table(_) | Self::Stack | Self::Inputs => "keys and values".to_owned(),
            Self::Secret => "{generate: LENGTH}, {env: NAME} or {file: PATH}".to_owned(),
        }
    }
}
