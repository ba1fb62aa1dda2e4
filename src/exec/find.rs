//! Where programs are.

use crate::context::Context;
use std::path::PathBuf;

/// Folders that hold programs which an ordinary user's search path often leaves out.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The search path with the folders for system programs at its end.
pub fn search_path(path: Option<&str>) -> String {
    let mut folders: Vec<&str> = path.unwrap_or("/usr/local/bin:/usr/bin:/bin").split(':').collect();
    folders.extend(ALSO.iter().filter(|also| !path.unwrap_or_default().split(':').any(|folder| folder == **also)));
    folders.retain(|folder| folder.starts_with('/'));
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
        assert_eq!(search_path(Some("/sbin:.:/opt/bin::/usr/sbin")), "/sbin:/opt/bin:/usr/sbin:/usr/local/sbin");
    }
}
