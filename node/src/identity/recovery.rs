//! The recovery phrase: twenty-four words on paper, from which the next root key is derived.

use bip39::{Language, Mnemonic};
use conclave_protocol::id::ObjectId;
use conclave_protocol::keys::{DeviceKeys, recovery_hash, recovery_seed};
use zeroize::Zeroizing;

use super::{HomeError, RootKey, random_key};

const PHRASE_WORDS: usize = 24;

/// How many recoveries from one phrase are looked for; more than a company will ever need.
pub const RECOVERY_INDEX_MAX: u32 = conclave_protocol::keys::RECOVERY_KEYS;

/// A text that is no recovery phrase. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// The wrong number of words.
    #[error("a recovery phrase has 24 words, not {0}")]
    WordCount(usize),
    /// A word that is in no phrase.
    #[error("word {0} of the recovery phrase is not one of the words in use")]
    UnknownWord(usize),
    /// All words exist, but not together.
    #[error("the words do not fit together: one is wrong, or two are swapped")]
    Checksum,
}

/// A new recovery phrase of twenty-four English words, and the entropy that it stands for.
///
/// # Errors
/// [`HomeError::NoRandomness`].
pub fn new_recovery() -> Result<(Zeroizing<String>, Zeroizing<[u8; 32]>), HomeError> {
    let entropy = random_key()?;
    let mnemonic = Mnemonic::from_entropy_in(Language::English, &*entropy)
        .map_err(|error| HomeError::NoRandomness(error.to_string()))?;
    Ok((Zeroizing::new(mnemonic.to_string()), entropy))
}

/// The entropy that a recovery phrase stands for. Case and the space between words are free.
///
/// # Errors
/// [`PhraseError`].
pub fn parse_recovery_phrase(text: &str) -> Result<Zeroizing<[u8; 32]>, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() != PHRASE_WORDS {
        return Err(PhraseError::WordCount(words.len()));
    }
    let phrase = Zeroizing::new(words.join(" ").to_lowercase());
    let mnemonic =
        Mnemonic::parse_in(Language::English, phrase.as_str()).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => PhraseError::UnknownWord(index + 1),
            _ => PhraseError::Checksum,
        })?;
    let (entropy, length) = mnemonic.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    let key = entropy.get(..length).and_then(|bytes| bytes.try_into().ok());
    key.map(Zeroizing::new).ok_or(PhraseError::Checksum)
}

/// The root key that the `index`-th recovery from a phrase puts in place. `Genesis` commits to
/// index 1, and each recovery to the index after its own.
#[must_use]
pub fn recovery_root(entropy: &[u8; 32], index: u32) -> RootKey {
    RootKey::from_seed(&Zeroizing::new(recovery_seed(entropy, index)))
}

/// What signs the `index`-th recovery: the keys of [`recovery_root`].
#[must_use]
pub fn recovery_keys(entropy: &[u8; 32], index: u32) -> DeviceKeys {
    recovery_root(entropy, index).keys()
}

/// The hash by which `Genesis`, or the recovery before, commits to the `index`-th recovery key.
/// A recovery with index `i` names that of `i + 1` as the next one.
#[must_use]
pub fn recovery_commitment(entropy: &[u8; 32], index: u32) -> ObjectId {
    conclave_protocol::keys::recovery_commitment(entropy, index)
}

/// Which recovery key of a phrase opens a commitment; none if the phrase belongs to another
/// company, or was replaced.
#[must_use]
pub fn recovery_index(entropy: &[u8; 32], commitment: ObjectId) -> Option<u32> {
    let mut hash = ObjectId::default();
    for index in (1..=RECOVERY_INDEX_MAX).rev() {
        hash = recovery_hash(recovery_root(entropy, index).public(), hash);
        if hash == commitment {
            return Some(index);
        }
    }
    None
}
