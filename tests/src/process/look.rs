//! What a node shows of itself.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::Node;

impl Node {
    /// Its state.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Value {
        self.ok(&["status"])
    }

    /// The digest of its control log.
    #[track_caller]
    #[must_use]
    pub fn control_digest(&self) -> String {
        text(&self.status()["control"]["digest"])
    }

    /// The line of a room in its `status`, if it is there.
    #[track_caller]
    #[must_use]
    pub fn room_status(&self, room: &str) -> Option<Value> {
        let status = self.status();
        let rooms = status["rooms"].as_array().expect("rooms");
        rooms.iter().find(|line| line["name"] == room).cloned()
    }

    /// Whether its `room list` holds a room.
    #[track_caller]
    #[must_use]
    pub fn lists(&self, room: &str) -> bool {
        let list = self.ok(&["room", "list"]);
        list["rooms"].as_array().expect("rooms").iter().any(|line| line["name"] == room)
    }

    /// Posts a text and gives the message's id.
    #[track_caller]
    pub fn send(&self, room: &str, words: &str) -> String {
        text(&self.ok(&["send", room, words])["id"])
    }

    /// All messages of a room, oldest first.
    #[track_caller]
    #[must_use]
    pub fn history(&self, room: &str) -> Vec<Value> {
        let page = self.ok(&["history", room, "--limit", "1000000"]);
        assert_eq!(page["more"], false);
        page["messages"].as_array().expect("messages").clone()
    }

    /// The texts of all messages of a room, oldest first.
    #[track_caller]
    #[must_use]
    pub fn texts(&self, room: &str) -> Vec<String> {
        self.history(room).iter().map(|message| text(&message["text"])).collect()
    }

    /// The names of all With Access.
    #[track_caller]
    #[must_use]
    pub fn with_access(&self, room: &str) -> Vec<String> {
        let access = self.ok(&["room", "access", room]);
        let agents = access["agents"].as_array().expect("agents");
        agents.iter().map(|agent| text(&agent["name"])).collect()
    }

    /// The files of its home that name a message which another one follows.
    #[must_use]
    pub fn files_naming(&self, id: &str) -> Vec<PathBuf> {
        let id: conclave_protocol::id::MessageId = id.parse().expect("an id");
        self.files_with(&id.0)
    }

    /// The files of its home that hold these bytes anywhere.
    #[must_use]
    pub fn files_with(&self, needle: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.home.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the home") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).expect("a file of the home");
                    if bytes.windows(needle.len()).any(|window| window == needle) {
                        found.push(path);
                    }
                }
            }
        }
        found
    }
}

/// A JSON string as a string.
#[track_caller]
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text is expected, not {value}")).to_owned()
}
