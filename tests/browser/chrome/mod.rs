//! A browser as a person has one: Debian's chromium without a screen, driven over pipes.
//!
//! A [`Browser`] is a process with an empty profile of its own; a [`Page`] is a tab in it. Things
//! on a page are looked up as a screen reader names them, by role and name, never by how they are
//! styled; clicks and keys are real ones. A page that logs an error, breaks its security policy,
//! throws, opens a dialog or asks anybody but its own node for anything fails its test.

mod faults;
mod input;
mod page;
mod part;
mod pipe;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

pub(crate) use self::page::{Page, Theme};
pub(crate) use self::part::Part;
use self::pipe::Pipe;

/// `--headless` is chromium as it is, without a window; nothing goes out on its own account.
const FLAGS: [&str; 15] = [
    "--remote-debugging-pipe",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--lang=en-GB",
];

/// Moves the pipes to where the browser looks for them.
const LAUNCH: &str = r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

/// How long it may take to end when asked.
const END_MAX: Duration = Duration::from_secs(10);

/// A running chromium with a new profile. Dropping it ends it.
pub(crate) struct Browser {
    pipe: Arc<Pipe>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let profile = TempDir::with_prefix("conclave-browser-").expect("a folder for a profile");
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCH, "sh"]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.env("HOME", profile.path()).env("TZ", "UTC");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("a shell starts");
        let to = process.stdin.take().expect("a pipe");
        let from = process.stdout.take().expect("a pipe");
        let pipe = Pipe::new(to, from);
        let version = pipe.call("", "Browser.getVersion", &json!({}));
        version.expect("chromium starts: the package `chromium` is needed");
        let discover = pipe.call("", "Target.setDiscoverTargets", &json!({ "discover": true }));
        discover.expect("it tells of new tabs");
        Self { pipe, process, _profile: profile }
    }

    /// A new tab at this address; it may talk to that node and nobody else.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) -> Page {
        let page = Page::new(Arc::clone(&self.pipe));
        page.go(url);
        page
    }

    /// How many tabs and windows there have been, opened by whomever.
    pub(crate) fn tabs(&self) -> usize {
        let events = self.pipe.events("");
        let tabs = events.iter().filter(|event| event.method == "Target.targetCreated");
        tabs.filter(|event| event.params["targetInfo"]["type"] == "page").count()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Fails only if it is gone already.
        let _ = self.pipe.call("", "Browser.close", &json!({}));
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
