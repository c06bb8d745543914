//! Checking a transcript: nothing in it is believed.

use std::collections::BTreeMap;

use super::words::{Enters, author};
use super::{Entry, Fingerprint, Head, HeadWords, Stands, Words, seal_statement};
use crate::control::ControlLog;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{DeviceId, MessageId, ObjectId};
use crate::limits::{TRANSCRIPT_ENTRIES_MAX, TRANSCRIPT_OBJECTS_MAX};
use crate::object::{ControlObject, Genesis, ObjectType, SignatureBytes};
use crate::room::RoomLog;
use crate::signed::{Trust, Verified, VerifyError, peek_id, peek_type, signature_fits};
use crate::sync::Place;
use crate::time::Timestamp;
use crate::view::AgentRef;

/// Why a transcript does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A control object, by its number from 1.
    #[error("control object {number}: {why}")]
    Object {
        /// Which.
        number: u64,
        /// Why.
        why: String,
    },
    /// An envelope, by its number from 1.
    #[error("message {} (number {number}): {why}", .id.map_or_else(|| "without an id".to_owned(), |id| id.to_string()))]
    Entry {
        /// Which.
        number: u64,
        /// Its id, if it has one.
        id: Option<MessageId>,
        /// Why.
        why: String,
    },
    /// The whole.
    #[error("{0}")]
    Whole(&'static str),
}

/// What was noticed and is no fault: honest logs can hold it, if a member's node was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Envelopes at a place of their device's chain that another one has used.
    pub forks: u64,
    /// Envelopes whose predecessor in their device's chain is not part, or is another device's.
    pub broken_chains: u64,
    /// Envelopes that name no earlier `Enter` of their device.
    pub without_enter: u64,
    /// Messages under an epoch whose beginning does not stand before them.
    pub without_epoch: u64,
}

/// An object that let an author in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantReport {
    /// Which.
    pub id: ObjectId,
    /// What it says.
    pub text: String,
    /// Whether authority stands behind it.
    pub counts: bool,
}

/// One way in that an author named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnterReport {
    /// The `Enter`.
    pub id: MessageId,
    /// Its objects.
    pub grants: Vec<GrantReport>,
    /// Whether these lead to the room, and all of them count.
    pub leads: bool,
    /// How many messages with content were written by it.
    pub messages: u64,
}

/// One device that wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorReport {
    /// The device.
    pub device: DeviceId,
    /// Whose, by the control log.
    pub agent: Option<AgentRef>,
    /// The units of the agent when the transcript was made.
    pub units: Vec<String>,
    /// Whether it might write when the transcript was made.
    pub live: bool,
    /// If not: what ended that.
    pub ended_by: Vec<(ObjectId, String)>,
    /// Messages with content.
    pub messages: u64,
    /// Of these: vouched.
    pub vouched: u64,
    /// Of these: void.
    pub void: u64,
    /// What let it in.
    pub enters: Vec<EnterReport>,
}

/// What a transcript that holds says.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its head.
    pub head: Head,
    /// Names.
    pub words: HeadWords,
    /// Messages with content.
    pub messages: u64,
    /// Of these: without text, since the exporter had no key or they are void.
    pub without_text: u64,
    /// Of these: accepted, their authors may write.
    pub accepted: u64,
    /// Of these: accepted by others' word.
    pub vouched: u64,
    /// Of these: void.
    pub void: u64,
    /// The earliest and the latest time that accepted messages claim.
    pub times: Option<(Timestamp, Timestamp)>,
    /// See [`RoomLog::digest`].
    pub room_digest: ObjectId,
    /// The fingerprint that the exporter signed.
    pub fingerprint: ObjectId,
    /// Who wrote, by device.
    pub authors: Vec<AuthorReport>,
    /// What was noticed.
    pub notes: Notes,
}

#[derive(Debug, Default)]
struct Author {
    messages: u64,
    /// Messages by `Enter`.
    enters: BTreeMap<MessageId, u64>,
}

