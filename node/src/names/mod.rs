//! Names that deceive: which ones, and in plain words why.
//!
//! A name is signed data that others made. Nothing refuses one that is well formed, so whoever
//! shows it says what is odd about it: it holds what cannot be seen, mixes scripts within a word,
//! looks like another name in use, or like a word of the program itself. What looks alike is
//! Unicode's list of confusable characters (UTS 39); nothing but notes depends on it.

mod looks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use conclave_protocol::hidden::{Fault, faults};
use conclave_protocol::id::ObjectId;
use conclave_protocol::name::normal_form;
use conclave_protocol::view::{NameView, NamedKind};

use self::looks::{is_odd_space, looks, mixed_scripts};

/// What an agent cannot be called without being taken for the program or for everybody.
const WORDS_OF_THE_PROGRAM: [&str; 14] = [
    "admin",
    "administrator",
    "admins",
    "anonymous",
    "conclave",
    "everybody",
    "everyone",
    "me",
    "nobody",
    "root",
    "root key",
    "system",
    "the root key",
    "you",
];

/// A name that deceives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Who bears it.
    pub(crate) id: ObjectId,
    /// The name.
    pub(crate) name: String,
    /// Why, in plain words.
    pub(crate) note: String,
}

/// All names in use, by how they look.
pub(crate) struct Names {
    names: Vec<(NameView, Vec<String>)>,
    /// Live bearers by kind and look, as places in the list, the plainest name first.
    alike: BTreeMap<NamedKind, HashMap<String, Vec<usize>>>,
    words: BTreeSet<String>,
}

impl Names {
    /// Looks at all names.
    pub(crate) fn new(names: Vec<NameView>) -> Self {
        let looked = |name: NameView| {
            let looks = looks(&plain(&name.name));
            (name, looks)
        };
        let names: Vec<_> = names.into_iter().map(looked).collect();
        let mut alike: BTreeMap<NamedKind, HashMap<String, Vec<usize>>> = BTreeMap::new();
        for (place, (name, looks)) in names.iter().enumerate().filter(|(_, (n, _))| n.live) {
            let of_kind = alike.entry(name.kind).or_default();
            for look in looks {
                of_kind.entry(look.clone()).or_default().push(place);
            }
        }
        // Of those who look alike the plainest is most likely the one that others imitate.
        let plainness = |place: &usize| {
            let Some((name, looks)) = names.get(*place) else { return (true, true, true) };
            let name = plain(&name.name);
            let imitates = looks.as_slice() != [name.to_lowercase()];
            (!oddities(&name).is_empty(), !name.is_ascii(), imitates)
        };
        for bearers in alike.values_mut().flat_map(HashMap::values_mut).filter(|b| b.len() > 1) {
            bearers.sort_by_cached_key(|place| (plainness(place), *place));
        }
        let words = WORDS_OF_THE_PROGRAM.iter().flat_map(|word| looks(word)).collect();
        Self { names, alike, words }
    }

    /// The names that deceive, in the order in which the names came.
    pub(crate) fn marked(&self) -> Vec<Marked> {
        let marked = |(place, (name, looks)): (usize, &(NameView, Vec<String>))| {
            let note = self.note(&plain(&name.name), looks, name.kind, |at| at != place)?;
            Some(Marked { id: name.id, name: name.name.clone(), note })
        };
        self.names.iter().enumerate().filter_map(marked).collect()
    }

    /// What is odd about the name that a newcomer asks for. That the very same name is taken is
    /// said elsewhere.
    pub(crate) fn note_for_newcomer(&self, name: &str) -> Option<String> {
        let same = normal_form(name);
        let other =
            |at: usize| self.names.get(at).is_some_and(|(n, _)| normal_form(&n.name) != same);
        self.note(name, &looks(name), NamedKind::Agent, other)
    }

    fn note(
        &self,
        name: &str,
        looks: &[String],
        kind: NamedKind,
        is_other: impl Fn(usize) -> bool,
    ) -> Option<String> {
        let mut notes = oddities(name);
        let of_kind = self.alike.get(&kind);
        let bearers: Vec<&[usize]> =
            looks.iter().filter_map(|look| Some(of_kind?.get(look)?.as_slice())).collect();
        // One other bearer is named, and of the rest only that there are some.
        let first = bearers.iter().find_map(|b| b.iter().find(|at| is_other(**at)));
        if let Some((other, _)) = first.and_then(|place| self.names.get(*place)) {
            let count = bearers.iter().map(|b| b.len()).max().unwrap_or_default();
            let more = match count.saturating_sub(2) {
                0 => String::new(),
                _ => " and others".to_owned(),
            };
            notes.push(format!("looks like \"{}\" ({}){more}", other.name, kind.word()));
        }
        if kind == NamedKind::Agent && looks.iter().any(|look| self.words.contains(look)) {
            notes.push("could be taken for a word of the program".to_owned());
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// The name, with that of its Department if it has one, without the digits by which the control
/// log tells equal names apart: no name can hold `:` or `/`.
fn plain(shown: &str) -> Cow<'_, str> {
    if !shown.contains(':') {
        return Cow::Borrowed(shown);
    }
    let part = |part: &'_ str| part.split_once(':').map_or(part, |(name, _)| name).to_owned();
    Cow::Owned(shown.split('/').map(part).collect::<Vec<_>>().join("/"))
}

/// What is odd about a name by itself.
fn oddities(name: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if name.is_ascii() {
        return notes;
    }
    let found = |wanted| faults(name).any(|(_, fault)| fault == Some(wanted));
    if found(Fault::Hidden) {
        notes.push("holds hidden characters".to_owned());
    }
    if found(Fault::Pile) {
        notes.push("piles up marks on a letter".to_owned());
    }
    if name.chars().any(is_odd_space) {
        notes.push("holds unusual spaces".to_owned());
    }
    if let Some(scripts) = mixed_scripts(name) {
        notes.push(format!("mixes {scripts}"));
    }
    notes
}
