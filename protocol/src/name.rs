//! Names of companies, agents, units and rooms: one rule for all.

use unicode_normalization::UnicodeNormalization;

use crate::hidden::faults;
use crate::limits::NAME_CHARS_MAX;

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name cannot be empty")]
    Empty,
    /// More than [`NAME_CHARS_MAX`] characters.
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// A control character, or an invisible one that changes the direction of text.
    #[error("a name cannot hold control characters")]
    Control,
    /// `/` or `:`, which separate the parts of a unit's name.
    #[error("a name cannot hold '/' or ':'")]
    Separator,
    /// Characters that cannot be seen, or more marks on a letter than can be read. Asked of new
    /// names only.
    #[error("a name cannot hold invisible characters or piles of marks")]
    Hidden,
    /// White space at either end.
    #[error("a name cannot begin or end with a space")]
    Edge,
}

/// A typed name in the form in which it is stored: NFC, without white space at its ends.
///
/// # Errors
/// [`NameError`] says which rule the text breaks.
pub fn normalize_name(typed: &str) -> Result<String, NameError> {
    // Bounds the work before normalising: a composed character has at most 18 code points.
    if typed.chars().nth(NAME_CHARS_MAX * 18).is_some() {
        return Err(NameError::TooLong);
    }
    let name: String = typed.trim().nfc().collect();
    check_name(&name)?;
    Ok(name)
}

/// A typed name that is about to be given to something, in the form in which it is stored.
///
/// Asks more than [`check_name`]: a name that hides something is not made here. What others have
/// made is well formed all the same, since nodes must not differ about that; it is shown with a
/// note.
///
/// # Errors
/// [`NameError`] says which rule the text breaks.
pub fn new_name(typed: &str) -> Result<String, NameError> {
    let name = normalize_name(typed)?;
    if faults(&name).any(|(_, fault)| fault.is_some()) {
        return Err(NameError::Hidden);
    }
    Ok(name)
}

/// Checks a name that arrived in a signed object. Whether it is in normalisation form C is not
/// asked: that depends on the version of Unicode that a program knows, and nodes must not differ
/// about what is well formed.
///
/// # Errors
/// [`NameError`] says which rule it breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.chars().all(is_space) {
        return Err(NameError::Empty);
    }
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(NameError::TooLong);
    }
    if name.chars().any(|c| c.is_control() || is_direction_mark(c)) {
        return Err(NameError::Control);
    }
    if name.contains(['/', ':']) {
        return Err(NameError::Separator);
    }
    if name.starts_with(is_space) || name.ends_with(is_space) {
        return Err(NameError::Edge);
    }
    Ok(())
}

/// A name in normalisation form C, to find out whether two look the same.
#[must_use]
pub fn normal_form(name: &str) -> String {
    name.nfc().collect()
}

/// White space that is no control character, written out: the list must never change.
fn is_space(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Characters that cannot be seen, or reorder the text around them, and so make one name look
/// like another. The joiners U+200C and U+200D stay: names in several scripts need them.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_bounded() {
        assert_eq!(normalize_name("  Ame\u{301}lie ").as_deref(), Ok("Am\u{e9}lie"));
        assert_eq!(normalize_name(" \t"), Err(NameError::Empty));
        assert_eq!(normalize_name("a\u{7}b"), Err(NameError::Control));
        assert_eq!(normalize_name("a\u{202e}b"), Err(NameError::Control));
        assert_eq!(normalize_name("Support/Front"), Err(NameError::Separator));
        assert_eq!(normalize_name("a:b"), Err(NameError::Separator));
        assert!(normalize_name(&"é".repeat(64)).is_ok());
        assert_eq!(normalize_name(&"é".repeat(65)), Err(NameError::TooLong));
        assert_eq!(check_name("e\u{301}"), Ok(()));
        assert_eq!(check_name("\u{3000}a"), Err(NameError::Edge));
    }

    #[test]
    fn new_names_hide_nothing() {
        for name in ["al\u{200d}ice", "bob\u{e0041}", "eve\u{3164}", "m\u{180e}x"] {
            assert_eq!(new_name(name), Err(NameError::Hidden), "{name:?}");
            assert_eq!(check_name(name), Ok(()), "{name:?}: it may be in a log already");
        }
        for name in ["Zoë", "👩‍💻", "می‌خواهم", "O'Hara & <b>"] {
            assert!(new_name(name).is_ok(), "{name}");
        }
        assert_eq!(new_name("a\u{202e}b"), Err(NameError::Control));
    }
}
