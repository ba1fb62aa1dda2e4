//! Finds the files of a project, its own and the embedded ones, and makes environments of them.
