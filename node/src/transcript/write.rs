//! Writing a transcript.

use conclave_protocol::engine::TranscriptPlan;
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::SignatureBytes;
use conclave_protocol::time::Timestamp;
use conclave_protocol::transcript::{Build, Entry, Stands, TRANSCRIPT_VERSION};
use data_encoding::{BASE64, HEXLOWER};

use super::{
    CompanyDocument, ControlDocument, EntryDocument, ExportedDocument, HeadDocument, RoomDocument,
    word_of,
};
use crate::api::escape;
use crate::api::time::Time;

/// Makes the parts of the document, in the order of the methods. Each control object and each
/// envelope is a line of its own.
#[derive(Debug)]
pub struct Writer {
    build: Build,
    /// Something stands in the list that is being written.
    begun: bool,
}

impl Writer {
    /// Begins; gives the first part.
    #[must_use]
    pub fn new(plan: &TranscriptPlan) -> (Self, String) {
        let (head, words) = (&plan.head, &plan.words);
        let document = HeadDocument {
            company: CompanyDocument { id: head.company, name: words.company.clone() },
            room: RoomDocument {
                id: head.room,
                name: words.room.clone(),
                history: words.history.map(|history| history.word().to_owned()),
                agents: head.agents.as_ref().map(|agents| agents.iter().collect()),
            },
            exported: ExportedDocument {
                time: Time(head.time).to_string(),
                time_ms: head.time.0,
                agent: words.exporter.clone().into(),
                device: head.device,
            },
            control: ControlDocument { digest: head.control_digest, objects: head.objects },
            entries: head.entries,
        };
        let head = line(&document);
        let part =
            format!("{{\"transcript\":{TRANSCRIPT_VERSION},\n\"head\":{head},\n\"control\":[");
        (Self { build: Build::new(plan.head.clone()), begun: false }, part)
    }

    fn put(&mut self, part: &mut String, value: &str) {
        part.push_str(if self.begun { ",\n" } else { "\n" });
        part.push_str(value);
        self.begun = true;
    }

    /// The next control objects; `None` if one is damaged.
    #[must_use]
    pub fn objects(&mut self, objects: &[Vec<u8>]) -> Option<String> {
        let mut part = String::new();
        for bytes in objects {
            self.build.object(bytes)?;
            self.put(&mut part, &format!("\"{}\"", BASE64.encode(bytes)));
        }
        Some(part)
    }

    /// All control objects are written. `None` if they are not those that were announced.
    #[must_use]
    pub fn end_objects(&mut self) -> Option<String> {
        self.build.judge_objects()?;
        self.begun = false;
        Some("\n],\n\"entries\":[".to_owned())
    }

    /// The next envelopes; `None` if one is damaged.
    #[must_use]
    pub fn entries(&mut self, entries: Vec<Entry>) -> Option<String> {
        let mut part = String::new();
        for mut entry in entries {
            let words = self.build.entry(&mut entry)?;
            let document = EntryDocument {
                id: words.id,
                kind: word_of(words.kind).to_owned(),
                author: words.author.map(Into::into),
                device: words.device,
                time: time(words.time),
                time_ms: words.time.0,
                state: entry.stands.map(|stands| Stands::word(stands).to_owned()),
                text: words.text,
                authority: words.authority,
                key: entry.key.as_ref().map(|key| HEXLOWER.encode(key.bytes())),
                signed: BASE64.encode(&entry.bytes),
            };
            self.put(&mut part, &line(&document));
        }
        Some(part)
    }

    /// What the exporter has to sign, now that all is written.
    #[must_use]
    pub fn fingerprint(&self) -> ObjectId {
        self.build.fingerprint()
    }

    /// The last part.
    #[must_use]
    pub fn end(seal: &SignatureBytes) -> String {
        format!("\n],\n\"seal\":\"{}\"}}\n", HEXLOWER.encode(&seal.0))
    }
}

fn time(time: Timestamp) -> String {
    Time(time).to_string()
}

/// As JSON that does not act on a terminal.
fn line<T: serde::Serialize>(document: &T) -> String {
    // Nothing in these documents can fail to be written.
    let text = serde_json::to_string(document).unwrap_or_default();
    escape::json(&text).into_owned()
}
