//! What networks and people do to a page.

use crate::chromium::{Browser, Tab, eventually};
use crate::stack::Stack;
use crate::{WIDE, ask_for_check, signed_in};
use report_model::event::EventType;

/// Of which reports the page was told such an event over the websocket, as often as it was.
fn told(tab: &Tab, kind: &str) -> Vec<String> {
    let frames = tab.frames();
    let told = frames.iter().filter(|frame| frame["type"] == kind);
    told.map(|frame| frame["data"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_result_that_comes_while_the_socket_is_cut_arrives_after_the_reconnect_and_once() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "5").await;
    tab.until_text(".report .badge", "Running").await;

    stack.proxy.cut();
    tab.until_text("#link-text", "Reconnecting").await;
    stack.finish_one();
    let id = stack.taken_in(EventType::Finished).await;
    assert_eq!(tab.text(".report .badge").await, "Running");
    assert_eq!(told(&tab, "report.finished"), [""; 0]);

    stack.proxy.mend();
    tab.until_text(".report .badge", "Done").await;
    tab.until_text(".summary", "3 of 120 gages are overdue.").await;
    tab.until_text("#link-text", "Live").await;
    assert_eq!(told(&tab, "report.finished"), [id.as_str()]);

    // A second cut finds the page where it was: nothing is told again. The next event says that all before it has come.
    stack.proxy.cut();
    tab.until_text("#link-text", "Reconnecting").await;
    stack.proxy.mend();
    tab.until_text("#link-text", "Live").await;
    let before = tab.frames().len();
    tab.eval("location.hash = '#/new'").await;
    ask_for_check(&tab, "6").await;
    eventually("the page is told that the second began", async || {
        (told(&tab, "report.started").len() == 2).then_some(())
    })
    .await;
    assert_eq!(told(&tab, "report.finished"), [id]);
    assert_eq!(tab.frames().len(), before + 2, "queued and started, and nothing else: {:?}", tab.frames());
    let resumed = tab.sockets();
    assert!(resumed.iter().skip(1).all(|address| address.contains("last_id=")), "{resumed:?}");
    tab.assert_clean(&["ERR_", "WebSocket"]);
}

#[tokio::test]
async fn a_restart_of_the_service_is_outlived() {
    let (mut stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "5").await;
    tab.until_text(".report .badge", "Running").await;
    stack.restart().await;
    stack.finish_one();
    tab.until_text(".report .badge", "Done").await;
    tab.until_text(".summary", "3 of 120 gages are overdue.").await;
    tab.until_text("#link-text", "Live").await;
    tab.assert_clean(&["ERR_", "WebSocket"]);
}

#[tokio::test]
async fn where_websockets_do_not_pass_the_result_comes_all_the_same() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    stack.proxy.refuse_websockets(true);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "5").await;
    tab.until_text(".report .badge", "Running").await;
    stack.finish_one();
    tab.until_text(".report .badge", "Done").await;
    assert_eq!(tab.frames(), [serde_json::Value::Null; 0]);
    tab.assert_clean(&["WebSocket", "ERR_"]);
}

#[tokio::test]
async fn with_too_many_windows_open_a_further_one_says_so_and_does_what_it_can() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (anna, tab) = signed_in(&browser, &stack, "anna").await;
    let nine = "Promise.all(Array.from({ length: 9 }, () => new Promise((open) => { \
                new WebSocket('/api/socket').onmessage = open; }))).then(() => true)";
    ask_for_check(&tab, "5").await;
    tab.eval(nine).await;
    let further = anna.open(&stack.page(), WIDE).await;
    further.until_text("#link-text", "Open in too many windows").await;
    further.until_text("#list .badge", "Running").await;
    tab.assert_clean(&[]);
    further.assert_clean(&[]);
}

#[tokio::test]
async fn what_could_not_be_read_is_read_when_the_network_is_back() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    ask_for_check(&tab, "5").await;
    tab.until_text(".report .badge", "Running").await;
    stack.proxy.cut();
    tab.until_text("#link-text", "Reconnecting").await;
    // A report that is not known here is asked for, and now nobody answers.
    tab.eval("location.hash = '#/reports/00000000000000000000000000'").await;
    tab.until_text(".report-note", "cannot be reached").await;
    stack.proxy.mend();
    tab.until_text(".report-note", "There is no such report among yours.").await;
    tab.assert_clean(&["ERR_", "WebSocket", "404"]);
}

#[tokio::test]
async fn a_double_click_asks_once() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    tab.click("#type-system-check").await;
    tab.click_times("form button[type=submit]", 2).await;
    tab.until_text(".report .badge", "Running").await;
    stack.taken_in(EventType::Started).await;
    assert_eq!(stack.log_length("anna"), 2, "queued and started, of one report");
    assert_eq!(tab.eval("document.querySelectorAll('#list .row').length").await, 1);
    tab.assert_clean(&[]);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_sent_again_after_a_reload_and_is_one_report() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    stack.proxy.lose_answers(true);
    tab.click("#type-system-check").await;
    tab.click("form button[type=submit]").await;
    tab.until_text(".form-note", "Trying again").await;
    // It arrived, as the list shows; but the form cannot know.
    tab.until_text("#list .badge", "Running").await;
    tab.reload().await;
    tab.until_text(".form-note", "Trying again").await;

    stack.proxy.lose_answers(false);
    tab.until_text(".report .badge", "Running").await;
    stack.taken_in(EventType::Started).await;
    assert_eq!(stack.log_length("anna"), 2, "queued and started, of one report");
    assert_eq!(tab.eval("sessionStorage.getItem('report.unsent')").await, serde_json::Value::Null);
    tab.assert_clean(&["ERR_"]);
}

#[tokio::test]
async fn whoever_signs_out_in_one_window_is_signed_out_in_all() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let link = stack.link("anna").await;
    let anna = browser.person().await;
    let tab = anna.open(&link, WIDE).await;
    tab.until_text("#link-text", "Live").await;
    let second = anna.open(&stack.page(), WIDE).await;
    second.until_text("#link-text", "Live").await;

    tab.click("#sign-out").await;
    tab.until_text("#signed-out", "You have signed out.").await;
    second.until_text("#signed-out", "Your session has ended.").await;
    second.until_text("#signed-out", "reportctl user link NAME").await;
    for tab in [&tab, &second] {
        tab.reload().await;
        tab.until_text("#signed-out", "You are not signed in").await;
    }
    // The link worked once.
    tab.go(&link).await;
    tab.until_text("main", "This link does not open any more").await;
    tab.assert_clean(&["401", "410"]);
    second.assert_clean(&["401"]);
}
