//! One request to a node's local API, byte for byte, as any program could send it.

use std::io::{Read, Write};
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
    text += body.unwrap_or_default();
    stream.write_all(text.as_bytes()).expect("it reads");
    read_answer(&mut stream)
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
    answer.body = String::from_utf8_lossy(&bytes[head.len() + 4..]).into_owned();
    answer
}
