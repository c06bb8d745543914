//! Writing a transcript: what stands beside the signed bytes for people, and the fingerprint.

use super::words::Enters;
use super::{Entry, Fingerprint, Head, Words};
use crate::control::ControlLog;
use crate::envelope::Envelope;
use crate::id::{CompanyId, ObjectId};
use crate::object::{ControlObject, Genesis, ObjectType};
use crate::signed::{Trust, Verified, peek_id, peek_type};

/// A transcript that is being written: first the control objects, then [`Build::judge_objects`],
/// then the envelopes. It evaluates a control log of its own: the node's may go on meanwhile.
#[derive(Debug)]
pub struct Build {
    head: Head,
    print: Fingerprint,
    genesis: Option<Verified<Genesis>>,
    objects: Vec<Verified<ControlObject>>,
    control: ControlLog,
    enters: Enters,
}

impl Build {
    /// With this head.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            print: Fingerprint::new(&head),
            genesis: None,
            objects: Vec::new(),
            control: ControlLog::new(head.company),
            enters: Enters::default(),
            head,
        }
    }

    /// The next control object, from this node's own log; `None` if it is damaged.
    #[must_use]
    pub fn object(&mut self, bytes: &[u8]) -> Option<()> {
        self.print.object(bytes);
        let trust = Trust::StoredAs(peek_id(bytes)?);
        if peek_type(bytes) == Some(ObjectType::Genesis) {
            self.genesis = Some(Verified::<Genesis>::genesis(bytes, trust).ok()?);
        } else {
            let object = Verified::<ControlObject>::control(bytes, self.head.company, trust);
            self.objects.push(object.ok()?);
        }
        Some(())
    }

    /// All control objects are here: evaluates them. `None` if they are not those of the head.
    #[must_use]
    pub fn judge_objects(&mut self) -> Option<()> {
        self.control.add_genesis(self.genesis.take()?);
        self.control.load(std::mem::take(&mut self.objects));
        if let Some(agents) = self.head.agents.clone() {
            self.control.learn_instant(agents);
        }
        (self.control.digest() == self.head.control_digest).then_some(())
    }

    /// The next envelope: what is said of it for people. Its key goes if it opens no text. `None` if
    /// it is damaged.
    #[must_use]
    pub fn entry(&mut self, entry: &mut Entry) -> Option<Words> {
        let trust = Trust::StoredAs(peek_id(&entry.bytes)?);
        let company: CompanyId = self.head.company;
        let message = Verified::<Envelope>::envelope(&entry.bytes, company, trust).ok()?;
        let text = entry.key.as_ref().and_then(|key| message.value().text_with(key));
        entry.key.take_if(|_| text.is_none());
        let (id, envelope) = (message.id(), message.value());
        let words = Words::of(id, envelope, text, &self.control, &self.enters);
        self.enters.note(id, envelope);
        self.print.entry(entry);
        Some(words)
    }

    /// Of all that was written.
    #[must_use]
    pub fn fingerprint(&self) -> ObjectId {
        self.print.finish()
    }
}
