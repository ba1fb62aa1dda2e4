//! Asks the world, and fills an inventory.
