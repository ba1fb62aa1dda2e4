//! The page's own reckoning, asked within the page.

use crate::chromium::Browser;
use crate::signed_in;
use crate::stack::Stack;

/// Each tells a story and is true when it ends well.
const TRUE: &[(&str, &str)] = &[
    (
        "what is told late does not take a report back",
        "(async () => { const { Reports } = await import('/store.js'); const store = new Reports(); \
          const queued = { id: 'a', type: 't', state: 'queued', attempts: 0, created_at: '2026-11-24T10:00:00Z' }; \
          store.merge(queued); \
          const event = (type, attempt) => store.apply({ type, timestamp: '2026-11-24T10:00:01Z', data: { id: 'a', attempt } }); \
          event('report.finished', 1); event('report.started', 1); event('report.queued', 0); store.merge(queued); \
          return store.get('a').state === 'done'; })()",
    ),
    (
        "another attempt is a step forward",
        "(async () => { const { Reports } = await import('/store.js'); const store = new Reports(); \
          const told = (state, attempts) => store.merge({ id: 'a', type: 't', state, attempts, created_at: '2026-11-24T10:00:00Z' }).state; \
          return [told('running', 1), told('delayed', 1), told('running', 1), told('running', 2), told('failed', 2), told('delayed', 1), told('done', 1)] \
            .join() === 'running,delayed,delayed,running,failed,failed,done'; })()",
    ),
    (
        "an unknown report is to be asked for, an unknown event is not",
        "(async () => { const { Reports } = await import('/store.js'); const store = new Reports(); \
          return !store.apply({ type: 'report.finished', data: { id: 'x' } }) && store.apply({ type: 'something.new', data: { id: 'x' } }); })()",
    ),
    (
        "entries are ordered by time and number, not as text",
        "import('/store.js').then(({ after }) => after('10-0', '9-5') && after('9-10', '9-9') && !after('9-9', '9-9') && !after('8-1', '9-0') && after('1-0', ''))",
    ),
    (
        "after a restart everybody comes back within 5 s, and not at once",
        "import('/live.js').then(({ waitAfter }) => waitAfter(1012, 7, () => 0.999) < 5000 && waitAfter(1012, 0, () => 0.5) === 2500)",
    ),
    (
        "the waits grow with the failures, are spread, and have an end",
        "import('/live.js').then(({ waitAfter }) => waitAfter(1006, 0, () => 1) === 500 && waitAfter(1006, 3, () => 0) === 2000 \
          && waitAfter(1006, 3, () => 1) === 4000 && waitAfter(1006, 99, () => 1) === 30000)",
    ),
    (
        "numbers get the decimals that they need",
        "import('/format.js').then(({ decimalsOf, duration }) => decimalsOf([1, 2]) === 0 && decimalsOf([0.5, 0.125]) === 3 && decimalsOf([1 / 3]) === 4 \
          && decimalsOf([0.1 + 0.2]) === 1 && duration(59_900) === '60 s' && duration(3_725_000) === '1 h 2 min')",
    ),
];

#[tokio::test]
async fn the_page_reckons_rightly() {
    let (stack, browser) = (Stack::start().await, Browser::start().await);
    let (_anna, tab) = signed_in(&browser, &stack, "anna").await;
    for (what, story) in TRUE {
        assert_eq!(tab.eval(story).await, true, "{what}");
    }
    tab.assert_clean(&[]);
}
