//! Hostile text by the local API: what is no text is refused, all else comes back as it was, and
//! no answer, stream or log holds a character that acts.

use std::fs;

use conclave_tests::hostile_text::{Hostile, acting, corpus};
use conclave_tests::process::http::{Answer, EventStream, ask, ask_with_bytes};
use conclave_tests::process::{Node, text, wait_until};
use serde_json::{Value, json};

use crate::hostile_text::{look_at_log, loud_company};
use crate::lab;

const ROOM: &str = "Canteen";
const HOST: (&str, &str) = ("Host", "{address}");
const JSON: (&str, &str) = ("Content-Type", "application/json");
/// What is nobody's business but the readers' of a room; no log may hold it.
const SECRETS: [&str; 3] = ["quartz-in-a-message", "quartz-in-a-draft", "quartz-in-a-topic"];

/// A node and its token.
struct Api<'n> {
    node: &'n Node,
    bearer: String,
}

impl<'n> Api<'n> {
    #[track_caller]
    fn of(node: &'n Node) -> Self {
        let token = fs::read_to_string(node.home().join("api-token")).expect("a token");
        Self { node, bearer: format!("Bearer {}", token.trim()) }
    }

    fn headers(&self) -> [(&str, &str); 3] {
        [HOST, JSON, ("Authorization", &self.bearer)]
    }

    /// Asks, and looks at every byte of the answer.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let answer = ask(self.node, method, path, &self.headers(), body.as_deref());
        assert_tame(path, &answer);
        answer
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// All texts of a room, oldest first.
    #[track_caller]
    fn texts(&self, room: &str) -> Vec<String> {
        let page = self.get(&format!("/v1/messages?limit=1000&room={room}"));
        let messages = page["messages"].as_array().expect("messages");
        messages.iter().map(|message| text(&message["text"])).collect()
    }
}

/// An answer acts on no terminal that it is printed on, and is no failure of the node.
#[track_caller]
fn assert_tame(path: &str, answer: &Answer) {
    let acts = answer.body.chars().find(|c| *c < ' ' && *c != '\n');
    assert_eq!(acts, None, "{path}: {answer:?}");
    let is_text = answer.header("content-type").is_some_and(|kind| kind.contains("text/plain"));
    assert!(is_text || !answer.body.contains('\n'), "{path}: {answer:?}");
    assert!(answer.status < 500, "{path}: {answer:?}");
}

