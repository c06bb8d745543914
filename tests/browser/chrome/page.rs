//! A tab: where it is, how it looks, what it runs.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use conclave_tests::process::wait_until;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::faults::faults;
use super::part::Part;
use super::pipe::Pipe;

/// Runs in each page before the page does: what it would have shown as a notification is kept,
/// and a test can say that nobody looks at the page.
const SPY: &str = r"(() => {
    const shown = [];
    let away = false;
    class Spy extends EventTarget {
        constructor(title, options = {}) {
            super();
            shown.push({ title: String(title), body: String(options.body ?? '') });
        }
        close() {}
        static permission = 'granted';
        static requestPermission() { return Promise.resolve('granted'); }
    }
    window.Notification = Spy;
    const own = (name, get) => Object.defineProperty(document, name, { configurable: true, get });
    own('hidden', () => away);
    own('visibilityState', () => away ? 'hidden' : 'visible');
    document.hasFocus = () => !away;
    window.conclaveTest = {
        shown,
        look(here) {
            away = !here;
            document.dispatchEvent(new Event('visibilitychange'));
            window.dispatchEvent(new Event(here ? 'focus' : 'blur'));
        },
    };
})()";

/// Light or dark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Theme {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// As the style sheet calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A tab. When it is dropped it must have been without fault.
pub(crate) struct Page {
    pipe: Arc<Pipe>,
    session: String,
    origin: RefCell<String>,
    failed_loads: Cell<bool>,
    faults_taken: Cell<bool>,
}

impl Page {
    #[track_caller]
    pub(super) fn new(pipe: Arc<Pipe>) -> Self {
        let target = pipe.call("", "Target.createTarget", &json!({ "url": "about:blank" }));
        let target = target.expect("a new tab");
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = pipe.call("", "Target.attachToTarget", &attach).expect("its session");
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let page = Self {
            pipe,
            session,
            origin: RefCell::default(),
            failed_loads: Cell::new(false),
            faults_taken: Cell::new(false),
        };
        for domain in ["Page", "Runtime", "Log", "Network", "Audits", "DOM"] {
            page.cdp(&format!("{domain}.enable"), &json!({}));
        }
        page.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": SPY }));
        page.cdp("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
        page.look(1280, 800, Theme::Light);
        page
    }

    /// Goes to an address as if it had been typed, and waits until the page is read.
    #[track_caller]
    pub(crate) fn go(&self, url: &str) {
        let origin: Vec<&str> = url.splitn(4, '/').take(3).collect();
        *self.origin.borrow_mut() = origin.join("/");
        let gone = self.cdp("Page.navigate", &json!({ "url": url }));
        assert!(gone.get("errorText").is_none(), "{url}: {gone}");
        self.wait_read();
    }

    /// Reads the page again, as a person would.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.eval("window.conclaveTest.old = true");
        self.cdp("Page.reload", &json!({}));
        self.wait("the page is read again", "window.conclaveTest && !window.conclaveTest.old");
        self.wait_read();
    }

    #[track_caller]
    fn wait_read(&self) {
        self.wait("the page is read", "document.readyState === 'complete'");
    }

    /// Goes to another view of the same page, as a bookmark does.
    #[track_caller]
    pub(crate) fn view(&self, hash: &str) {
        self.eval(&format!("location.hash = {}", json!(hash)));
    }

