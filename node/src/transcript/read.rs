//! Reading a transcript that anybody may have written: part by part, each of bounded size, each
//! checked before the next is read.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufReader, Read};

use conclave_protocol::crypt::ContentKey;
use conclave_protocol::id::CompanyId;
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::limits::TRANSCRIPT_PART_BYTES_MAX;
use conclave_protocol::object::{HistoryPolicy, SignatureBytes};
use conclave_protocol::time::Timestamp;
use conclave_protocol::transcript::{
    Check, Entry, Fault, Head, HeadWords, Report, Stands, TRANSCRIPT_VERSION, Words,
};
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{EntryDocument, HeadDocument, kind_of};
use crate::api::time::Time;

/// Why a transcript was not verified.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is none.
    #[error("this is no transcript that this version knows: {0}")]
    NoTranscript(String),
    /// It breaks off, or is not what a transcript is.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// It is of another company than was expected.
    #[error("it is of another company: {0}")]
    OtherCompany(CompanyId),
    /// It does not hold.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Checks a transcript, from its first byte to its last; of this company, if one is named.
///
/// # Errors
/// [`ReadError`].
pub fn verify(source: impl Read, company: Option<CompanyId>) -> Result<Report, ReadError> {
    let left = Cell::new(TRANSCRIPT_PART_BYTES_MAX);
    let broken = RefCell::new(None);
    let source = Bounded { source: BufReader::new(source), left: &left, broken: &broken };
    let progress = Progress { left: &left, error: RefCell::new(None), begun: Cell::new(false) };
    let mut json = serde_json::Deserializer::from_reader(source);
    let read = Document { progress: &progress, company }.deserialize(&mut json);
    let read = read.and_then(|report| {
        left.set(TRANSCRIPT_PART_BYTES_MAX);
        json.end().map(|()| report)
    });
    read.map_err(|error| {
        if let Some(error) = progress.error.take() {
            error
        } else if let Some(error) = broken.take() {
            ReadError::Unreadable(error)
        } else if progress.begun.get() {
            ReadError::Damaged(error.to_string())
        } else {
            ReadError::NoTranscript(error.to_string())
        }
    })
}

/// Gives no more than one part may have, until the next begins.
struct Bounded<'a, R> {
    source: BufReader<R>,
    left: &'a Cell<usize>,
    broken: &'a RefCell<Option<io::Error>>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a part is larger than any can be"));
        }
        let read = match self.source.read(&mut buffer[..most]) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                *self.broken.borrow_mut() = Some(error);
                return Err(kind.into());
            }
            read => read?,
        };
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

struct Progress<'a> {
    left: &'a Cell<usize>,
    /// What was wrong; the JSON reader's own errors hold texts only.
    error: RefCell<Option<ReadError>>,
    /// It has said that it is a transcript of a known version.
    begun: Cell<bool>,
}

impl Progress<'_> {
    fn fail<E: Error>(&self, error: impl Into<ReadError>) -> E {
        *self.error.borrow_mut() = Some(error.into());
        E::custom("")
    }

    fn next_part(&self) {
        self.left.set(TRANSCRIPT_PART_BYTES_MAX);
    }
}

struct Document<'a> {
    progress: &'a Progress<'a>,
    company: Option<CompanyId>,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Report;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Report, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Report;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a transcript")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Report, A::Error> {
        let progress = self.progress;
        key(&mut map, progress, "transcript")?;
        let version: u64 = map.next_value()?;
        if version != u64::from(TRANSCRIPT_VERSION) {
            let why = format!("it is of version {version}");
            return Err(progress.fail(ReadError::NoTranscript(why)));
        }
        progress.begun.set(true);
        key(&mut map, progress, "head")?;
        let document: HeadDocument = map.next_value()?;
        if self.company.is_some_and(|company| company != document.company.id) {
            return Err(progress.fail(ReadError::OtherCompany(document.company.id)));
        }
        let head = head_of(&document).map_err(|fault| progress.fail(fault))?;
        let mut check = Check::new(head).map_err(|fault| progress.fail(fault))?;
        key(&mut map, progress, "control")?;
        map.next_value_seed(Objects { progress, check: &mut check })?;
        let words = check.judge_objects().map_err(|fault| progress.fail(fault))?;
        if !says(&document, &words) {
            let why = "its head does not say what the control log says: a name, or who exported it";
            return Err(progress.fail(Fault::Whole(why)));
        }
        key(&mut map, progress, "entries")?;
        map.next_value_seed(Entries { progress, check: &mut check, number: 0 })?;
        key(&mut map, progress, "seal")?;
        let seal: String = map.next_value()?;
        let seal = HEXLOWER.decode(seal.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let Some(seal) = seal else {
            return Err(progress.fail(Fault::Whole("the exporter's signature is none")));
        };
        let report = check.finish(&SignatureBytes(seal)).map_err(|fault| progress.fail(fault))?;
        progress.next_part();
        match map.next_key::<IgnoredAny>()? {
            None => Ok(report),
            Some(_) => Err(A::Error::custom("something follows the signature")),
        }
    }
}

