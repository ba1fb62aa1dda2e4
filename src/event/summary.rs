//! The state of a run, folded from its events: every view reads this and nothing else.
