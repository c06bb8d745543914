//! The recovery phrase: twenty-four words on paper, from which the next root key is derived.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::{HomeError, random_key};

const PHRASE_WORDS: usize = 24;

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