    /// The size of its window, and light or dark.
    #[track_caller]
    pub(crate) fn look(&self, width: u32, height: u32, theme: Theme) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The value of an expression, awaited if it is a promise.
    #[track_caller]
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{error}: {expression}"))
    }

    fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let evaluate =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let done = self.try_cdp("Runtime.evaluate", &evaluate)?;
        match done.get("exceptionDetails") {
            Some(details) => Err(format!("{}", details["exception"]["description"])),
            None => Ok(done["result"]["value"].clone()),
        }
    }

    /// The value of an expression in a world of its own, which shares only the document: what runs
    /// there is not bound by what the page's security policy forbids the page.
    #[track_caller]
    pub(crate) fn eval_apart(&self, script: &str, expression: &str) -> Value {
        let frame = self.cdp("Page.getFrameTree", &json!({}));
        let frame = &frame["frameTree"]["frame"]["id"];
        let world = self.cdp("Page.createIsolatedWorld", &json!({ "frameId": frame }));
        let mut value = Value::Null;
        for expression in [script, expression] {
            let done = self.cdp(
                "Runtime.evaluate",
                &json!({
                    "expression": expression,
                    "contextId": world["executionContextId"],
                    "awaitPromise": true,
                    "returnByValue": true,
                }),
            );
            assert!(done.get("exceptionDetails").is_none(), "{}", done["exceptionDetails"]);
            value = done["result"]["value"].clone();
        }
        value
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, expression: &str) {
        let truth = format!("Boolean({expression})");
        // While a page is replaced there is nobody to answer.
        wait_until(what, || (self.try_eval(&truth) == Ok(Value::Bool(true))).then_some(()));
    }

    /// Waits until what is there now has been drawn.
    #[track_caller]
    pub(crate) fn painted(&self) {
        self.eval(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
                .then(() => true)",
        );
    }

    /// The whole page.
    pub(crate) fn whole(&self) -> Part<'_> {
        Part::whole(self)
    }

    /// What would have been shown as notifications until now: title and text.
    #[track_caller]
    pub(crate) fn notifications(&self) -> Vec<(String, String)> {
        let shown = self.eval("window.conclaveTest.shown");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = shown.as_array().expect("a list").iter();
        shown.map(|shown| (word(&shown["title"]), word(&shown["body"]))).collect()
    }

    /// Whether anybody looks at the page, as far as it can know.
    #[track_caller]
    pub(crate) fn looked_at(&self, here: bool) {
        self.eval(&format!("window.conclaveTest.look({here})"));
    }

    /// Whether the way to its node is there.
    #[track_caller]
    pub(crate) fn connected(&self, connected: bool) {
        self.failed_loads.set(true);
        let conditions = json!({
            "offline": !connected, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.cdp("Network.emulateNetworkConditions", &conditions);
    }

    /// From now on its node may refuse, or be away: the browser's own log says so each time.
    pub(crate) fn may_fail_to_load(&self) {
        self.failed_loads.set(true);
    }

    /// What it did that it must not, until now.
    pub(crate) fn faults(&self) -> Vec<String> {
        let events = self.pipe.events(&self.session);
        faults(&events, &self.origin.borrow(), self.failed_loads.get())
    }

    /// Leaves out of account what it did: a test of the tests.
    pub(crate) fn take_faults(&self) -> Vec<String> {
        self.faults_taken.set(true);
        self.faults()
    }

    /// Writes a picture of what is on screen.
    #[track_caller]
    pub(crate) fn picture(&self, file: &Path) {
        let picture = self.cdp("Page.captureScreenshot", &json!({ "format": "png" }));
        let picture = picture["data"].as_str().expect("a picture");
        let picture = BASE64.decode(picture.as_bytes()).expect("base64");
        fs::write(file, picture).expect("the picture can be written");
    }

    /// Calls a method of the browser that must succeed.
    #[track_caller]
    pub(crate) fn cdp(&self, method: &str, params: &Value) -> Value {
        self.try_cdp(method, params).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Calls a method of the browser.
    pub(crate) fn try_cdp(&self, method: &str, params: &Value) -> Result<Value, String> {
        self.pipe.call(&self.session, method, params)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if thread::panicking() {
            let outline = self.whole().outline();
            eprintln!("--- the page at {} showed:\n{outline}", self.origin.borrow());
            eprintln!("--- and its faults were: {:#?}", self.faults());
        } else if !self.faults_taken.get() {
            let faults = self.faults();
            assert!(faults.is_empty(), "the page at {}: {faults:#?}", self.origin.borrow());
        }
    }
}
