//! Names and identities, each valid by construction.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that is not what its type demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BadId {
    /// The text as it was given.
    pub text: String,
    /// What was expected, in words.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is valid.
            ///
            /// Errors: the text and what was expected of it.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(BadId { text: text.to_owned(), expected: $expected }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// Lower-case letters, digits and single dashes inside; starts with a letter.
fn is_slug(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Eight lower-case letters or digits.
fn is_suffix(text: &str) -> bool {
    text.len() == 8 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

text_id!(
    /// The name of an environment, which is also the stem of its file.
    EnvName,
    "a name of 1 to 32 lower-case letters, digits and dashes that starts with a letter",
    |text| is_slug(text, 32)
);

text_id!(
    /// The name of a blueprint, which is also the stem of its file.
    BlueprintName,
    "a name of 1 to 32 lower-case letters, digits and dashes that starts with a letter",
    |text| is_slug(text, 32)
);

text_id!(
    /// The name of a template for cloud-init: its file is `NAME.yaml.tera`.
    TemplateName,
    "a name of 1 to 32 lower-case letters, digits and dashes that starts with a letter",
    |text| is_slug(text, 32)
);

text_id!(
    /// The name of a storage pool of LXD.
    PoolName,
    "a name of 1 to 63 letters, digits, dashes, dots and underscores that starts with a letter or digit",
    |text| {
        text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    }
);

text_id!(
    /// The identity of one bring-up of an environment: its name and eight random characters, such as `local-7f3k9q2m`.
    ///
    /// Everything that is made carries it; what carries another one, or none, is never touched.
    EnvId,
    "an environment's name, a dash and eight lower-case letters or digits",
    |text| text.rsplit_once('-').is_some_and(|(name, suffix)| is_slug(name, 32) && is_suffix(suffix))
);

text_id!(
    /// The identity of one run: a serial number within the environment, such as `0003`.
    RunId,
    "a number of four or more digits",
    |text| text.len() >= 4 && text.len() <= 9 && text.chars().all(|c| c.is_ascii_digit())
);

text_id!(
    /// The readable, stable identity of a step within a plan, such as `redis/start`.
    StepId,
    "lower-case words of letters, digits and dashes, joined by slashes",
    |text| !text.is_empty() && text.split('/').all(|word| is_slug(word, 64))
);

text_id!(
    /// The name of a secret of the environment, such as `redis-admin`: the component's name and the secret's own.
    SecretName,
    "a name of lower-case letters, digits and dashes",
    |text| is_slug(text, 64)
);

impl EnvId {
    /// Joins an environment's name and eight random characters.
    ///
    /// Errors: the suffix is not eight lower-case letters or digits.
    pub fn join(name: &EnvName, suffix: &str) -> Result<Self, BadId> {
        Self::parse(&format!("{name}-{suffix}"))
    }

    /// The environment's name within the identity.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('-').map_or(self.0.as_str(), |(name, _)| name)
    }
}

impl RunId {
    /// The run with that serial number; the first is 1.
    pub fn numbered(number: u32) -> Self {
        Self(format!("{number:04}"))
    }

    /// The serial number.
    pub fn number(&self) -> u32 {
        self.0.parse().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_refused_unless_whole() {
        for good in ["local-7f3k9q2m", "mini-cloud-lxd-00000000"] {
            assert!(EnvId::parse(good).is_ok(), "{good}");
        }
        for bad in ["local", "local-7f3k9q2", "Local-7f3k9q2m", "-7f3k9q2m", "local--7f3k9q2m"] {
            assert!(EnvId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(EnvId::parse("mini-cloud-7f3k9q2m").map(|id| id.name().to_owned()), Ok("mini-cloud".to_owned()));
    }

    #[test]
    fn run_ids_sort_as_their_numbers() {
        assert!(RunId::numbered(2) < RunId::numbered(10));
        assert_eq!(RunId::numbered(10).number(), 10);
    }
}
