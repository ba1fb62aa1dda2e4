//! The users of this host.

use crate::fs;
use std::path::Path;

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
}

/// The user of that name. Those that packages make are always in `/etc/passwd`.
///
/// Errors: there is none, in words.
pub fn find(name: &str) -> Result<User, String> {
    let path = Path::new("/etc/passwd");
    let text = fs::read(path).map_err(|error| error.to_string())?;
    parse(&text, name).ok_or_else(|| format!("there is no user `{name}` in {}", path.display()))
}

/// Reads passwd(5).
fn parse(text: &str, name: &str) -> Option<User> {
    let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let found = text.lines().map(fields).find(|fields| fields.first().is_some_and(|first| first == name))?;
    Some(User { uid: found.get(2)?.parse().ok()?, gid: found.get(3)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let text = "root:x:0:0:root:/root:/bin/bash\npostgres:x:105:113:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(parse(text, "postgres"), Some(User { uid: 105, gid: 113 }));
        assert_eq!(parse(text, "post"), None);
        assert_eq!(parse("postgres:x:105", "postgres"), None);
    }
}