/// As part of an address, every byte written out.
fn in_address(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// What a field of a body may be sent as that is no text.
fn broken_bodies(hostile: &Hostile) -> Vec<Vec<u8>> {
    let around = |inner: &[u8]| {
        [br#"{"room":"Canteen","text":""#.as_slice(), inner, br#""}"#.as_slice()].concat()
    };
    let escapes = [r"\ud800", r"\udc00\ud800", r"\x41", r"\u12"].map(|e| around(e.as_bytes()));
    [around(&hostile.bytes)].into_iter().chain(escapes).collect()
}

/// Gives a text to every part of the API that takes one; whether it was posted.
#[track_caller]
fn give_everywhere(api: &Api<'_>, conversation: &str, hostile: &Hostile) -> bool {
    let about = &hostile.about;
    let part = in_address(&hostile.bytes);
    for path in [
        format!("/v1/messages?room={part}"),
        format!("/v1/principals?text={part}"),
        format!("/v1/log?text={part}"),
        format!("/v1/room/transcript?room={part}"),
        format!("/v1/events?room={part}"),
        format!("/v1/agents/{part}"),
        format!("/{part}"),
    ] {
        api.ask("GET", &path, None);
    }
    let Some(words) = hostile.text() else {
        for body in broken_bodies(hostile) {
            for (method, path) in [("POST", "/v1/messages"), ("PUT", "/v1/drafts")] {
                let answer =
                    ask_with_bytes(api.node, method, path, &api.headers(), Some(body.as_slice()));
                assert_tame(path, &answer);
                assert_eq!(answer.status, 400, "{about} is no text: {answer:?}");
            }
        }
        return false;
    };
    // A draft is whatever stands in a field.
    let draft = json!({ "room": ROOM, "text": words });
    let kept = api.ask("PUT", "/v1/drafts", Some(&draft)).status == 200;
    if kept && !words.is_empty() {
        assert_eq!(api.get("/v1/drafts")["drafts"][0]["text"], words, "{about}");
    }
    let topic = json!({ "change": "set_topic", "room": ROOM, "topic": words });
    if api.ask("POST", "/v1/changes", Some(&topic)).status == 200 {
        let room = api.get(&format!("/v1/room?room={ROOM}"));
        assert_eq!(room["topic"], words.trim(), "{about}");
    }
    let statuses = [ROOM, conversation].map(|room| {
        let post = json!({ "room": room, "text": words });
        api.ask("POST", "/v1/messages", Some(&post)).status
    });
    assert!(statuses == [200, 200] || statuses == [400, 400], "{about}: {statuses:?}");
    assert!(kept || statuses[0] == 400, "{about}: what can be sent can be drafted");
    statuses[0] == 200
}

#[test]
fn what_the_api_is_given_is_refused_or_comes_back_and_never_acts() {
    let lab = lab();
    let (alice, bob) = loud_company(&lab);
    let (from, to) = (Api::of(&alice), Api::of(&bob));
    let mut stream = EventStream::open(&bob, "/v1/events", &to.headers());
    let opened = from.ask("POST", "/v1/instants", Some(&json!({ "agents": ["bob"] })));
    let conversation = text(&opened.json()["id"]);
    let mut sent: Vec<String> = corpus()
        .iter()
        .filter(|hostile| give_everywhere(&from, &conversation, hostile))
        .filter_map(|hostile| hostile.text().map(str::to_owned))
        .collect();
    assert!(sent.len() > 60, "most of the corpus is text: {}", sent.len());
    let [message, draft, topic] = SECRETS;
    from.ask("PUT", "/v1/drafts", Some(&json!({ "room": ROOM, "text": draft })));
    let change = json!({ "change": "set_topic", "room": ROOM, "topic": topic });
    assert_eq!(from.ask("POST", "/v1/changes", Some(&change)).status, 200);
    sent.push(message.to_owned());
    for room in [ROOM, &conversation] {
        let post = json!({ "room": room, "text": message });
        assert_eq!(from.ask("POST", "/v1/messages", Some(&post)).status, 200);
    }

    wait_until("bob has all", || {
        let page = to.ask("GET", &format!("/v1/messages?room={conversation}"), None);
        (page.status == 200 && to.texts(&conversation) == sent && to.texts(ROOM) == sent)
            .then_some(())
    });
    wait_until("bob has the topic", || {
        (to.get(&format!("/v1/room?room={ROOM}"))["topic"] == topic).then_some(())
    });
    // Each line of the stream is looked at as it comes; what comes over different ways may come
    // in another order.
    let mut streamed = Vec::new();
    while streamed.len() < 2 * sent.len() {
        let event = stream.next_event().expect("the stream goes on");
        if event.name == "message" {
            streamed.push((text(&event.data["room"]["name"]), text(&event.data["text"])));
        }
    }
    streamed.sort();
    let both = [ROOM, "alice"]
        .into_iter()
        .flat_map(|room| sent.iter().map(move |words| (room.to_owned(), words.clone())));
    let mut both: Vec<(String, String)> = both.collect();
    both.sort();
    assert!(streamed == both, "texts come as they were given");
    for room in [ROOM, &conversation] {
        let written = to.ask("GET", &format!("/v1/room/transcript?room={room}"), None);
        assert_eq!(written.status, 200);
        assert_eq!(acting(&written.body), None, "{room}");
        let messages = written.body.lines().filter(|line| !line.starts_with("    ")).count();
        assert_eq!(messages, sent.len(), "no text passes for another message");
    }
    for path in ["status", "rooms", "instants", "log?limit=1000", "marks", "control", "presence"] {
        to.get(&format!("/v1/{path}"));
    }
    for node in [&alice, &bob] {
        look_at_log(node);
        let log = node.log();
        for secret in SECRETS {
            assert!(!log.contains(secret), "{} logs what is written: {secret}", node.name());
        }
    }
}
