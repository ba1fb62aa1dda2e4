//! What runs a command in a machine: a few lines of POSIX shell. Arguments never become part of them, so that nothing needs
//! to be quoted.

use std::time::Duration;

/// Runs `MARK SECONDS ARGUMENT...`: the arguments are a command, which the machine ends after so long. It ends with 0 itself: to
/// 126 and 127, `lxc exec` adds words of its own. The last line on standard
/// error is the mark and the exit code.
pub const RUN: &str = "m=$1 t=$2; shift 2; cd /; export LC_ALL=C.UTF-8 LANG=C.UTF-8; \
     timeout -k 5 \"$t\" \"$@\"; c=$?; printf '\\n%s %s\\n' \"$m\" \"$c\" >&2";

/// Runs `USER ARGUMENT...` as that user, in the user's home, in the place of the shell.
const AS_USER: &str = "u=$1; shift; h=$(getent passwd \"$u\" | cut -d: -f6); \
     [ -n \"$h\" ] || { printf 'there is no user %s in the machine\\n' \"$u\" >&2; exit 126; }; \
     cd \"$h\" 2>/dev/null || cd /; exec runuser -u \"$u\" -- env HOME=\"$h\" USER=\"$u\" LOGNAME=\"$u\" \"$@\"";

/// How a command ended, in the machine's own words.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What else was told of its end.
    pub more: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// The words that run `argv` with a mark of its end.
pub fn marked(mark: &str, longest: Duration, argv: Vec<String>) -> Vec<String> {
    let seconds = format!("{:.3}", longest.as_secs_f64());
    let words = ["sh", "-c", RUN, "sh", mark, &seconds].map(str::to_owned);
    words.into_iter().chain(argv).collect()
}

/// The words that run `argv` as a user of the machine; as they are where there is none.
pub fn as_user(argv: &[String], user: Option<&str>) -> Vec<String> {
    let Some(user) = user else { return argv.to_vec() };
    let words = ["sh", "-c", AS_USER, "sh", user].map(str::to_owned);
    words.into_iter().chain(argv.iter().cloned()).collect()
}

/// Takes the mark out of what came by standard error; none where it is not there, and so nobody knows how the command ended.
pub fn ended(mark: &str, stderr: &str) -> Option<Ended> {
    let line = format!("\n{mark} ");
    let at = stderr.rfind(&line)?;
    let (told, rest) = stderr[at + line.len()..].split_once('\n')?;
    let (code, more) = told.split_once(' ').unwrap_or((told, ""));
    let code = code.parse().ok()?;
    Some(Ended { code, more: more.to_owned(), stderr: format!("{}{rest}", &stderr[..at]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_tells_the_exit_code_and_is_taken_out() {
        let known = |code, stderr: &str| Some(Ended { code, more: String::new(), stderr: stderr.to_owned() });
        assert_eq!(ended("m", "\nm 0\n"), known(0, ""));
        assert_eq!(ended("m", "words\n\nm 255\n"), known(255, "words\n"));
        assert_eq!(ended("m", "no end of line\nm 2\n"), known(2, "no end of line"));
        assert_eq!(ended("m", "\nm 1\nlate words\n"), known(1, "late words\n"));
        assert_eq!(ended("m", "\nm 1\n\nm 3\n"), known(3, "\nm 1\n"), "the last one counts");
        assert_eq!(ended("m", "\nm 1 70 /tmp/x\n").map(|ended| ended.more), Some("70 /tmp/x".to_owned()));
    }

    #[test]
    fn without_a_whole_mark_nobody_knows_how_it_ended() {
        for stderr in ["", "Error: Instance is not running\n", "\nm ", "\nm 1", "\nm x\n", "am 1\n", "\nmm 1\n"] {
            assert_eq!(ended("m", stderr), None, "{stderr:?}");
        }
    }

    #[test]
    fn arguments_stay_as_they_are() {
        let argv = vec!["echo".to_owned(), "a b; $HOME 'x' \"y\"\n".to_owned(), String::new()];
        let words = marked("m", Duration::from_millis(1500), argv.clone());
        assert_eq!(words[3..6], ["sh", "m", "1.500"]);
        assert_eq!(words[6..], argv);
        assert_eq!(as_user(&argv, None), argv);
        assert_eq!(as_user(&argv, Some("anna"))[3..], [vec!["sh".to_owned(), "anna".to_owned()], argv].concat());
    }
}
