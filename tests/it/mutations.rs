//! Ten thousand damaged files: none makes the reader panic, and each refusal has a place.

use super::model::diagnostics;
use reportctl::model::diagnostic::{Report, Severity};
use reportctl::model::ids::EnvName;
use reportctl::model::library::{Library, Meaning};
use reportctl::model::source::Source;
use std::collections::BTreeMap;

const ROUNDS: usize = 10_000;
const THREADS: u64 = 4;

/// What a mutation puts in: words of our files, of YAML, and of no file.
const TOKENS: &[&str] = &[
    "redis",
    "stack",
    "memory",
    "needs",
    "ports",
    "secrets",
    "extends",
    "base",
    "true",
    "no",
    "null",
    "~",
    "0",
    "-1",
    "99999999999999999999",
    "1.5GiB",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "- ",
    "? ",
    "&a ",
    "*a",
    "!t ",
    "---\n",
    "...\n",
    "#",
    "\"",
    "'",
    "|",
    ">",
    "%YAML 1.2\n",
    "\t",
    "\r",
    "\u{0}",
    "ü",
    "日本",
    "😀",
    "\u{202e}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
];

struct Mutator(fastrand::Rng);

impl Mutator {
    fn at(&mut self, bytes: &[u8]) -> usize {
        self.0.usize(0..=bytes.len())
    }

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// One small damage of one kind.
    fn damage(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.is_empty() {
            return vec![self.0.u8(..)];
        }
        let at = self.at(&bytes).min(bytes.len() - 1);
        match self.0.u8(0..11) {
            0 => bytes[at] ^= 1 << self.0.u8(0..8),
            1 => bytes[at] = self.0.u8(..),
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, self.token().bytes())),
            4 => return self.lines_changed(&bytes),
            5 => return self.word_changed(&bytes, true),
            6 => return self.word_changed(&bytes, false),
            7 => return self.indent_changed(&bytes),
            8 => drop(bytes.remove(at)),
            9 => {
                let end = self.at(&bytes).clamp(at, (at + 40).min(bytes.len()));
                let piece = bytes[at..end].to_vec();
                let to = self.at(&bytes);
                drop(bytes.splice(to..to, piece));
            }
            _ => {
                let c = char::from_u32(self.0.u32(0..0x11_0000)).unwrap_or('\u{fffd}');
                drop(bytes.splice(at..at, c.to_string().bytes()));
            }
        }
        bytes
    }

    fn token(&mut self) -> &'static str {
        TOKENS[self.0.usize(..TOKENS.len())]
    }

    /// A line is removed, doubled, or put elsewhere.
    fn lines_changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut lines = Self::lines(bytes);
        let (one, other) = (self.0.usize(..lines.len()), self.0.usize(..lines.len()));
        match self.0.u8(0..3) {
            0 => drop(lines.remove(one)),
            1 => lines.insert(other, lines[one].clone()),
            _ => lines.swap(one, other),
        }
        lines.concat()
    }

    /// A word (`before_colon`: a key) becomes another word, or loses or doubles a letter.
    fn word_changed(&mut self, bytes: &[u8], before_colon: bool) -> Vec<u8> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let mut words = Vec::new();
        let mut start = None;
        for (at, byte) in bytes.iter().chain([&b' ']).enumerate() {
            match (start, is_word(byte)) {
                (None, true) => start = Some(at),
                (Some(from), false) => {
                    if !before_colon || *byte == b':' {
                        words.push(from..at);
                    }
                    start = None;
                }
                _ => {}
            }
        }
        let Some(word) = self.0.choice(words) else { return bytes.to_vec() };
        let mut changed = bytes[word.clone()].to_vec();
        let letter = self.0.usize(..changed.len());
        match self.0.u8(0..4) {
            0 => drop(changed.remove(letter)),
            1 => changed.insert(letter, changed[letter]),
            2 => changed.make_ascii_uppercase(),
            _ => changed = self.token().bytes().collect(),
        }
        [&bytes[..word.start], &changed, &bytes[word.end..]].concat()
    }

    /// A line is indented more, less, or with a tab.
    fn indent_changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut lines = Self::lines(bytes);
        let line = self.0.usize(..lines.len());
        match self.0.u8(0..3) {
            0 => drop(lines[line].splice(0..0, b"  ".iter().copied())),
            1 => drop(lines[line].splice(0..0, [b'\t'])),
            _ if lines[line].starts_with(b" ") => drop(lines[line].remove(0)),
            _ => lines[line].insert(0, b' '),
        }
        lines.concat()
    }
}

