//! The page is for everybody: on a phone, without a mouse, without eyes; and to each only what is theirs.

use crate::chromium::{Browser, Tab};
use crate::stack::Stack;
use crate::{ask_for_check, signed_in};

#[tokio::test]
async fn another_user_sees_nothing_of_it() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    let (_berta, other) = signed_in(&browser, &stack, "berta").await;
    ask_for_check(&tab, "5").await;
    let address = tab.eval("location.href").await.as_str().unwrap().to_owned();
    stack.finish_one();
    tab.until_text(".report .badge", "Done").await;

    // Hers comes after, so what was to come of the other's has come by then.
    ask_for_check(&other, "6").await;
    other.until_text(".report .badge", "Running").await;
    assert_eq!(other.eval("document.querySelectorAll('#list .row').length").await, 1);
    assert!(other.frames().iter().all(|frame| !address.ends_with(frame["data"]["id"].as_str().unwrap_or("?"))));
    other.go(&address).await;
    other.until_text(".report-note", "There is no such report among yours.").await;
    let result = address.replace("/#/", "/api/") + "/result.json";
    assert_eq!(other.eval(&format!("fetch('{result}').then((answer) => answer.status)")).await, 404);
    assert_eq!(tab.eval(&format!("fetch('{result}').then((answer) => answer.status)")).await, 200);
    other.assert_clean(&["404"]);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn no_view_is_wider_than_a_phone() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "1").await;
    stack.finish_one();
    tab.until_text(".where", "of 120").await;
    stack.alert("firing").await;
    let report = tab.eval("location.href").await.as_str().unwrap().to_owned();
    for width in [320, 360, 768] {
        let phone = anna.open(&report, width).await;
        phone.until_text(".where", "of 120").await;
        fits(&phone).await;
        for (place, shows) in [("#/", "My reports"), ("#/new", "New report"), ("#/operations", "ReportQueueGrows")] {
            phone.eval(&format!("location.hash = '{place}'")).await;
            phone.until_text("main", shows).await;
            fits(&phone).await;
            assert_eq!(phone.nameless().await, [""; 0], "{place} at {width}");
        }
        phone.assert_clean(&[]);
    }
    let stranger = browser.person().await.open(&stack.page(), 320).await;
    stranger.until_text("main", "reportctl user link NAME").await;
    fits(&stranger).await;
}

async fn fits(tab: &Tab) {
    let over = tab.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
    assert_eq!(over, 0, "{} is too wide", tab.eval("location.href").await);
}

#[tokio::test]
async fn everything_can_be_done_with_the_keyboard() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    // The first stop leads past the bar.
    tab.press("Tab").await;
    assert_eq!(tab.text(":focus").await, "Skip to the content");
    tab.press("Enter").await;
    tab.tab_to("[name=type]").await;
    tab.press("ArrowDown").await;
    tab.press("ArrowDown").await;
    tab.until("the third report is chosen", "document.querySelector('#type-system-check').checked").await;
    tab.tab_to("#field-seconds").await;
    tab.press("Enter").await;
    tab.until_text(".report .badge", "Running").await;
    tab.until("the focus is at the heading", "document.activeElement.id === 'report-title'").await;

    tab.tab_to(".actions .danger").await;
    tab.press("Enter").await;
    tab.until_text(".report .badge", "Cancelled").await;
    tab.until_text(".result", "It has no result.").await;
    // The button is gone, and the focus is not lost with it.
    tab.until("the focus is at the heading", "document.activeElement.id === 'report-title'").await;
    tab.until_text("#announcer", "System check: Cancelled").await;
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn everything_that_can_be_used_has_a_name() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    for report in ["#type-gage-calibration", "#type-moving-average", "#type-system-check"] {
        tab.click(report).await;
        assert_eq!(tab.nameless().await, [""; 0], "{report}");
    }
    ask_for_check(&tab, "1").await;
    assert_eq!(tab.nameless().await, [""; 0]);
    stack.finish_one();
    tab.until_text(".where", "of 120").await;
    assert_eq!(tab.nameless().await, [""; 0]);
    // The check can fail.
    tab.eval("document.body.append(document.createElement('button'))").await;
    assert_eq!(tab.nameless().await, ["button"]);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn nothing_in_a_result_becomes_a_part_of_the_page() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "1").await;
    stack.finish_one();
    tab.until_text("tbody", "<img src=x onerror=\"document.title='hacked'\">").await;
    tab.until_text(".summary", "The worst is <b>G-1</b>.").await;
    assert_eq!(tab.eval("document.querySelectorAll('.result img, .result b, .result script').length").await, 0);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn what_the_policy_forbids_is_not_done_and_is_noticed() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    tab.eval("(() => { const it = document.createElement('p'); it.setAttribute('style', 'color: red'); document.body.append(it); })()").await;
    let refused = "[() => { document.body.innerHTML = '<p>'; }, () => { document.createElement('script').text = '1'; }, () => eval('1')] \
                   .every((mischief) => { try { mischief(); return false; } catch { return true; } })";
    assert_eq!(tab.eval(refused).await, true);
    let problems = tab.problems();
    assert!(problems.iter().any(|text| text.contains("Content Security Policy")), "{problems:?}");
}
