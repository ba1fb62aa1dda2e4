//! Command lines as lists of arguments, shown so that they can be pasted into a shell.

use std::borrow::Cow;

/// One argument, quoted for a POSIX shell if it needs to be. No byte of it can mean anything to the shell.
pub fn quote(argument: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}

/// A whole command line. A first word with an equals sign would be an assignment to the shell, so it is quoted.
pub fn join<T: AsRef<str>>(argv: impl IntoIterator<Item = T>) -> String {
    let mut line = String::new();
    for (index, argument) in argv.into_iter().enumerate() {
        let argument = argument.as_ref();
        if index == 0 && argument.contains('=') {
            line.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
            continue;
        }
        if index > 0 {
            line.push(' ');
        }
        line.push_str(&quote(argument));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(join(["redis-server", "/etc/redis.conf", "--port=1"]), "redis-server /etc/redis.conf --port=1");
        assert_eq!(
            join(["echo", "", "a b", "it's", "$HOME", "*", "~", "a\nb"]),
            "echo '' 'a b' 'it'\\''s' '$HOME' '*' '~' 'a\nb'"
        );
        assert_eq!(join(["A=1", "B=2"]), "'A=1' B=2");
    }
}
