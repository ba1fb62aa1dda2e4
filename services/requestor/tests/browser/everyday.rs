//! What people do every day.

use crate::chromium::Browser;
use crate::stack::Stack;
use crate::{WIDE, ask_for_check, signed_in};
use report_model::event::EventType;

#[tokio::test]
async fn a_report_is_asked_for_watched_read_and_found_again() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    assert_eq!(tab.text("#user").await, "anna");
    tab.until_text("#list-note", "Nothing yet").await;

    ask_for_check(&tab, "5").await;
    tab.until_text(".report .badge", "Running").await;
    tab.until_text("#list .badge", "Running").await;
    assert_eq!(tab.text(".asked").await.replace('\n', " "), "Duration 5 s");

    stack.finish_one();
    tab.until_text(".report .badge", "Done").await;
    tab.until_text("#list .badge", "Done").await;
    tab.until_text(".summary", "3 of 120 gages are overdue.").await;
    tab.until_text(".box.warn", "measured only once").await;
    let hidden = "document.querySelector('.box.warn details li').checkVisibility()";
    assert_eq!(tab.eval(hidden).await, false, "of many warnings the first are shown");
    tab.click(".box.warn summary").await;
    tab.until_text(".box.warn", "The fifth warning.").await;
    tab.until("the chart is drawn", "document.querySelectorAll('.chart .line').length === 2").await;
    let traced = tab.text(".support code").await;
    assert!(traced.len() == 32 && traced.bytes().all(|c| c.is_ascii_hexdigit()), "{traced}");
    assert!(tab.text(".times").await.contains("done after"));

    tab.reload().await;
    tab.until_text(".summary", "3 of 120 gages are overdue.").await;
    tab.until("the list has the one report", "document.querySelectorAll('#list .row').length === 1").await;
    assert_eq!(tab.text(".support code").await, traced);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn a_large_table_is_turned_page_by_page_sorted_and_downloaded() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "1").await;
    stack.finish_one();
    tab.until_text(".where", "Rows 1 to 50 of 120").await;
    tab.click(".pages button:nth-of-type(3)").await;
    tab.until_text(".where", "Rows 51 to 100 of 120").await;
    tab.click(".pages button:nth-of-type(1)").await;
    tab.until_text(".where", "Rows 1 to 50 of 120").await;
    tab.click(".pages button:nth-of-type(4)").await;
    tab.until_text(".where", "Rows 101 to 120 of 120").await;
    assert_eq!(tab.text("tbody tr:first-child td").await, "19");

    // The days fall from 119 to 0, so sorted upwards the last row comes first.
    tab.click("thead th:nth-child(2) button").await;
    tab.until_text("tbody tr:first-child", "G-120").await;
    tab.until_text(".where", "Rows 1 to 50 of 120").await;
    assert_eq!(tab.eval("document.querySelector('thead th:nth-child(2)').ariaSort").await, "ascending");
    // What is not known stands last, also downwards.
    tab.click("thead th:nth-child(3) button").await;
    tab.click("thead th:nth-child(3) button").await;
    tab.until_text("tbody tr:first-child td:last-child", "15.000").await;
    let aligned = "getComputedStyle(document.querySelector('tbody td')).textAlign";
    assert_eq!(tab.eval(aligned).await, "right");

    let csv = "fetch(document.querySelector('.actions a').href).then(async (a) => [a.headers.get('content-disposition'), await a.text()])";
    let csv = tab.eval(csv).await;
    assert!(csv[0].as_str().unwrap().starts_with("attachment; filename="), "{csv}");
    assert_eq!(csv[1].as_str().unwrap().lines().count(), 121);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn mistakes_are_told_at_their_field() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    tab.click("#type-moving-average").await;
    // Which columns there are follows from the source.
    tab.eval("(() => { const it = document.querySelector('#field-source'); it.value = 'passengers'; it.dispatchEvent(new Event('change')); })()").await;
    assert_eq!(tab.text("#field-column").await, "passengers");

    tab.fill("#field-order", "1").await;
    tab.click("form button[type=submit]").await;
    tab.until_text("#field-order-error", "Enter 2 or more.").await;
    tab.until("the focus is at the mistake", "document.activeElement.id === 'field-order'").await;
    assert_eq!(tab.eval("document.querySelector('#field-order').ariaInvalid").await, "true");
    tab.fill("#field-order", "").await;
    tab.until_text("#field-order-error", "Order is needed.").await;

    // What only the service can know comes from there, to the same place.
    tab.fill("#field-order", "10").await;
    tab.until("the mistake is taken back", "document.querySelector('#field-order-error').textContent === ''").await;
    tab.fill("#field-ahead", "6").await;
    tab.click("form button[type=submit]").await;
    tab.until_text("#field-ahead-error", "With the order 10 enter at most 5").await;
    assert_eq!(tab.eval("document.querySelectorAll('#list .row').length").await, 0);
    tab.assert_clean(&["422"]);
}