/// The next field, which has to be this one: they stand in one order.
fn key<'de, A: MapAccess<'de>>(
    map: &mut A,
    progress: &Progress<'_>,
    expected: &str,
) -> Result<(), A::Error> {
    progress.next_part();
    match map.next_key::<String>()? {
        Some(found) if found == expected => Ok(()),
        _ => Err(A::Error::custom(format!("`{expected}` is missing or not in its place"))),
    }
}

fn head_of(document: &HeadDocument) -> Result<Head, Fault> {
    let agents = match &document.room.agents {
        None => None,
        Some(ids) => {
            let agents = InstantAgents::new(ids.iter().copied());
            let agents = agents.filter(|agents| agents.iter().eq(ids.iter().copied()));
            Some(agents.ok_or(Fault::Whole("its agents are too few, too many or not sorted"))?)
        }
    };
    let exported = &document.exported;
    if Time(Timestamp(exported.time_ms)).to_string() != exported.time {
        return Err(Fault::Whole("the two times of the export differ"));
    }
    Ok(Head {
        company: document.company.id,
        room: document.room.id,
        device: exported.device,
        time: Timestamp(exported.time_ms),
        control_digest: document.control.digest,
        objects: document.control.objects,
        entries: document.entries,
        agents,
    })
}

fn says(document: &HeadDocument, words: &HeadWords) -> bool {
    document.company.name == words.company
        && document.room.name == words.room
        && document.room.history.as_deref() == words.history.map(HistoryPolicy::word)
        && document.exported.agent == words.exporter.clone().into()
}

struct Objects<'a> {
    progress: &'a Progress<'a>,
    check: &'a mut Check,
}

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of control objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        loop {
            self.progress.next_part();
            let Some(text) = list.next_element::<String>()? else { return Ok(()) };
            number += 1;
            let bytes = BASE64.decode(text.as_bytes()).map_err(|_| {
                self.progress.fail(Fault::Object { number, why: "it is no Base64".to_owned() })
            })?;
            self.check.object(&bytes).map_err(|fault| self.progress.fail(fault))?;
        }
    }
}

struct Entries<'a> {
    progress: &'a Progress<'a>,
    check: &'a mut Check,
    number: u64,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        loop {
            self.progress.next_part();
            let Some(document) = list.next_element::<EntryDocument>()? else { return Ok(()) };
            self.number += 1;
            let (number, id) = (self.number, Some(document.id));
            let (entry, words) = entry_of(document).map_err(|why| {
                self.progress.fail(Fault::Entry { number, id, why: why.to_owned() })
            })?;
            let checked = self.check.entry(&entry, &words);
            checked.map_err(|fault| self.progress.fail(fault))?;
        }
    }
}

fn entry_of(document: EntryDocument) -> Result<(Entry, Words), &'static str> {
    let bytes = BASE64.decode(document.signed.as_bytes()).map_err(|_| "it is no Base64")?;
    let key = match &document.key {
        None => None,
        Some(text) => {
            let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|b| b.try_into().ok());
            Some(ContentKey::new(bytes.ok_or("its key is none")?))
        }
    };
    let stands = match &document.state {
        None => None,
        Some(word) => Some(Stands::from_word(word).ok_or("its state is none")?),
    };
    if Time(Timestamp(document.time_ms)).to_string() != document.time {
        return Err("its time is not what the signed bytes say");
    }
    let words = Words {
        id: document.id,
        kind: kind_of(&document.kind).ok_or("its kind is none")?,
        author: document.author.map(Into::into),
        device: document.device,
        time: Timestamp(document.time_ms),
        text: document.text,
        authority: document.authority,
    };
    Ok((Entry { bytes, key, stands }, words))
}
