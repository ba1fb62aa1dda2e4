//! The page in a real browser, before the real program and a real Redis. The worker is the test's own, so that each test
//! decides when a report ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where something is wrong, and starts what it tests"
)]

mod chromium;
mod proxy;
mod stack;

mod everybody;
mod everyday;
mod trouble;
mod units;

use chromium::{Browser, Person, Tab};
use stack::Stack;

/// A wide window, in pixels.
const WIDE: u32 = 1200;

/// Somebody new, who has just opened their link.
async fn signed_in(browser: &Browser, stack: &Stack, user: &str) -> (Person, Tab) {
    let person = browser.person().await;
    let tab = person.open(&stack.link(user).await, WIDE).await;
    tab.until_text("#link-text", "Live").await;
    (person, tab)
}

/// Asks for the check of the system as a person does; of 0 seconds it is one that fails.
async fn ask_for_check(tab: &Tab, seconds: &str) {
    tab.click("#type-system-check").await;
    tab.fill("#field-seconds", seconds).await;
    tab.click("form button[type=submit]").await;
    tab.until("the report is shown", "location.hash.startsWith('#/reports/')").await;
}
