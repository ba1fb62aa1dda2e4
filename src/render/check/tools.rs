//! How the foreign tools are called, and how what they say is judged.

/// `promtool check config`: lint errors are errors only when it is told so.
pub const PROMTOOL_CHECK_CONFIG: &[&str] = &["promtool", "check", "config", "--lint-fatal"];
/// `promtool check rules`: lint errors are errors only when it is told so.
pub const PROMTOOL_CHECK_RULES: &[&str] = &["promtool", "check", "rules", "--lint-fatal"];
/// `promtool test rules`.
pub const PROMTOOL_TEST: &[&str] = &["promtool", "test", "rules"];
/// `amtool check-config`.
pub const AMTOOL_CHECK: &[&str] = &["amtool", "check-config"];

/// What promtool or amtool came to. Only the exit status counts: amtool prints SUCCESS and then fails on a template.
///
/// Errors: the tool's own words.
pub fn verdict(exit_code: Option<i32>, output: &str) -> Result<(), String> {
    match exit_code {
        Some(0) => Ok(()),
        Some(_) => Err(output.trim().to_owned()),
        None => Err(format!("it was ended by a signal: {}", output.trim())),
    }
}

/// What `redis-cli` answered to one command when its output is no terminal: there it writes an error as bare text, and
/// ends with 0 unless it was called with `-e`.
///
/// Errors: the server's words, or that it did not answer.
pub fn redis_reply<'a>(exit_code: Option<i32>, stdout: &'a str, stderr: &str) -> Result<&'a str, String> {
    let reply = stdout.trim_end_matches(['\r', '\n']);
    if exit_code != Some(0) || (reply.is_empty() && !stderr.trim().is_empty()) {
        return Err([reply, stderr.trim()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "));
    }
    // An error begins with one word in capitals: ERR, NOAUTH, NOPERM, WRONGPASS, LOADING, OOM, READONLY …
    let word = reply.split(' ').next().unwrap_or_default();
    let shouts = word.len() >= 3 && word.chars().all(|c| c.is_ascii_uppercase());
    if shouts && reply.len() > word.len() { Err(reply.to_owned()) } else { Ok(reply) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exit_status_counts() {
        assert_eq!(verdict(Some(0), "FAILED: lint error"), Ok(()));
        assert_eq!(verdict(Some(1), "SUCCESS\nFAILED: template\n"), Err("SUCCESS\nFAILED: template".to_owned()));
        assert!(verdict(None, "").is_err());
    }

    #[test]
    fn an_error_reply_is_no_answer() {
        assert_eq!(redis_reply(Some(0), "PONG\n", ""), Ok("PONG"));
        assert_eq!(redis_reply(Some(0), "OK\n", ""), Ok("OK"));
        assert_eq!(redis_reply(Some(0), "# Server\r\nredis_version:7\r\n", ""), Ok("# Server\r\nredis_version:7"));
        for error in
            ["NOAUTH Authentication required.\n", "NOPERM this user\n", "LOADING Redis is loading\n", "ERR unknown\n"]
        {
            assert!(redis_reply(Some(0), error, "").is_err(), "{error}");
        }
        assert!(redis_reply(Some(1), "", "Could not connect to Redis").is_err());
        assert!(redis_reply(Some(0), "", "AUTH failed").is_err());
    }
}
