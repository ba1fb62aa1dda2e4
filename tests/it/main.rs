//! Integration tests: one crate, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test stands outside the walls")]
mod agent;
mod canary;
mod cli;
mod cloud_init_wait;
mod command;
mod engine;
mod engine_run;
mod exec;
mod failures;
mod fake_world;
mod fakes;
mod fakes_rendered;
mod guest;
mod host;
mod init;
mod journal;
mod kill;
mod lxd_real;
mod lxd_support;
mod model;
mod mutations;
mod observe;
mod ordinary_user;
mod packages;
mod place;
mod planner;
mod schema;
mod services;
mod stage;
mod units_lxd;
mod up_down;
mod usage;
mod walls;

mod cloud_init;
mod cloud_init_support;
mod render_alertmanager;
mod render_dashboard;
mod render_fakes;
mod render_postgresql;
mod render_prometheus;
mod render_redis;
mod render_support;
mod render_tools;
mod render_tree;

mod smoke_alert;
mod smoke_exporters;
mod smoke_fakes;
mod smoke_postgresql;
mod smoke_prometheus;
mod smoke_redis;
mod smoke_run;
mod smoke_stack;
mod smoke_support;
