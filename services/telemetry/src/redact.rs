//! Takes secrets out of what libraries say.

/// Replaces every one of `secrets` in `text`, and bounds its length to about 500 characters.
pub(crate) fn redact(text: &str, secrets: &[String]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets {
        clean = clean.replace(secret.as_str(), "[hidden]");
    }
    match clean.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let secrets = ["http://t0ken@h".to_owned(), "t0ken".to_owned()];
        assert_eq!(
            redact("401 from http://t0ken@h, t0ken is unknown", &secrets),
            "401 from [hidden], [hidden] is unknown"
        );
        assert_eq!(redact(&"ä".repeat(501), &[]).chars().count(), 501);
        assert!(redact(&"ä".repeat(501), &[]).ends_with('…'));
    }
}