/// Whether every diagnostic is inside its file, on character boundaries, and can be shown.
fn check(report: &Report, refused: bool, text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    assert_eq!(refused, report.count(Severity::Error) > 0, "refused: {refused}\n{shown}");
    for diagnostic in report.diagnostics() {
        let places = [diagnostic.place].into_iter().chain(diagnostic.related.iter().map(|related| related.place));
        for place in places {
            let source = report.sources().get(place.file).unwrap();
            assert!(source.text().get(place.start..place.end).is_some(), "{diagnostic:?}\n{shown}");
        }
        assert!(!diagnostic.message.is_empty() && !diagnostic.message.contains(char::is_control), "{diagnostic:?}");
    }
    assert!(!diagnostics::json(report).is_null());
}

/// A file to damage: its name, its text, and what it needs of other files, read once.
struct Victim {
    name: &'static str,
    text: &'static [u8],
    rest: Library,
}

fn victims() -> [Victim; 3] {
    let base = include_bytes!("../../environments/base.yaml").as_slice();
    let local = include_bytes!("../../environments/local.yaml").as_slice();
    let mut with_base = Library::default();
    with_base.add(name("base"), Source::new("base", base));
    let mut with_local = Library::default();
    with_local.add(name("local"), Source::new("local", local));
    let whole = include_bytes!("../fixtures/good/whole.yaml").as_slice();
    [
        Victim { name: "base", text: base, rest: with_local },
        Victim { name: "local", text: local, rest: with_base.clone() },
        Victim { name: "local", text: whole, rest: with_base },
    ]
}

fn name(text: &str) -> EnvName {
    EnvName::parse(text).unwrap()
}

/// Damages files `rounds` times. Returns how many were refused, and how often each kind of mistake was told.
fn damaged(seed: u64, rounds: usize) -> (usize, BTreeMap<&'static str, usize>) {
    let (victims, known) = (victims(), [name("base"), name("local")]);
    let mut mutator = Mutator(fastrand::Rng::with_seed(seed));
    let (mut refusals, mut kinds) = (0, BTreeMap::new());
    for round in 0..rounds {
        let Victim { name: victim, text, rest } = &victims[[0, 1, 1, 2, 2, 2][round % 6]];
        let mut text = text.to_vec();
        for _ in 0..=mutator.0.usize(0..3) {
            text = mutator.damage(text);
        }
        let mut library = rest.clone();
        library.add(name(victim), Source::new(victim, &text));
        while let Some(wanted) = library.wanted() {
            library.add_absent(wanted);
        }
        let local = name("local");
        let meaning = library.meaning(&local, &known);
        if meaning == Meaning::Base {
            library.tell_no_machine(&local);
        }
        let refused = !matches!(meaning, Meaning::Environment(_));
        let report = library.report();
        check(&report, refused, &text);
        // What people see goes through a renderer of its own; one in ten is enough for it.
        if round % 10 == 0 {
            let human = diagnostics::human(&report, false, 100);
            assert_eq!(human.is_empty(), report.diagnostics().is_empty());
        }
        refusals += usize::from(refused);
        for diagnostic in report.diagnostics() {
            *kinds.entry(diagnostic.kind.code()).or_default() += 1;
        }
    }
    (refusals, kinds)
}

#[test]
fn ten_thousand_damaged_files_give_no_panic_and_every_refusal_has_a_place() {
    let threads: Vec<_> = (0..THREADS).map(|seed| std::thread::spawn(move || damaged(seed, ROUNDS / 4))).collect();
    let (mut refusals, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    for thread in threads {
        let (refused, told) = thread.join().unwrap();
        refusals += refused;
        told.into_iter().for_each(|(kind, count)| *kinds.entry(kind).or_default() += count);
    }
    // The damage must be of a kind that matters: much is refused, for many reasons, and not all.
    assert!(refusals > ROUNDS / 4 && refusals < ROUNDS, "{refusals}");
    assert!(kinds.len() > 25, "{kinds:?}");
}
