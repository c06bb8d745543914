//! The browser's own protocol (CDP) over a pair of pipes: no port, no driver between.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use conclave_tests::process::TIME_MAX;
use serde_json::{Value, json};

/// Ends each message in both directions.
const END: u8 = 0;

/// The events that tests look at; all others are dropped as they come.
const KEPT: [&str; 7] = [
    "Audits.issueAdded",
    "Log.entryAdded",
    "Network.requestWillBeSent",
    "Page.javascriptDialogOpening",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Target.targetCreated",
];

/// What the browser told of itself.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its name, such as `Log.entryAdded`.
    pub(crate) method: String,
    /// What it says.
    pub(crate) params: Value,
}

type Answer = Result<Value, String>;

/// One connection to one browser; sessions (pages) share it.
pub(crate) struct Pipe {
    to: Mutex<ChildStdin>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    ended: bool,
    waiting: HashMap<u64, Sender<Answer>>,
    events: HashMap<String, Vec<Event>>,
}

impl Pipe {
    /// Reads on a thread of its own until the browser is gone.
    pub(crate) fn new(to: ChildStdin, from: impl Read + Send + 'static) -> Arc<Self> {
        let pipe = Arc::new(Self { to: Mutex::new(to), state: Mutex::default() });
        let reader = Arc::clone(&pipe);
        thread::spawn(move || {
            for message in BufReader::new(from).split(END) {
                let Ok(message) = message else { break };
                reader.take(&serde_json::from_slice(&message).expect("the browser writes JSON"));
            }
            let mut state = reader.state();
            state.ended = true;
            // Whoever still waits is told by this.
            state.waiting.clear();
        });
        pipe
    }

    /// Calls a method, in a session unless that is empty, and waits for the answer.
    pub(crate) fn call(&self, session: &str, method: &str, params: &Value) -> Answer {
        let (sender, answer) = mpsc::channel();
        self.send(session, method, params, Some(sender))?;
        match answer.recv_timeout(TIME_MAX) {
            Ok(answer) => answer.map_err(|error| format!("{method}: {error}")),
            Err(error) => Err(format!("{method}: no answer: {error}")),
        }
    }

    /// The events of a session until now.
    pub(crate) fn events(&self, session: &str) -> Vec<Event> {
        self.state().events.get(session).cloned().unwrap_or_default()
    }

    fn send(
        &self,
        session: &str,
        method: &str,
        params: &Value,
        waiting: Option<Sender<Answer>>,
    ) -> Result<(), String> {
        let id = {
            let mut state = self.state();
            if state.ended {
                return Err(format!("{method}: the browser is gone"));
            }
            state.last_id += 1;
            let id = state.last_id;
            if let Some(waiting) = waiting {
                state.waiting.insert(id, waiting);
            }
            id
        };
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(END);
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(&bytes).and_then(|()| to.flush()).map_err(|error| format!("{method}: {error}"))
    }

    fn take(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            let waiting = self.state().waiting.remove(&id);
            if let Some(waiting) = waiting {
                let answer = match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].clone()),
                };
                // It may have given up.
                let _ = waiting.send(answer);
            }
            return;
        }
        let method = message["method"].as_str().unwrap_or_default();
        if !KEPT.contains(&method) {
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        let event = Event { method: method.to_owned(), params: message["params"].clone() };
        self.state().events.entry(session.to_owned()).or_default().push(event);
        if method == "Page.javascriptDialogOpening" {
            // The page stands still until somebody answers; that it opened one is kept.
            let accept = json!({ "accept": true });
            let _ = self.send(session, "Page.handleJavaScriptDialog", &accept, None);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
