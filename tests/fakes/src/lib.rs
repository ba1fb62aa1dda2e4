//! Strict stand-ins for servers that cannot be installed from a distribution archive.