#[tokio::test]
async fn a_report_that_fails_says_why_and_can_be_run_again() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "0").await;
    stack.finish_one();
    tab.until_text(".report .badge", "Failed").await;
    tab.until_text(".box.bad", "The gages <b>could not</b> be read.").await;

    tab.click(".actions button").await;
    tab.until("the form has what was asked", "document.querySelector('#field-seconds')?.value === '0'").await;
    // The window's title tells of what is looked at; of what is not, a notice tells.
    tab.fill("#field-seconds", "2").await;
    tab.click("form button[type=submit]").await;
    tab.until("the title tells of it", "document.title === 'System check: Running – Reports'").await;
    tab.click("#nav a[data-tab=operations]").await;
    stack.finish_one();
    tab.until_text(".toast", "System check: Done").await;
    tab.click(".toast a").await;
    tab.until_text(".report .badge", "Done").await;
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn alerts_stand_on_the_operations_tab_as_they_come_and_go() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    tab.click("#nav a[data-tab=operations]").await;
    tab.until_text(".operations-status", "no alert is firing").await;
    stack.alert("firing").await;
    tab.until_text(".operations-status", "One alert is firing.").await;
    tab.until_text(".alert[data-status=firing]", "Reports wait longer than they should.").await;
    tab.until_text("#firing", "1").await;
    stack.alert("resolved").await;
    tab.until_text(".alert[data-status=resolved]", "ReportQueueGrows").await;
    tab.until_text(".operations-status", "no alert is firing").await;
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn older_reports_are_shown_when_asked_for() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (anna, tab) = signed_in(&browser, &stack, "anna").await;
    let many = "(async () => { for (let n = 0; n < 35; n += 1) { const answer = await fetch('/api/reports', { method: 'POST', \
                headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ type: 'system-check', parameters: { seconds: n + 1 } }) }); \
                if (!answer.ok) throw new Error(answer.status); } })()";
    tab.eval(many).await;
    // In the tab that was open they all came as events.
    tab.until("all are there", "document.querySelectorAll('#list .row').length === 35").await;
    let second = anna.open(&stack.page(), WIDE).await;
    second.until("the newest are there", "document.querySelectorAll('#list .row').length === 30").await;
    assert!(second.text("#list .row").await.contains("35 s"));
    second.click("#more").await;
    second.until("all are there", "document.querySelectorAll('#list .row').length === 35").await;
    second.until("there are no more", "document.querySelector('#more').hidden").await;
    assert!(second.text("#list li:last-child").await.contains("1 s"));
    stack.finish_one();
    stack.taken_in(EventType::Finished).await;
    for tab in [&tab, &second] {
        tab.until("the one is done", "document.querySelectorAll('#list [data-state=done]').length === 1").await;
        tab.assert_clean(&[]);
    }
}

#[tokio::test]
async fn what_may_be_read_is_offered_as_soon_as_a_runner_has_started() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    stack.offer_sources(false);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    tab.click("form button[type=submit]").await;
    tab.until_text("#field-source-error", "Nothing is offered here yet").await;
    stack.offer_sources(true);
    tab.eval("location.hash = '#/new'").await;
    tab.until_text("#field-source", "Gages (sample)").await;
    tab.assert_clean(&[]);
}
