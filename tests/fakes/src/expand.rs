//! Variables of the environment inside configuration.

/// Replaces `$NAME`, `${NAME}` and, where `defaults` says so, `${NAME:default}`; `$$` is a literal dollar sign.
///
/// Errors: a variable that is not set (a real server would put nothing there), or a dollar sign that starts nothing.
pub(crate) fn variables(text: &str, defaults: bool, get: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, default) = if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}').ok_or_else(|| format!("`${{` has no end: {}", first_line(rest)))?;
            rest = &inner[end + 1..];
            match inner[..end].split_once(':') {
                Some((name, default)) if defaults => (name, Some(default)),
                _ => (&inner[..end], None),
            }
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let name = &rest[..end];
            rest = &rest[end..];
            (name, None)
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`${name}` is no variable: a literal dollar sign is written `$$`"));
        }
        let value = get(name).or_else(|| default.map(str::to_owned));
        out.push_str(&value.ok_or_else(|| format!("variable {name} is not set"))?);
    }
    out.push_str(rest);
    Ok(out)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_dollars_doubled() {
        let get = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(variables("$A-${A}-${B:d:e}-$$A", true, get).unwrap(), "x-x-d:e-$A");
        assert_eq!(variables("plain", true, get).unwrap(), "plain");
        for wrong in ["$B", "${B}", "$", "a$ b", "${A", "$1"] {
            assert!(variables(wrong, true, get).is_err(), "{wrong}");
        }
        assert!(variables("${B:d}", false, get).is_err());
    }
}
