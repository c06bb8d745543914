//! Notes beside names that deceive.

use std::collections::BTreeMap;

use conclave_node::api::client::Client;
use conclave_protocol::id::ObjectId;

use crate::args::Context;
use crate::escape;

/// Notes by the id of an agent, room or unit.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<ObjectId, String>);

impl Marks {
    /// Asks a node once; for people only, since scripts compare ids. Without an answer names
    /// stand alone: what was asked for matters more.
    pub(crate) async fn ask(context: &Context, client: &Client) -> Self {
        if context.out.json() {
            return Self::default();
        }
        let marks = client.marks().await.unwrap_or_default().marks;
        Self(marks.into_iter().map(|mark| (mark.id, mark.note)).collect())
    }

    /// What stands behind a name: nothing, or its note.
    pub(crate) fn beside(&self, id: impl Into<ObjectId>) -> String {
        note(self.0.get(&id.into()).map(String::as_str))
    }
}

/// A note as it stands behind a name.
pub(crate) fn note(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!(" [{}]", escape::line(note)))
}
