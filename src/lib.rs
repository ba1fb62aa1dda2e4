//! The library behind `reportctl`: it reads environments, plans, performs and proves. It never prints, and never reads
//! the command line or the environment by itself.

pub mod context;
pub mod deployer;
pub mod engine;
pub mod event;
pub mod exec;
pub mod fs;
pub mod journal;
pub mod model;
pub mod observe;
pub mod plan;
pub mod project;
pub mod provider;
pub mod reach;
pub mod render;
pub mod smoke;
