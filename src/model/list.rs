//! Lists, and what may stand in one.

use super::diagnostic::{Diagnostic, Kind};
use super::node::{Node, Value};
use super::reader::{At, Readable, Reader};
use super::scalars::literal_key;
use super::schema::{Form, Key, Shape};
use super::source::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The values of a list, each with its place.
#[derive(Debug, Clone, Eq)]
pub struct List<T>(pub Vec<(T, Place)>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values().eq(other.values())
    }
}

impl<T> List<T> {
    /// The values alone.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(value, _)| value)
    }
}

impl<T: Readable> Readable for List<T> {
    const FORM: Form = Form::List(&T::FORM, T::ONCE);

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            reader.wrong_type(node, &key.title(), &key.form.expected());
            return None;
        };
        let entry = Key { form: T::FORM, ..*key };
        let mut read: Vec<(T, Place)> = Vec::with_capacity(nodes.len());
        let mut good = true;
        for node in nodes {
            if node.is_empty() {
                let message = format!("an entry of `{}` has no value", key.name);
                let help = format!("write {}, or remove the entry", T::FORM.expected());
                reader.tell(Diagnostic::new(Kind::EmptyValue, node.place, message).help(help));
                good = false;
                continue;
            }
            let Some(value) = T::read(reader, node, &entry) else {
                good = false;
                continue;
            };
            match read.iter().find(|(other, _)| T::ONCE && *other == value) {
                None => read.push((value, node.place)),
                Some((_, first)) => {
                    good = false;
                    let message = format!("this is in `{}` twice", key.name);
                    let diagnostic = Diagnostic::new(Kind::DuplicateEntry, node.place, message);
                    reader.tell(diagnostic.label("again").related(*first, "the first one").help("keep one of them"));
                }
            }
        }
        good.then_some(Self(read))
    }

    fn filled(self, _at: At) -> Self {
        let fill = |(value, place): (T, Place)| (value.filled(At { key: place, value: place }), place);
        Self(self.0.into_iter().map(fill).collect())
    }
}

/// A public key for SSH: a line as it stands in `authorized_keys`, without options.
#[derive(Debug, Clone, Eq)]
pub struct PublicKey {
    line: String,
    /// Type and key, which are what makes it the same key.
    key: String,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// The types of keys that OpenSSH 9 takes by default; DSA is not among them.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The words that every file of a private key begins or ends with.
pub(super) const PRIVATE: &str = "PRIVATE KEY";

impl PublicKey {
    /// What it looks like.
    const SHAPE: Shape = Shape {
        expected: "a public key such as `ssh-ed25519 AAAA… name@host`",
        pattern: "^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) [A-Za-z0-9+/]+={0,2}( .*)?$",
        numbers: false,
    };

    /// Takes a line if it is a public key.
    ///
    /// Errors: what is wrong, in words that do not repeat the line: it may be what must not be shown.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let mut words = line.split_ascii_whitespace();
        let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if line.chars().any(char::is_control) {
            return Err("a public key is one line".to_owned());
        }
        if !KEY_TYPES.contains(&kind) {
            let takes = super::suggest::list(KEY_TYPES);
            return Err(format!("a public key begins with its type, without options before it: {takes}"));
        }
        let Ok(bytes) = STANDARD.decode(blob) else {
            return Err(format!("what follows `{kind}` is not base64: the line is cut off, or broken in two"));
        };
        // The key repeats its type within, behind the length of it: RFC 4253, section 6.6.
        let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
        let inner = usize::try_from(length).ok().and_then(|length| bytes.get(4..4 + length.min(64)));
        if inner != Some(kind.as_bytes()) || bytes.len() < 4 + kind.len() + 32 {
            return Err(format!(
                "this is no key of the type `{kind}`: the line is cut off, or its type is another one"
            ));
        }
        Ok(Self { line: line.to_owned(), key: format!("{kind} {blob}") })
    }

    /// The line.
    pub fn line(&self) -> &str {
        &self.line
    }
}

impl Readable for PublicKey {
    const FORM: Form = Form::Word(&Self::SHAPE);
    const ONCE: bool = true;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let (text, _) = reader.scalar(node, key)?;
        if text.contains(PRIVATE) {
            reader.tell(literal_key(node.place));
            return None;
        }
        let told = Self::parse(text).map_err(|message| {
            let help = "take the line from the file that ends in `.pub`, such as ~/.ssh/id_ed25519.pub";
            reader.tell(Diagnostic::new(Kind::BadValue, node.place, message).help(help));
        });
        told.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of that type with a body of so many bytes, which is as good as any here.
    fn key(kind: &str, body: usize) -> String {
        let mut bytes = u32::try_from(kind.len()).unwrap_or(0).to_be_bytes().to_vec();
        bytes.extend(kind.as_bytes());
        bytes.extend(std::iter::repeat_n(7, body));
        STANDARD.encode(bytes)
    }

    #[test]
    fn a_public_key_is_its_type_and_what_says_the_same_type_within() {
        let good = key("ssh-ed25519", 36);
        for kind in KEY_TYPES {
            assert!(PublicKey::parse(&format!("{kind} {} me@host, at work", key(kind, 36))).is_ok(), "{kind}");
        }
        let other = PublicKey::parse(&format!("ssh-ed25519 {good} another name"));
        assert_eq!(PublicKey::parse(&format!("ssh-ed25519 {good}")), other, "a comment makes no other key");
        for bad in [
            String::new(),
            "ssh-ed25519".to_owned(),
            format!("ssh-rsa {good}"),
            format!("ssh-ed25519 {}", &good[..20]),
            format!("ssh-ed25519 {}", &good[1..]),
            format!("ssh-dss {}", key("ssh-dss", 400)),
            format!("command=\"id\" ssh-ed25519 {good}"),
            format!("ssh-ed25519 {good}\nssh-ed25519 {good}"),
            format!("{good} ssh-ed25519"),
            "ssh-ed25519 /////w==".to_owned(),
        ] {
            let error = PublicKey::parse(&bad).err();
            assert!(error.is_some_and(|error| bad.is_empty() || !error.contains(&good)), "{bad}");
        }
    }
}
