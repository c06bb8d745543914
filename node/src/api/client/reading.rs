//! What a reader of rooms asks of the node.

use reqwest::Response;

use super::{Client, REQUEST_TIME_MAX, only_looked, silent};
use crate::api::routes::Nothing;
use crate::api::routes::reading::ReadMark;
use crate::api::types::Problem;

/// A room, written part by part.
pub struct Transcript(Response);

impl Transcript {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// A [`Problem`] if the text breaks off, since the room is open no longer or the node has
    /// ended.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let part = tokio::time::timeout(REQUEST_TIME_MAX, self.0.chunk()).await;
        match part.map_err(|_| silent())? {
            Ok(part) => Ok(part.map(|bytes| bytes.to_vec())),
            Err(error) if error.is_timeout() => Err(silent()),
            Err(_) => Err(Problem::new(
                "failed",
                "the export has broken off: the room is open to you no longer, a message of it is \
                 damaged here, or the node has ended",
                "what was written is not the whole; see `conclave room list` and try again",
            )),
        }
    }
}

impl Client {
    /// A room as text, from its first message to its last.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn transcript(&self, room: &str) -> Result<Transcript, Problem> {
        self.transcript_at(&["room", "transcript"], room).await
    }

    /// A room as JSON that can be verified without a node.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn transcript_json(&self, room: &str) -> Result<Transcript, Problem> {
        self.transcript_at(&["room", "transcript", "json"], room).await
    }

    async fn transcript_at(&self, path: &[&str], room: &str) -> Result<Transcript, Problem> {
        let request = self.http.get(self.url(path, &[("room", room)]));
        // Only the beginning is limited: a room may be long.
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, self.call(request)).await;
        answer.map_err(|_| silent())?.map(Transcript).map_err(only_looked)
    }

    /// What stands at or before a message on the screen has been read; all that is now in the
    /// room if none is named.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn mark_read(&self, room: &str, up_to: Option<&str>) -> Result<(), Problem> {
        let body = ReadMark { room: room.to_owned(), up_to: up_to.map(str::to_owned) };
        self.post::<_, Nothing>(&["read"], &[], &body).await.map(|_| ())
    }
}