/// A check under way: first the control objects, then [`Check::judge_objects`], then the envelopes.
#[derive(Debug)]
pub struct Check {
    head: Head,
    print: Fingerprint,
    genesis: Option<Verified<Genesis>>,
    objects: Vec<Verified<ControlObject>>,
    objects_seen: u64,
    control: ControlLog,
    log: RoomLog,
    entries: u64,
    last: Option<Place>,
    enters: Enters,
    claimed: Vec<(MessageId, Stands)>,
    without_text: u64,
    authors: BTreeMap<DeviceId, Author>,
    notes: Notes,
}

impl Check {
    /// Of a transcript with this head.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(head: Head) -> Result<Self, Fault> {
        if head.objects > TRANSCRIPT_OBJECTS_MAX || head.entries > TRANSCRIPT_ENTRIES_MAX {
            return Err(Fault::Whole("it claims to hold more than any transcript can"));
        }
        if head.agents.as_ref().is_some_and(|agents| agents.room(head.company) != head.room) {
            return Err(Fault::Whole("the room is not that of the agents it names"));
        }
        Ok(Self {
            print: Fingerprint::new(&head),
            genesis: None,
            objects: Vec::new(),
            objects_seen: 0,
            control: ControlLog::new(head.company),
            log: RoomLog::default(),
            entries: 0,
            last: None,
            enters: Enters::default(),
            claimed: Vec::new(),
            without_text: 0,
            authors: BTreeMap::new(),
            notes: Notes::default(),
            head,
        })
    }

    /// The next control object.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn object(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.objects_seen += 1;
        let number = self.objects_seen;
        let fault = |why: String| Fault::Object { number, why };
        if number > self.head.objects {
            return Err(fault("there are more than the head says".to_owned()));
        }
        self.print.object(bytes);
        if peek_type(bytes) == Some(ObjectType::Genesis) {
            let genesis = Verified::<Genesis>::genesis(bytes, Trust::Nothing);
            let genesis = genesis.map_err(|error| fault(error.to_string()))?;
            if self.head.company != genesis.id().into() {
                return Err(fault("it founds another company".to_owned()));
            }
            if self.genesis.replace(genesis).is_some() {
                return Err(fault("the company is founded twice".to_owned()));
            }
        } else {
            let company = self.head.company;
            let object = Verified::<ControlObject>::control(bytes, company, Trust::Nothing);
            self.objects.push(object.map_err(|error| fault(error.to_string()))?);
        }
        Ok(())
    }

    /// All control objects are here: evaluates them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn judge_objects(&mut self) -> Result<HeadWords, Fault> {
        let Some(genesis) = self.genesis.take() else {
            return Err(Fault::Whole("the object that founds the company is missing"));
        };
        if self.objects_seen != self.head.objects {
            return Err(Fault::Whole("control objects are missing"));
        }
        self.control.add_genesis(genesis);
        let left_out = self.control.load(std::mem::take(&mut self.objects));
        if left_out > 0 {
            return Err(Fault::Whole(
                "a control object breaks a rule, stands twice, or refers to one that is missing",
            ));
        }
        let all_count = self.control.order().len() as u64 == self.head.objects;
        if !all_count || self.control.digest() != self.head.control_digest {
            return Err(Fault::Whole("the control objects are not those the exporter had"));
        }
        if let Some(agents) = self.head.agents.clone() {
            self.control.learn_instant(agents);
        }
        HeadWords::of(&self.head, &self.control).ok_or(Fault::Whole(
            "by its control objects the exporter's device may not read the room",
        ))
    }

    /// The next envelope, with what is said of it for people.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn entry(&mut self, entry: &Entry, said: &Words) -> Result<(), Fault> {
        self.entries += 1;
        let (number, id) = (self.entries, peek_id(&entry.bytes));
        let checked = self.check_entry(entry, said);
        checked.map_err(|why| Fault::Entry { number, id, why })
    }

    fn check_entry(&mut self, entry: &Entry, said: &Words) -> Result<(), String> {
        if self.entries > self.head.entries {
            return Err("there are more than the head says".to_owned());
        }
        self.print.entry(entry);
        let company = self.head.company;
        let verified = Verified::<Envelope>::envelope(&entry.bytes, company, Trust::Nothing);
        let verified = verified.map_err(|error: VerifyError| error.to_string())?;
        let (id, envelope) = (verified.id(), verified.value());
        if envelope.room != self.head.room {
            return Err("belongs to another room".to_owned());
        }
        let place = (envelope.height, id);
        if self.last.is_some_and(|last| last == place) {
            return Err("it stands there twice".to_owned());
        }
        if self.last.is_some_and(|last| last > place) {
            return Err("it is not in its place".to_owned());
        }
        if !self.log.missing_parents(envelope).is_empty() {
            return Err("a message that it follows is missing".to_owned());
        }
        if !self.log.height_fits(envelope) {
            return Err("its height does not fit what it follows".to_owned());
        }
        self.check_words(id, envelope, entry, said)?;
        self.last = Some(place);
        self.note_chain(envelope);
        self.log.load(id, envelope, self.entries, true);
        self.note_author(id, envelope);
        Ok(())
    }

    fn check_words(
        &mut self,
        id: MessageId,
        envelope: &Envelope,
        entry: &Entry,
        said: &Words,
    ) -> Result<(), String> {
        let text = match &entry.key {
            Some(key) => Some(envelope.text_with(key).ok_or(
                "its key does not open it: key and text are not those that its author signed",
            )?),
            None => None,
        };
        let words = Words::of(id, envelope, text, &self.control, &self.enters);
        let differs = [
            (words.id != said.id, "its id is not"),
            (words.kind != said.kind, "its kind is not"),
            (words.device != said.device, "its device is not"),
            (words.author != said.author, "its author is not"),
            (words.time != said.time, "its time is not"),
            (words.text != said.text, "its text is not"),
            (words.authority != said.authority, "its authority is not"),
        ];
        if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
            return Err(format!("{what} what the signed bytes and the control log say"));
        }
        match entry.stands {
            Some(stands) if envelope.kind.is_content() => self.claimed.push((id, stands)),
            None if !envelope.kind.is_content() => {}
            _ => return Err("whether it stands is not said, or is said of no message".to_owned()),
        }
        self.without_text += u64::from(envelope.kind.is_content() && entry.key.is_none());
        Ok(())
    }

    fn note_chain(&mut self, envelope: &Envelope) {
        let notes = &mut self.notes;
        notes.forks += u64::from(self.log.uses_place(envelope.device, envelope.seq));
        if let Some(prev) = envelope.prev {
            let before = self.log.get(prev);
            let fits = before.is_some_and(|before| before.device == envelope.device);
            notes.broken_chains += u64::from(!fits);
        }
        if let Some(epoch) = envelope.epoch {
            notes.without_epoch += u64::from(!self.log.epochs.counts(epoch));
        }
    }

    fn note_author(&mut self, id: MessageId, envelope: &Envelope) {
        self.enters.note(id, envelope);
        let author = self.authors.entry(envelope.device).or_default();
        let content = u64::from(envelope.kind.is_content());
        author.messages += content;
        let enter = match envelope.kind {
            EnvelopeKind::Enter => Some(id),
            _ => envelope.standing,
        };
        let known = |enter: &MessageId| self.enters.of(*enter, envelope.device).is_some();
        match enter.filter(known) {
            Some(enter) => *author.enters.entry(enter).or_default() += content,
            None => self.notes.without_enter += 1,
        }
    }

    /// All envelopes are here: judges them, and checks what the exporter has signed.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn finish(mut self, seal: &SignatureBytes) -> Result<Report, Fault> {
        if self.entries != self.head.entries {
            return Err(Fault::Whole("messages are missing: it has fewer than its head says"));
        }
        let words = HeadWords::of(&self.head, &self.control);
        let words = words.ok_or(Fault::Whole("the control objects have not been judged"))?;
        let fingerprint = self.print.finish();
        let room = self.head.room;
        self.log.rejudge(|device| self.control.standing(device, room));
        let (mut accepted, mut vouched, mut void) = (0, 0, 0);
        let mut by_author: BTreeMap<DeviceId, (u64, u64)> = BTreeMap::new();
        let mut times: Option<(Timestamp, Timestamp)> = None;
        for (id, claimed) in &self.claimed {
            let Some(message) = self.log.get(*id) else { continue };
            let live = self.control.access().device_has_access(message.device, room);
            let stands = Stands::of(message.is_accepted(), live);
            if stands != *claimed {
                let why = format!(
                    "it is said to be {}, but by the control log it is {}",
                    claimed.word(),
                    stands.word()
                );
                return Err(Fault::Entry { number: message.arrival, id: Some(*id), why });
            }
            match stands {
                Stands::Accepted => accepted += 1,
                Stands::Vouched => vouched += 1,
                Stands::Void => void += 1,
            }
            let author = by_author.entry(message.device).or_default();
            author.0 += u64::from(stands == Stands::Vouched);
            author.1 += u64::from(stands == Stands::Void);
            if stands != Stands::Void {
                let time = message.claimed_time;
                let (first, last) = times.unwrap_or((time, time));
                times = Some((first.min(time), last.max(time)));
            }
        }
        if !signature_fits(self.head.device, &seal_statement(&self.head, fingerprint), seal) {
            return Err(Fault::Whole(
                "the exporter's signature does not fit: something was changed, added or left out",
            ));
        }
        let authors = self.authors.iter().map(|(device, author)| {
            let (vouched, void) = by_author.get(device).copied().unwrap_or_default();
            self.report_author(*device, author, vouched, void)
        });
        Ok(Report {
            words,
            messages: self.claimed.len() as u64,
            without_text: self.without_text,
            accepted,
            vouched,
            void,
            times,
            room_digest: self.log.digest(),
            fingerprint,
            authors: authors.collect(),
            notes: self.notes,
            head: self.head.clone(),
        })
    }

    fn report_author(
        &self,
        device: DeviceId,
        by: &Author,
        vouched: u64,
        void: u64,
    ) -> AuthorReport {
        let (control, room) = (&self.control, self.head.room);
        let enter = by.enters.keys().next().and_then(|enter| self.enters.of(*enter, device));
        let agent = author(control, device, room, enter);
        let access = control.access();
        let live = access.device_has_access(device, room);
        let in_use =
            |unit: &crate::id::UnitId| access.units().get(unit).is_some_and(|u| !u.revoked);
        let units = agent.iter().flat_map(|agent| access.units_of(agent.id)).filter(in_use);
        let mut units: Vec<String> = units.map(|unit| access.unit_label(unit)).collect();
        units.sort();
        let ended = if live { Default::default() } else { control.revokes_against(device, room) };
        AuthorReport {
            device,
            agent,
            units,
            live,
            ended_by: ended.into_iter().map(|id| (id, control.describe(id))).collect(),
            messages: by.messages,
            vouched,
            void,
            enters: by
                .enters
                .iter()
                .filter_map(|(id, n)| self.report_enter(*id, device, *n))
                .collect(),
        }
    }

    fn report_enter(&self, id: MessageId, device: DeviceId, messages: u64) -> Option<EnterReport> {
        let body = self.enters.of(id, device)?;
        let control = &self.control;
        let grants: Vec<GrantReport> = body
            .references()
            .map(|id| GrantReport { id, text: control.describe(id), counts: control.counts(id) })
            .collect();
        let leads = grants.iter().all(|grant| grant.counts)
            && !control.enter_contradicts_itself(device, self.head.room, body);
        Some(EnterReport { id, grants, leads, messages })
    }
}
