//! Secrets: where they come from, how text refers to them, and how they are kept out of everything else.

use super::ids::SecretName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where the value of a secret comes from. Files hold one of these, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// Made once per environment: that many random letters and digits, 16 to 128.
    Generate(u8),
    /// The value of that environment variable, read when the secret is first stored.
    Env(String),
    /// The content of that file without its last line end, read when the secret is first stored.
    File(String),
}

/// The value of a secret. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

/// Letters that mean nothing special in any file that we render (YAML, Redis, INI, XML and URLs among them).
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+=".contains(c)
}

impl SecretValue {
    /// Takes a value of 8 to 512 characters that are letters, digits or one of `-._~+=`.
    ///
    /// Errors: what is wrong with it, without showing it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !(8..=512).contains(&text.len()) {
            return Err(format!("a secret has 8 to 512 characters, this one has {}", text.len()));
        }
        match text.chars().find(|c| !is_plain(*c)) {
            Some(_) => {
                Err("a secret is made of letters, digits and -._~+= only; this one has another character".to_owned())
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The value, for the few places that hand it to the program it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

/// How a secret stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// The value itself.
    Plain,
    /// The lower-case hexadecimal SHA-256 of the value.
    Sha256,
}

/// A secret's place within a text: `@{secret:redis-admin}` or `@{secret:redis-admin:sha256}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Which secret.
    pub name: SecretName,
    /// In what form.
    pub form: SecretForm,
}

impl SecretRef {
    /// A reference to the value itself.
    pub const fn plain(name: SecretName) -> Self {
        Self { name, form: SecretForm::Plain }
    }

    /// A reference to the value's SHA-256.
    pub const fn sha256(name: SecretName) -> Self {
        Self { name, form: SecretForm::Sha256 }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            SecretForm::Plain => write!(f, "@{{secret:{}}}", self.name),
            SecretForm::Sha256 => write!(f, "@{{secret:{}:sha256}}", self.name),
        }
    }
}

/// The secrets of one environment, by name.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<SecretName, SecretValue>);

impl Secrets {
    /// Adds or replaces one.
    pub fn insert(&mut self, name: SecretName, value: SecretValue) {
        self.0.insert(name, value);
    }

    /// The value of that name.
    pub fn get(&self, name: &SecretName) -> Option<&SecretValue> {
        self.0.get(name)
    }

    /// Puts the values into a rendered text.
    ///
    /// Errors: the name of the first secret that is not there.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("@{secret:") {
            filled.push_str(&rest[..start]);
            let body = &rest[start + "@{secret:".len()..];
            let Some(end) = body.find('}') else {
                return Err(format!("unfinished reference: {}", &rest[start..rest.len().min(start + 40)]));
            };
            let (name, form) = match body[..end].split_once(':') {
                Some((name, "sha256")) => (name, SecretForm::Sha256),
                Some((_, form)) => return Err(format!("unknown form of a secret: {form}")),
                None => (&body[..end], SecretForm::Plain),
            };
            let value =
                SecretName::parse(name).ok().and_then(|name| self.0.get(&name)).ok_or_else(|| name.to_owned())?;
            match form {
                SecretForm::Plain => filled.push_str(value.expose()),
                SecretForm::Sha256 => filled.push_str(&super::digest::sha256_hex(value.expose().as_bytes())),
            }
            rest = &body[end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The reverse of [`fill`](Self::fill): puts references where values stand, so that what is on disk can be
    /// compared with what was rendered.
    pub fn unfill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(value.expose(), &SecretRef::plain(name.clone()).to_string()).replace(
                &super::digest::sha256_hex(value.expose().as_bytes()),
                &SecretRef::sha256(name.clone()).to_string(),
            )
        })
    }

    /// The text with every value masked: for output of foreign programs.
    pub fn mask(&self, text: &str) -> String {
        self.0.values().fold(text.to_owned(), |text, value| text.replace(value.expose(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Result<Secrets, String> {
        let mut secrets = Secrets::default();
        let name = SecretName::parse("redis-admin").map_err(|e| e.to_string())?;
        secrets.insert(name, SecretValue::parse("correct-horse")?);
        Ok(secrets)
    }

    #[test]
    fn what_was_filled_in_is_taken_out_again() -> Result<(), String> {
        let secrets = secrets()?;
        let text = "user admin on #@{secret:redis-admin:sha256} and @{secret:redis-admin}.";
        let filled = secrets.fill(text)?;
        assert!(filled.contains("correct-horse") && !filled.contains("@{"), "{filled}");
        assert_eq!(secrets.unfill(&filled), text);
        assert!(!secrets.mask(&filled).contains("correct-horse"));
        assert!(!format!("{secrets:?}").contains("correct-horse"));
        Ok(())
    }

    #[test]
    fn a_missing_secret_is_named() -> Result<(), String> {
        assert_eq!(secrets()?.fill("@{secret:other-one}"), Err("other-one".to_owned()));
        assert!(secrets()?.fill("@{secret:redis-admin").is_err());
        assert!(secrets()?.fill("@{secret:redis-admin:md5}").is_err());
        Ok(())
    }

    #[test]
    fn values_that_would_need_quoting_are_refused_without_being_shown() {
        for bad in ["short", "has space in it", "quote\"quote", "dollar$dollar", "new\nline-new"] {
            let error = SecretValue::parse(bad).map(|_| ()).err().unwrap_or_default();
            assert!(!error.is_empty() && !error.contains(bad), "{bad}: {error}");
        }
    }
}
