//! Transcripts: an honest one holds, and whatever is changed in one is noticed.

use std::io;

use conclave_node::transcript::{ReadError, Writer, verify};
use conclave_protocol::crypt::EpochKey;
use conclave_protocol::engine::{Command, Outcome};
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{CompanyId, ObjectId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::TRANSCRIPT_PART_BYTES_MAX;
use conclave_protocol::object::SignatureBytes;
use conclave_protocol::signed::{Trust, Verified, peek_id};
use conclave_protocol::transcript::{
    Build, Entry, Fault, Head, Report, Stands, Words, seal_statement,
};
use conclave_tests::world::{NodeId, World};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::scene::team;

/// A transcript as the node writes it.
fn export(w: &World, id: NodeId, room: &str) -> String {
    let engine = w.engine(id);
    let plan = engine.plan_transcript(room).expect("readable");
    let (mut writer, mut text) = Writer::new(&plan);
    for ids in plan.objects.chunks(3) {
        let objects = engine.transcript_objects(ids).expect("here");
        text += &writer.objects(&objects).expect("sound");
    }
    text += &writer.end_objects().expect("those of the head");
    for ids in plan.entries.chunks(2) {
        let entries = engine.transcript_entries(plan.head.room, ids).expect("here");
        text += &writer.entries(entries).expect("sound");
    }
    text + &Writer::end(&engine.seal_transcript(&plan.head, writer.fingerprint()))
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn check(text: &str) -> Result<Report, ReadError> {
    verify(text.as_bytes(), None)
}

/// The document with its parts in their order, whatever order the JSON library keeps.
fn written(document: &Value) -> String {
    let fields = ["transcript", "head", "control", "entries", "seal"];
    let parts = fields.map(|field| format!("\"{field}\": {}", document[field]));
    format!("{{ {} }}", parts.join(",\n"))
}

#[track_caller]
fn refused(document: &Value, expected: &str) {
    let error = check(&written(document)).map(|_| ()).expect_err("tampered with");
    assert!(error.to_string().contains(expected), "{error}, not {expected}");
}

/// The numbers of the entries that have a text.
fn texts(document: &Value) -> Vec<usize> {
    let entries = document["entries"].as_array().expect("a list").iter().enumerate();
    entries.filter(|(_, entry)| entry.get("text").is_some()).map(|(n, _)| n).collect()
}

/// Alice, bob and carol have written; carol was taken out, and her message is acknowledged.
fn scene(seed: u64) -> (World, NodeId, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    w.post(alice, "help", "one");
    w.agree();
    w.post(carol, "help", "three \u{202e}\nlines");
    w.agree();
    w.post(bob, "help", "two");
    w.agree();
    w.remove_member(alice, "carol", "department:Support");
    w.agree();
    w.post(alice, "help", "one again");
    w.agree();
    (w, alice, bob, carol)
}

#[test]
fn an_honest_transcript_holds_and_says_who_may_what() {
    let (w, alice, bob, carol) = scene(1);
    for id in [alice, bob] {
        let text = export(&w, id, "help");
        assert!(!text.contains('\u{202e}'), "it does not act on a terminal");
        let report = check(&text).expect("it holds");
        let counts = (report.messages, report.accepted, report.vouched, report.void);
        assert_eq!((counts, report.without_text), ((4, 3, 1, 0), 0));
        assert_eq!(report.room_digest, w.room_status(id, "help").expect("open").digest);
        assert_eq!(report.words.company, "Acme");
        assert_eq!(report.words.exporter.name, w.node(id).name);
        assert_eq!(report.notes, Default::default());
        let by = |name: &str| {
            let named = |a: &&conclave_protocol::transcript::AuthorReport| {
                a.agent.as_ref().is_some_and(|agent| agent.name == name)
            };
            report.authors.iter().find(named).expect("an author")
        };
        assert!(by("bob").live && by("bob").units == ["department:Support"]);
        let hers = by("carol");
        assert_eq!((hers.live, hers.vouched, hers.ended_by.len()), (false, 1, 1));
        assert!(hers.ended_by[0].1.contains("takes carol out"), "{:?}", hers.ended_by);
        assert!(hers.enters.len() == 1 && hers.enters[0].leads, "{:?}", hers.enters);
        let says: Vec<&str> = hers.enters[0].grants.iter().map(|g| g.text.as_str()).collect();
        assert!(says.iter().any(|text| text.contains("opens the room help")), "{says:?}");
        let shown: Vec<Value> = document(&text)["entries"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|entry| entry.get("text").cloned())
            .collect();
        let expected: Vec<Value> = w.texts(id, "help").into_iter().map(Value::String).collect();
        assert_eq!(shown, expected);
        // Written anew by another program it is the same transcript.
        assert!(check(&written(&document(&text))).is_ok());
        let company: CompanyId = report.head.company;
        assert!(verify(text.as_bytes(), Some(company)).is_ok());
        let other = verify(text.as_bytes(), Some(CompanyId([1; 32])));
        assert!(matches!(other, Err(ReadError::OtherCompany(id)) if id == company));
    }
    assert!(w.engine(carol).plan_transcript("help").is_err());
}

#[test]
fn no_key_of_an_epoch_is_handed_out() {
    let (w, alice, ..) = scene(2);
    let engine = w.engine(alice);
    let plan = engine.plan_transcript("help").expect("readable");
    let entries = engine.transcript_entries(plan.head.room, &plan.entries).expect("here");
    let envelope = |entry: &Entry| {
        let company = plan.head.company;
        Verified::<Envelope>::envelope(&entry.bytes, company, Trust::Nothing).expect("sound")
    };
    let mut opened = 0;
    for (n, entry) in entries.iter().enumerate() {
        let Some(key) = &entry.key else {
            assert_eq!(entry.stands, None, "all texts can be read here");
            continue;
        };
        for (other, message) in entries.iter().enumerate() {
            let message = envelope(message);
            let text = message.value().text_with(key);
            assert_eq!(text.is_some(), n == other, "a key opens its own message and no other");
            opened += u32::from(text.is_some());
            assert_eq!(message.value().text(&EpochKey::new(*key.bytes())), None);
        }
    }
    assert_eq!(opened, 4);
}

type Change = Box<dyn Fn(&mut Value)>;

#[test]
fn what_is_changed_is_noticed() {
    let (w, alice, ..) = scene(3);
    let honest = document(&export(&w, alice, "help"));
    assert!(check(&written(&honest)).is_ok());
    let at = texts(&honest);
    let [one, two, .., last] = at.as_slice() else { panic!("several") };
    let (one, two, last) = (*one, *two, *last);
    let tampered = |change: &dyn Fn(&mut Value)| {
        let mut document = honest.clone();
        change(&mut document);
        assert_ne!(document, honest);
        document
    };
    let cases: Vec<(&str, Change)> = vec![
        ("its text is not", Box::new(move |d| d["entries"][one]["text"] = json!("forged"))),
        (
            "its text is not",
            Box::new(move |d| {
                let (a, b) = (d["entries"][one]["text"].take(), d["entries"][two]["text"].take());
                (d["entries"][one]["text"], d["entries"][two]["text"]) = (b, a);
            }),
        ),
        (
            "its key does not open it",
            Box::new(move |d| {
                let (a, b) = (d["entries"][one]["key"].take(), d["entries"][two]["key"].take());
                (d["entries"][one]["key"], d["entries"][two]["key"]) = (b, a);
            }),
        ),
        (
            "its text is not",
            Box::new(move |d| {
                d["entries"][one].as_object_mut().expect("an entry").remove("key");
            }),
        ),
        (
            "its author is not",
            Box::new(move |d| {
                d["entries"][one]["author"]["name"] = json!("bob");
            }),
        ),
        (
            "its author is not",
            Box::new(move |d| {
                d["entries"][one]["author"] = d["entries"][two]["author"].clone();
            }),
        ),
        (
            "its time is not",
            Box::new(move |d| {
                d["entries"][one]["time"] = json!("2001-01-01T00:00:00.000Z");
            }),
        ),
        (
            "its time is not",
            Box::new(move |d| {
                d["entries"][one]["time"] = json!("1970-01-01T00:00:00.000Z");
                d["entries"][one]["time_ms"] = json!(0);
            }),
        ),
        (
            "its device is not",
            Box::new(move |d| {
                d["entries"][one]["device"] = json!("ab".repeat(32));
            }),
        ),
        (
            "its id is not",
            Box::new(move |d| {
                d["entries"][one]["id"] = d["entries"][two]["id"].clone();
            }),
        ),
        (
            "it is said to be void",
            Box::new(move |d| {
                d["entries"][one]["state"] = json!("void");
            }),
        ),
        (
            "it stands there twice",
            Box::new(move |d| {
                let twice = d["entries"][one].clone();
                d["entries"].as_array_mut().expect("a list").insert(one, twice);
            }),
        ),
        (
            "a message that it follows is missing",
            Box::new(move |d| {
                d["entries"].as_array_mut().expect("a list").remove(one);
            }),
        ),
        (
            "fewer than its head says",
            Box::new(move |d| {
                d["entries"].as_array_mut().expect("a list").pop();
            }),
        ),
        (
            "signature does not fit",
            Box::new(move |d| {
                // Nothing follows the last message, and the head agrees.
                d["entries"].as_array_mut().expect("a list").truncate(last);
                d["head"]["entries"] = json!(last);
            }),
        ),
        (
            "the signature does not fit",
            Box::new(move |d| {
                let bytes = d["entries"][one]["signed"].as_str().expect("bytes").as_bytes();
                let mut bytes = BASE64.decode(bytes).expect("Base64");
                *bytes.last_mut().expect("some") ^= 1;
                d["entries"][one]["signed"] = json!(BASE64.encode(&bytes));
            }),
        ),
        ("its head does not say", Box::new(|d| d["head"]["company"]["name"] = json!("Evil"))),
        ("its head does not say", Box::new(|d| d["head"]["room"]["name"] = json!("hell"))),
        (
            "its head does not say",
            Box::new(|d| {
                d["head"]["exported"]["agent"]["name"] = json!("bob");
            }),
        ),
        (
            "signature does not fit",
            Box::new(|d| {
                d["head"]["exported"]["time"] = json!("1970-01-01T00:00:00.000Z");
                d["head"]["exported"]["time_ms"] = json!(0);
            }),
        ),
        (
            "may not read the room",
            Box::new(|d| {
                d["head"]["exported"]["device"] = json!("ab".repeat(32));
            }),
        ),
        ("may not read the room", Box::new(|d| d["head"]["room"]["id"] = json!("ab".repeat(32)))),
        ("another company", Box::new(|d| d["head"]["company"]["id"] = json!("ab".repeat(32)))),
        ("the exporter's signature is none", Box::new(|d| d["seal"] = json!("ab"))),
        ("signature does not fit", Box::new(|d| d["seal"] = json!("ab".repeat(64)))),
        (
            "its authority is not",
            Box::new(|d| {
                let entries = d["entries"].as_array_mut().expect("a list");
                let enter = entries.iter_mut().find(|e| e["kind"] == "enter").expect("an Enter");
                enter["authority"][0] = json!("makes mallory the root");
            }),
        ),
        (
            "the file is damaged",
            Box::new(|d| {
                d["entries"][0]["more"] = json!(1);
            }),
        ),
        ("the file is damaged", Box::new(|d| d["control"][0] = json!(7))),
        ("control object 1: it is no Base64", Box::new(|d| d["control"][0] = json!("?"))),
        ("is no transcript", Box::new(|d| d["transcript"] = json!(2))),
        ("is no transcript", Box::new(|d| d["transcript"] = json!("1"))),
    ];
    for (expected, change) in &cases {
        refused(&tampered(change.as_ref()), expected);
    }
}

#[test]
fn a_revocation_that_is_left_out_is_noticed() {
    let (w, alice, ..) = scene(4);
    let honest = document(&export(&w, alice, "help"));
    let revoke = w
        .engine(alice)
        .control_log()
        .into_iter()
        .filter(|entry| entry.kind == "revoke")
        .map(|entry| BASE64.encode(&entry.bytes))
        .next_back()
        .expect("carol was taken out");
    let mut without = honest.clone();
    let list = without["control"].as_array_mut().expect("a list");
    list.retain(|object| *object != json!(revoke));
    refused(&without, "control objects are missing");
    without["head"]["control"]["objects"] = json!(list_len(&without));
    // What was signed after it refers to it, or else the digest is another one.
    let error = check(&written(&without)).map(|_| ()).expect_err("left out").to_string();
    let noticed = ["refers to one that is missing", "not those the exporter had"];
    assert!(noticed.iter().any(|words| error.contains(words)), "{error}");
}

fn list_len(document: &Value) -> usize {
    document["control"].as_array().expect("a list").len()
}

/// What an exporter writes who holds its key and signs whatever it likes.
struct Liar {
    head: Head,
    objects: Vec<Vec<u8>>,
    entries: Vec<Entry>,
}

impl Liar {
    fn new(w: &World, id: NodeId) -> Self {
        let engine = w.engine(id);
        let plan = engine.plan_transcript("help").expect("readable");
        Self {
            objects: engine.transcript_objects(&plan.objects).expect("here"),
            entries: engine.transcript_entries(plan.head.room, &plan.entries).expect("here"),
            head: plan.head,
        }
    }

    /// Signs it all and checks it; `says` is what stands beside an entry.
    fn check(
        mut self,
        keys: &DeviceKeys,
        says: impl Fn(usize, Words) -> Words,
    ) -> Result<Report, Fault> {
        self.head.objects = self.objects.len() as u64;
        self.head.entries = self.entries.len() as u64;
        let mut build = Build::new(self.head.clone());
        let mut check = conclave_protocol::transcript::Check::new(self.head.clone())?;
        for object in &self.objects {
            let _ = build.object(object);
            check.object(object)?;
        }
        let _ = build.judge_objects();
        check.judge_objects()?;
        for (n, mut entry) in self.entries.into_iter().enumerate() {
            let words = build.entry(&mut entry).expect("sound");
            check.entry(&entry, &says(n, words))?;
        }
        let seal = keys.sign(&seal_statement(&self.head, build.fingerprint()));
        check.finish(&SignatureBytes(seal))
    }
}

#[test]
fn an_exporter_that_lies_can_leave_out_the_end_and_no_more() {
    let (w, alice, bob, carol) = scene(5);
    let keys = w.node(alice).keys();
    let plain = |_: usize, words: Words| words;
    assert!(Liar::new(&w, alice).check(&keys, plain).is_ok());
    // Another device's signature.
    let by_bob = Liar::new(&w, alice).check(&w.node(bob).keys(), plain);
    assert!(by_bob.expect_err("not alice").to_string().contains("signature does not fit"));
    // One who may not read the room.
    let mut liar = Liar::new(&w, alice);
    liar.head.device = w.node(carol).device();
    let by_carol = liar.check(&w.node(carol).keys(), plain).expect_err("carol may not");
    assert!(by_carol.to_string().contains("may not read the room"), "{by_carol}");
    // It says that nobody but itself has written what is vouched for.
    let vouched = |entries: &[Entry]| {
        entries.iter().position(|e| e.stands == Some(Stands::Vouched)).expect("carol's")
    };
    for claimed in [Stands::Accepted, Stands::Void] {
        let mut liar = Liar::new(&w, alice);
        let at = vouched(&liar.entries);
        liar.entries[at].stands = Some(claimed);
        let id = peek_id(&liar.entries[at].bytes);
        match liar.check(&keys, plain) {
            Err(Fault::Entry { id: found, why, .. }) => {
                assert_eq!(found, id);
                assert!(why.contains("by the control log it is vouched"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    // It changes the words of one, and signs that.
    let liar = Liar::new(&w, alice);
    let at = vouched(&liar.entries);
    let forged = move |n: usize, mut words: Words| {
        if n == at {
            words.text = Some("I quit".into());
        }
        words
    };
    let error = liar.check(&keys, forged).expect_err("a text that nobody wrote");
    assert!(error.to_string().contains("its text is not"), "{error}");
    // A message of another room, and of another company.
    let mut world = scene(6);
    world.0.room(world.1, "other", &["department:Support"]);
    world.0.agree();
    let foreign = Liar::new(&world.0, world.1).entries;
    let mut liar = Liar::new(&w, alice);
    liar.entries.insert(0, foreign[0].clone());
    let error = liar.check_entry_only(0);
    assert!(error.contains("another company"), "{error}");
    let (mut w, alice, ..) = scene(7);
    w.room(alice, "other", &["department:Support"]);
    w.agree();
    w.post(alice, "other", "elsewhere");
    w.agree();
    let engine = w.engine(alice);
    let plan = engine.plan_transcript("other").expect("readable");
    let elsewhere = engine.transcript_entries(plan.head.room, &plan.entries).expect("here");
    let mut liar = Liar::new(&w, alice);
    liar.entries.insert(0, elsewhere[0].clone());
    let error = liar.check_entry_only(0);
    assert!(error.contains("another room"), "{error}");
    // What it leaves out at the end, it can: nobody else has signed how far the room goes.
    let keys = w.node(alice).keys();
    let mut liar = Liar::new(&w, alice);
    liar.entries.pop();
    assert!(liar.check(&keys, plain).is_ok());
}

impl Liar {
    /// Why one entry is refused that comes first.
    fn check_entry_only(&self, at: usize) -> String {
        let head = Head { entries: self.entries.len() as u64, ..self.head.clone() };
        let mut check = conclave_protocol::transcript::Check::new(head.clone()).expect("a head");
        let mut build = Build::new(head);
        for object in &self.objects {
            let _ = build.object(object);
            check.object(object).expect("honest");
        }
        check.judge_objects().expect("honest");
        let mut entry = self.entries[at].clone();
        let words = Words {
            id: ObjectId([1; 32]),
            kind: conclave_protocol::envelope::EnvelopeKind::Seal,
            author: None,
            device: self.head.device,
            time: self.head.time,
            text: None,
            authority: Vec::new(),
        };
        let words = build.entry(&mut entry).unwrap_or(words);
        check.entry(&entry, &words).expect_err("foreign").to_string()
    }
}

#[test]
fn conversations_are_exported_too_and_what_cannot_be_read_is_without_text() {
    let (mut w, alice, others) = team(8, &["bob"]);
    let agents = vec!["bob".to_owned()];
    let Outcome::Instant(view) = w.must(alice, Command::OpenInstant { agents }) else {
        panic!("a conversation")
    };
    let room = view.room.id.to_string();
    w.post(alice, &room, "between us");
    w.agree();
    for id in [alice, others[0]] {
        let report = check(&export(&w, id, &room)).expect("it holds");
        assert_eq!((report.words.room.as_str(), report.words.history), ("alice, bob", None));
        assert_eq!((report.messages, report.without_text), (1, 0));
    }
    // A room that nobody has written in.
    w.room(alice, "empty", &["department:Support"]);
    w.agree();
    assert_eq!(check(&export(&w, alice, "empty")).expect("it holds").messages, 0);
    // As it is where the key has not come: the exporter says so by leaving it out.
    let mut liar = Liar::new(&w, alice);
    w.post(alice, "help", "secret");
    w.agree();
    liar.entries = Liar::new(&w, alice).entries;
    for entry in &mut liar.entries {
        entry.key = None;
    }
    let report = liar.check(&w.node(alice).keys(), |_, words| words).expect("it holds");
    assert_eq!((report.messages, report.accepted, report.without_text), (1, 1, 1));
}

/// Gives the same byte for ever.
struct Endless(u8, usize);

impl io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(self.0);
        self.1 += buffer.len();
        assert!(self.1 < 16 * TRANSCRIPT_PART_BYTES_MAX, "it reads on and on");
        Ok(buffer.len())
    }
}

#[test]
fn hostile_files_are_refused_within_bounds() {
    for (text, kind) in [
        ("", "no transcript"),
        ("hello", "no transcript"),
        ("[1,2]", "no transcript"),
        ("{}", "no transcript"),
        ("{\"head\":{}}", "no transcript"),
        ("{\"transcript\":1}", "damaged"),
        ("{\"transcript\":1,\"head\":[]}", "damaged"),
        ("{\"transcript\":1e99}", "no transcript"),
    ] {
        let error = check(text).map(|_| ()).expect_err("no transcript").to_string();
        assert!(error.contains(kind), "{text}: {error}");
    }
    assert!(verify([0xff, 0xfe, 0x00].as_slice(), None).is_err());
    // Without end, outside and inside a text; deep; and where a list of objects should be.
    for start in ["", "{\"", "{\"transcript\":1,\"head\":{\"company\":{\"id\":\"", "{\"x\":"] {
        for byte in [b' ', b'a', b'[', b'9', b'"', b'\\'] {
            use io::Read;
            let source = start.as_bytes().chain(Endless(byte, 0));
            assert!(verify(source, None).is_err(), "{start} {byte}");
        }
    }
    let (w, alice, _) = team(9, &[]);
    let honest = export(&w, alice, "help");
    // Cut off anywhere.
    let step = honest.len() / 60 + 1;
    for end in (0..honest.trim_end().len()).step_by(step) {
        assert!(check(&honest[..end]).is_err(), "cut off at {end}");
    }
    assert!(check(&(honest.clone() + "{}")).is_err(), "something follows");
    // Any byte changed: an error or, in blank space, none; never a panic.
    let mut noticed = 0;
    for at in (0..honest.len()).step_by(step) {
        let mut bytes = honest.clone().into_bytes();
        bytes[at] ^= 1;
        noticed += u32::from(verify(bytes.as_slice(), None).is_err());
    }
    assert!(noticed > 50, "{noticed} changes were noticed");
    let mut many = document(&honest);
    many["head"]["entries"] = json!(u64::MAX);
    refused(&many, "more than any transcript can");
}
