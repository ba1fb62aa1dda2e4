//! A headless Chromium and its pages, driven over the DevTools protocol.

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A browser without a window. It ends with its owner, and all its processes with it.
pub struct Browser {
    child: Child,
    _profile: TempDir,
    wire: Arc<Wire>,
}

impl Browser {
    /// Starts one. It stops the test with a clear word when Chromium is not installed.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new("chromium")
            // Root has no sandbox, and a test shows only its own page.
            .args([
                "--headless",
                "--no-sandbox",
                "--remote-debugging-port=0",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync", "--disable-extensions"])
            .args(["--lang=en-GB", "--force-prefers-reduced-motion"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            // What it leaves lying about goes with the profile.
            .env("TMPDIR", profile.path())
            .env("TZ", "Europe/Berlin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("the tests of the page need `chromium` ({error}): install it, or run tests/run, which does")
        });
        let place = profile.path().join("DevToolsActivePort");
        let address = eventually("chromium tells its port", async || {
            let text = std::fs::read_to_string(&place).ok()?;
            let (port, path) = text.split_once('\n')?;
            path.starts_with('/').then(|| format!("ws://127.0.0.1:{port}{path}"))
        })
        .await;
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = connect_async_with_config(address, Some(limits), true).await.unwrap();
        Self { child, _profile: profile, wire: Wire::new(socket) }
    }

    /// Another person at another machine: nothing is shared with the others, no cookie and no storage.
    pub async fn person(&self) -> Person {
        let answer = self.wire.ask("Target.createBrowserContext", json!({}), None).await;
        Person { wire: self.wire.clone(), context: answer["browserContextId"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Somebody with a browser.
pub struct Person {
    wire: Arc<Wire>,
    context: String,
}

impl Person {
    /// Opens a new tab at `url`, `width` pixels wide.
    pub async fn open(&self, url: &str, width: u32) -> Tab {
        let wanted = json!({ "url": "about:blank", "browserContextId": self.context });
        let target = self.wire.ask("Target.createTarget", wanted, None).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session =
            self.wire.ask("Target.attachToTarget", attach, None).await["sessionId"].as_str().unwrap().to_owned();
        let tab = Tab { wire: self.wire.clone(), session };
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            tab.ask(&format!("{domain}.enable"), json!({})).await;
        }
        tab.resize(width).await;
        tab.go(url).await;
        tab
    }
}

/// A tab of a browser.
pub struct Tab {
    wire: Arc<Wire>,
    session: String,
}

impl Tab {
    /// Goes to an address, and waits until it has loaded.
    pub async fn go(&self, url: &str) {
        // A change behind the # alone loads nothing, so the way leads over an empty page.
        self.ask("Page.navigate", json!({ "url": "about:blank" })).await;
        let answer = self.ask("Page.navigate", json!({ "url": url })).await;
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.until("the page has loaded", "document.readyState === 'complete' && location.href !== 'about:blank'")
            .await;
    }

    /// Loads the page anew, as F5 does.
    pub async fn reload(&self) {
        self.eval("window.before = true").await;
        self.ask("Page.reload", json!({})).await;
        self.until("the page has loaded anew", "!window.before && document.readyState === 'complete'").await;
    }

    /// Makes the window so wide.
    pub async fn resize(&self, width: u32) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// The value of an expression in the page.
    pub async fn eval(&self, expression: &str) -> Value {
        let wanted = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true,
            "allowUnsafeEvalBlockedByCSP": false });
        let answer = self.ask("Runtime.evaluate", wanted).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The text that a person sees of the first element that `selector` finds; empty when there is none.
    pub async fn text(&self, selector: &str) -> String {
        let expression = format!("document.querySelector({})?.innerText ?? ''", json!(selector));
        self.eval(&expression).await.as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true. Says what the page shows when it never is.
    pub async fn until(&self, what: &str, expression: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let wanted = json!({ "expression": format!("!!({expression})"), "returnByValue": true });
            // While a page changes there may be nothing to ask for a moment.
            let answer = self.wire.try_ask("Runtime.evaluate", wanted, Some(&self.session)).await;
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            if tokio::time::Instant::now() > end {
                let shown = self.text("body").await;
                panic!("not within {PATIENCE:?}: {what}\n{:?}\nThe page shows:\n{shown}", self.problems());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the first element that `selector` finds shows `text`.
    pub async fn until_text(&self, selector: &str, text: &str) {
        let expression = format!("document.querySelector({})?.innerText.includes({})", json!(selector), json!(text));
        self.until(&format!("{selector} shows {text:?}"), &expression).await;
    }

    /// Clicks with the mouse on what a person would see there, so often in a row.
    pub async fn click_times(&self, selector: &str, times: u32) {
        let found = format!("document.querySelector({})?.checkVisibility()", json!(selector));
        self.until(&format!("{selector} is there to be clicked"), &found).await;
        let middle = format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        );
        let middle = self.eval(&middle).await;
        for count in 1..=times {
            for kind in ["mousePressed", "mouseReleased"] {
                let event =
                    json!({ "type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": count });
                self.ask("Input.dispatchMouseEvent", event).await;
            }
        }
    }

    /// Clicks once.
    pub async fn click(&self, selector: &str) {
        self.click_times(selector, 1).await;
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowDown` or ` `.
    pub async fn press(&self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            " " => 32,
            "ArrowDown" => 40,
            _ => panic!("what is the code of {key}?"),
        };
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let code_name = if key == " " { "Space" } else { key };
            let event =
                json!({ "type": kind, "key": key, "code": code_name, "windowsVirtualKeyCode": code, "text": text });
            self.ask("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Presses Tab until what has the focus matches `selector`, as one who has no mouse does.
    pub async fn tab_to(&self, selector: &str) {
        let there = format!("document.activeElement?.matches({})", json!(selector));
        for _ in 0..60 {
            if self.eval(&there).await == true {
                return;
            }
            self.press("Tab").await;
        }
        panic!("the keyboard does not reach {selector}");
    }

    /// Puts `text` in place of what stands in a field, as typing does.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.eval(&format!(
            "(() => {{ const it = document.querySelector({}); it.focus(); it.select(); }})()",
            json!(selector)
        ))
        .await;
        self.ask("Input.insertText", json!({ "text": text })).await;
    }

    /// What has a role that can be used and has no name that could be read out: each is a fault.
    pub async fn nameless(&self) -> Vec<String> {
        const USABLE: &[&str] = &[
            "button",
            "link",
            "textbox",
            "spinbutton",
            "combobox",
            "radio",
            "checkbox",
            "Date",
            "region",
            "img",
            "list box",
        ];
        let tree = self.ask("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let usable =
            nodes.filter(|node| node["ignored"] == false && USABLE.iter().any(|role| node["role"]["value"] == *role));
        let all: Vec<_> = usable.collect();
        assert!(!all.is_empty(), "a page has something that can be used");
        let nameless = all.into_iter().filter(|node| node["name"]["value"].as_str().unwrap_or("").trim().is_empty());
        nameless.map(|node| node["role"]["value"].as_str().unwrap_or("").to_owned()).collect()
    }

    /// The live events that came so far, over the websocket.
    pub fn frames(&self) -> Vec<Value> {
        let frames = self.wire.events(&self.session, "Network.webSocketFrameReceived");
        let texts = frames.iter().filter_map(|frame| frame["response"]["payloadData"].as_str());
        texts.filter_map(|text| serde_json::from_str(text).ok()).collect()
    }

    /// The addresses of the websockets that were opened so far.
    pub fn sockets(&self) -> Vec<String> {
        let made = self.wire.events(&self.session, "Network.webSocketCreated");
        made.iter().map(|socket| socket["url"].as_str().unwrap().to_owned()).collect()
    }

    /// What went wrong in the page: exceptions, errors and warnings of the console, what the policy did not allow, and
    /// calls that failed.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for thrown in self.wire.events(&self.session, "Runtime.exceptionThrown") {
            problems.push(format!("exception: {}", thrown["exceptionDetails"]["exception"]["description"]));
        }
        for said in self.wire.events(&self.session, "Runtime.consoleAPICalled") {
            if said["type"] == "error" || said["type"] == "warning" || said["type"] == "assert" {
                problems.push(format!("console: {}", said["args"]));
            }
        }
        for entry in self.wire.events(&self.session, "Log.entryAdded") {
            let entry = &entry["entry"];
            if entry["level"] == "error" || entry["level"] == "warning" {
                problems.push(format!("{}: {} {}", entry["source"], entry["text"], entry["url"]));
            }
        }
        problems
    }

    /// Stops the test if anything went wrong in the page but what holds one of the `expected` words.
    pub fn assert_clean(&self, expected: &[&str]) {
        let problems = self.problems();
        let bad: Vec<_> = problems.iter().filter(|text| !expected.iter().any(|word| text.contains(word))).collect();
        assert!(bad.is_empty(), "the page had problems: {bad:#?}");
    }

    async fn ask(&self, method: &str, parameters: Value) -> Value {
        self.wire.ask(method, parameters, Some(&self.session)).await
    }
}

/// The connection to the browser, which all tabs share.
struct Wire {
    next: AtomicU64,
    out: tokio::sync::Mutex<SplitSink<Socket, Message>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    heard: Mutex<Vec<Value>>,
}

impl Wire {
    fn new(socket: Socket) -> Arc<Self> {
        let (out, mut from) = socket.split();
        let wire = Arc::new(Self {
            next: AtomicU64::new(1),
            out: tokio::sync::Mutex::new(out),
            waiting: Mutex::default(),
            heard: Mutex::default(),
        });
        let reader = wire.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = from.next().await {
                let Ok(value) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else { continue };
                match value["id"].as_u64().and_then(|id| reader.waiting.lock().unwrap().remove(&id)) {
                    Some(waiting) => _ = waiting.send(value),
                    None => reader.heard.lock().unwrap().push(value),
                }
            }
        });
        wire
    }

    async fn ask(&self, method: &str, parameters: Value, session: Option<&str>) -> Value {
        self.try_ask(method, parameters, session).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_ask(&self, method: &str, parameters: Value, session: Option<&str>) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.out.lock().await.send(Message::text(message.to_string())).await.map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| "no answer".to_owned())?;
        let mut answer = answer.map_err(|_| "the browser is gone".to_owned())?;
        if answer["error"].is_null() { Ok(answer["result"].take()) } else { Err(answer["error"].to_string()) }
    }

    fn events(&self, session: &str, method: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        let mine = heard.iter().filter(|event| event["sessionId"] == session && event["method"] == method);
        mine.map(|event| event["params"].clone()).collect()
    }
}

/// Waits until there is something, looking every 20 ms.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
