//! Where programs are.

use crate::context::Context;
use std::path::PathBuf;

/// Folders of system programs, which an ordinary user's search path often leaves out, and the folder beside each.
const BESIDE: [(&str, &str); 3] = [("/usr/local/bin", "/usr/local/sbin"), ("/usr/bin", "/usr/sbin"), ("/bin", "/sbin")];

/// The search path without relative folders, with the folders of system programs that lie beside those that it has at
/// its end.
pub fn search_path(path: Option<&str>) -> String {
    let mut folders: Vec<&str> = path.unwrap_or("/usr/local/bin:/usr/bin:/bin").split(':').collect();
    folders.retain(|folder| folder.starts_with('/'));
    let beside = BESIDE.iter().filter(|(bin, sbin)| folders.contains(bin) && !folders.contains(sbin));
    let beside: Vec<&str> = beside.map(|(_, sbin)| *sbin).collect();
    folders.extend(beside);
    folders.join(":")
}

/// The whole path of a program on the search path.
pub fn find(context: &Context, program: &str) -> Option<PathBuf> {
    which::which_in(program, Some(search_path(context.var("PATH"))), &context.cwd).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_folders_are_searched_last_and_relative_ones_never() {
        assert_eq!(search_path(None), "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
        assert_eq!(search_path(Some("/sbin:.:/opt/bin::/usr/bin:/bin")), "/sbin:/opt/bin:/usr/bin:/bin:/usr/sbin");
        assert_eq!(search_path(Some("/only/this")), "/only/this");
    }
}
