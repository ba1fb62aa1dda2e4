//! Text from values: what the components read, and how each is started.
