//! Performs a plan: in parallel over its graph, journal first. It decides nothing.
