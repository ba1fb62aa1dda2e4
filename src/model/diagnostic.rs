//! What is wrong with a file, and where.

use super::source::{Place, Sources};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The files mean nothing until it is mended.
    Error,
    /// The files mean something, perhaps not what was wanted.
    Warning,
}

impl Severity {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal $severity:ident,)*) => {
        /// What kind of mistake a diagnostic is about. The code of a kind never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[doc = $doc])* $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code for people and programs, such as `unknown-key`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

kinds! {
    /// The file cannot be read.
    Unreadable = "unreadable" Error,
    /// The file has more bytes than a file of ours may have.
    TooLarge = "too-large" Error,
    /// The file is no UTF-8 text.
    NotUtf8 = "not-utf8" Error,
    /// A character that has no place in a text file.
    ControlCharacter = "control-character" Error,
    /// The file's name is no name of an environment.
    BadFileName = "bad-file-name" Error,
    /// The text is not YAML.
    Syntax = "syntax" Error,
    /// The file says nothing.
    EmptyFile = "empty-file" Error,
    /// Values are nested deeper than any of ours.
    TooDeep = "too-deep" Error,
    /// More than one YAML document in one file.
    ManyDocuments = "many-documents" Error,
    /// A YAML anchor (`&name`).
    Anchor = "anchor" Error,
    /// A YAML alias (`*name`) or a merge key (`<<`).
    Alias = "alias" Error,
    /// A YAML tag (`!name`).
    Tag = "tag" Error,
    /// A key that is no plain word.
    BadKey = "bad-key" Error,
    /// A key that nothing reads.
    UnknownKey = "unknown-key" Error,
    /// A key that belongs somewhere else in the file.
    MisplacedKey = "misplaced-key" Error,
    /// An option that another component, or another kind of machine, has.
    ForeignOption = "foreign-option" Error,
    /// The same key twice.
    DuplicateKey = "duplicate-key" Error,
    /// The same entry twice in a list.
    DuplicateEntry = "duplicate-entry" Error,
    /// A key without a value.
    EmptyValue = "empty-value" Error,
    /// A value of another type than the key has.
    WrongType = "wrong-type" Error,
    /// A value of the right type that is malformed.
    BadValue = "bad-value" Error,
    /// A word that is none of those that may stand there.
    UnknownChoice = "unknown-choice" Error,
    /// A value that is too small or too large.
    OutOfRange = "out-of-range" Error,
    /// The name of a component that does not exist.
    UnknownComponent = "unknown-component" Error,
    /// The value of a secret stands in the file.
    LiteralSecret = "literal-secret" Error,
    /// A reference to a secret that is malformed.
    BadSecret = "bad-secret" Error,
    /// `extends` names a file that does not exist.
    UnknownBase = "unknown-base" Error,
    /// A machine names a blueprint that does not exist.
    UnknownBlueprint = "unknown-blueprint" Error,
    /// A blueprint names a template that does not exist.
    UnknownTemplate = "unknown-template" Error,
    /// A machine names a blueprint that is not valid.
    InvalidBlueprint = "invalid-blueprint" Error,
    /// Files extend each other in a circle.
    ExtendsCycle = "extends-cycle" Error,
    /// A key that must be given is given nowhere.
    MissingKey = "missing-key" Error,
    /// A port of a component that is given nowhere.
    MissingPort = "missing-port" Error,
    /// A secret of a component that is given nowhere.
    MissingSecret = "missing-secret" Error,
    /// The stack has no component.
    EmptyStack = "empty-stack" Error,
    /// One port number for two doors.
    DuplicatePort = "duplicate-port" Error,
    /// A component needs one that is not in the stack.
    AbsentNeed = "absent-need" Error,
    /// A component needs one that is switched off.
    DisabledNeed = "disabled-need" Error,
    /// A component leaves out of `needs` what it cannot do without.
    MissingNeed = "missing-need" Error,
    /// A required component needs one that may be skipped.
    OptionalNeed = "optional-need" Error,
    /// Components need each other in a circle.
    NeedsCycle = "needs-cycle" Error,
    /// The components together have more memory than the machine may give.
    MemoryExceeded = "memory-exceeded" Error,
    /// Data is kept for too short a time to be of use.
    ShortRetention = "short-retention" Error,
    /// A template for cloud-init that cannot be filled in.
    Template = "template" Error,
    /// User-data that a machine would not bear, or would ignore.
    UserData = "user-data" Error,
    /// User-data that may not do what was meant.
    DoubtfulUserData = "doubtful-user-data" Warning,
    /// A file says what its base says already.
    Redundant = "redundant" Warning,
    /// A file without a machine that no other file extends.
    UnusedBase = "unused-base" Warning,
}

/// A second place that belongs to a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// One mistake: what is wrong, where, and what to do about it.
///
/// Guarantees: no part of it holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where it is.
    pub place: Place,
    /// What kind it is of.
    pub kind: Kind,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// A few words for the underlined text; empty when the message says it all.
    pub label: String,
    /// Other places that it has to do with.
    pub related: Vec<Related>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with nothing but its message.
    pub fn new(kind: Kind, place: Place, message: impl Into<String>) -> Self {
        Self { kind, place, message: message.into(), label: String::new(), related: Vec::new(), help: None }
    }

    /// Adds the words for the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push(Related { place, label: label.into() });
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

/// Diagnostics and the files that they point into, sorted by file, place and kind; none twice. Embedded files come last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Sorts the diagnostics and leaves out those that were found more than once.
    pub fn new(sources: Sources, mut diagnostics: Vec<Diagnostic>) -> Self {
        // Embedded files come last: their paths begin with `<`, and people cannot edit them.
        let path = |diagnostic: &Diagnostic| {
            let path = sources.get(diagnostic.place.file).map_or("", |source| source.path());
            (path.starts_with('<'), path)
        };
        diagnostics.sort_by(|a, b| path(a).cmp(&path(b)).then_with(|| a.cmp(b)));
        diagnostics.dedup();
        Self { sources, diagnostics }
    }

    /// The files and the diagnostics, for more of both to be added.
    pub fn into_parts(self) -> (Sources, Vec<Diagnostic>) {
        (self.sources, self.diagnostics)
    }

    /// The files.
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The diagnostics.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many are of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity() == severity).count()
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}
