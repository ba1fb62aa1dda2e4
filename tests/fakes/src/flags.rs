//! Flags as programs written in Go take them: one or two dashes, the value after `=` or as the next word.

use std::collections::VecDeque;

/// The flags at the head of `args`, which are taken out; stops at the first word that is no flag.
///
/// `valued` take a value, `plain` take none. Errors: another flag, a flag given twice, or a missing value.
pub(crate) fn take(
    args: &mut VecDeque<String>,
    valued: &[&str],
    plain: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    while let Some(word) = args.front().filter(|word| word.len() > 1 && word.starts_with('-')).cloned() {
        args.pop_front();
        let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(&word);
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (name.to_owned(), None),
        };
        let value = match (valued.contains(&name.as_str()), plain.contains(&name.as_str()), value) {
            (true, _, Some(value)) => value,
            (true, _, None) => args.pop_front().ok_or_else(|| format!("flag needs an argument: -{name}"))?,
            (false, true, None) => String::new(),
            (false, true, Some(_)) => return Err(format!("flag takes no argument: -{name}")),
            (false, false, _) => return Err(format!("flag provided but not defined: -{name}")),
        };
        if found.iter().any(|(known, _)| *known == name) {
            return Err(format!("flag given twice: -{name}"));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// The value of a flag among those found.
pub(crate) fn value<'a>(found: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    found.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_taken_and_unknown_ones_refused() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<VecDeque<_>>();
        let mut args = words("--config=a -home b --v serve --later");
        let found = take(&mut args, &["config", "home"], &["v"]).unwrap();
        assert_eq!(value(&found, &["config"]), Some("a"));
        assert_eq!(value(&found, &["home"]), Some("b"));
        assert_eq!(args, words("serve --later"));
        for wrong in ["--other", "--config", "--v=1", "--config=a --config=b"] {
            assert!(take(&mut words(wrong), &["config"], &["v"]).is_err(), "{wrong}");
        }
    }
}
