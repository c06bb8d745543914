//! A written log as a list that people can read.

use std::fmt::Write;

use conclave_protocol::control::Verdict;
use conclave_protocol::id::ObjectId;

use super::writer::{Written, keys, root_number};

/// The objects that the bytes make, numbered in the order of writing, `Genesis` being #0; and
/// what became of each when all were there.
#[must_use]
pub fn print(data: &[u8]) -> String {
    let written = Written::of(data);
    let ids: Vec<ObjectId> = [written.genesis.id()]
        .into_iter()
        .chain(written.objects.iter().map(conclave_protocol::signed::Verified::id))
        .collect();
    // Ids show their first eight digits.
    let plain = |text: String| {
        let mut text = text;
        for (n, id) in ids.iter().enumerate() {
            let digits: String = id.to_string().chars().take(8).collect();
            for of in ["ObjectId", "AgentId", "UnitId", "RoomId"] {
                text = text.replace(&format!("{of}({digits}…)"), &format!("#{n}"));
            }
        }
        for (n, key) in keys().enumerate() {
            let word = if root_number(key).is_some() { "root" } else { "key" };
            text = text.replace(&format!("{key:?}"), &format!("{word} {n}"));
        }
        text
    };
    let mut list = String::new();
    for (n, object) in written.objects.iter().enumerate() {
        let header = &object.value().header;
        let log = &written.log;
        let verdict = match log.explain(object.id()).verdict {
            Verdict::Counts => "counts",
            Verdict::Void => "void",
            Verdict::Parked(_) => "waits",
            Verdict::Unknown => "not sound",
        };
        let line = format!(
            "#{} {:?} seq {} after {:?} under {:?}, height {}: {:?}: {verdict}",
            n + 1,
            header.author,
            header.seq,
            header.prev,
            header.authority,
            header.height,
            object.value().payload,
        );
        let _ = writeln!(list, "{}", plain(line));
    }
    list
}
