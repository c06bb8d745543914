//! One request to a node's local API, byte for byte, as any program could send it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Node;

/// Generous: an answer ends the wait, not the clock.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read: of a stream of events only its beginning.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Sends a request with exactly these headers, of which a value may name `{address}`, and gives
/// the answer. A body is sent with its length.
#[track_caller]
#[must_use]
pub fn ask(
    node: &Node,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    ask_with_bytes(node, method, path, headers, body.map(str::as_bytes))
}

/// The same with a body that may be no text.
#[track_caller]
#[must_use]
pub fn ask_with_bytes(
    node: &Node,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    let address = address_of(node);
    let mut stream = TcpStream::connect(&address).expect("it listens");
    stream.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a time limit");
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {}\r\n", value.replace("{address}", &address));
    }
    if let Some(body) = body {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    let request = [text.as_bytes(), body.unwrap_or_default()].concat();
    stream.write_all(&request).expect("it reads");
    read_answer(&mut stream)
}

/// An open stream of events.
pub struct EventStream(BufReader<TcpStream>);

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamedEvent {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: serde_json::Value,
}

impl EventStream {
    /// Opens a stream; the headers are as for [`ask`].
    #[track_caller]
    #[must_use]
    pub fn open(node: &Node, path: &str, headers: &[(&str, &str)]) -> Self {
        let address = address_of(node);
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a time limit");
        // In this version an answer is not cut into chunks.
        let mut text = format!("GET {path} HTTP/1.0\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {}\r\n", value.replace("{address}", &address));
        }
        stream.write_all((text + "\r\n").as_bytes()).expect("it reads");
        let mut opened = Self(BufReader::new(stream));
        let first = opened.line().expect("an answer");
        assert!(first.contains(" 200 "), "{path}: {first}");
        while opened.line().is_some_and(|line| !line.is_empty()) {}
        opened
    }

    /// The next event, or `None` at the end of the stream.
    #[track_caller]
    pub fn next_event(&mut self) -> Option<StreamedEvent> {
        let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => value.clone_into(&mut data),
                _ if line.is_empty() && !data.is_empty() => {
                    let data = serde_json::from_str(&data).expect("data is JSON");
                    return Some(StreamedEvent { id, name, data });
                }
                _ => {}
            }
        }
    }

    /// All events up to the first one that `last` is true for, which is the last given.
    #[track_caller]
    pub fn until(&mut self, last: impl Fn(&StreamedEvent) -> bool) -> Vec<StreamedEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.next_event().expect("the stream goes on");
            let found = last(&event);
            events.push(event);
            if found {
                return events;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).expect("the stream can be read");
        let line = line.trim_end_matches(['\r', '\n']);
        // Whatever the data is, it is JSON, and JSON writes these out.
        assert!(!line.contains(|c: char| c < ' '), "it acts on a terminal: {line:?}");
        (count > 0).then(|| line.trim_end().to_owned())
    }
}

/// Where a node's local API is, as `Host` names it.
#[track_caller]
#[must_use]
pub fn address_of(node: &Node) -> String {
    let api = node.ready()["api"].as_str().expect("an address");
    api.strip_prefix("http://").expect("http").to_owned()
}

#[track_caller]
fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let head = loop {
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "the answer ended early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes[..end]).into_owned();
        }
    };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let mut answer = Answer {
        status: status.expect("a status"),
        headers: headers.collect(),
        body: String::new(),
    };
    // A stream of events has no end: its head is enough.
    let endless = answer.header("content-type").is_some_and(|kind| kind.contains("event-stream"));
    if !endless {
        stream.read_to_end(&mut bytes).expect("the rest of the answer");
    }
    let rest = &bytes[head.len() + 4..];
    let cut = !endless && answer.header("transfer-encoding").is_some_and(|how| how == "chunked");
    let body = if cut { joined(rest) } else { rest.to_vec() };
    answer.body = String::from_utf8_lossy(&body).into_owned();
    answer
}

/// What was sent in chunks, each behind its length. The last one is empty.
#[track_caller]
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a length");
        let length = std::str::from_utf8(&rest[..end]).expect("digits");
        let length = usize::from_str_radix(length, 16).expect("digits");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}
