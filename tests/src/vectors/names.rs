//! Which texts are names.

use conclave_protocol::name::{NameError, check_name, normalize_name};
use serde::{Deserialize, Serialize};

/// A text in a signed object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameVector {
    /// The text.
    pub text: String,
    /// What a decoder says of it: `ok`, or the rule that it breaks. The same for ever.
    pub verdict: String,
}

/// A text that somebody types as a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedName {
    /// The text.
    pub text: String,
    /// The name that it becomes; null if it cannot be one. Depends on the version of Unicode,
    /// though not for these texts: their characters are old.
    pub name: Option<String>,
}

fn word(result: Result<(), NameError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(NameError::Empty) => "empty",
        Err(NameError::TooLong) => "too_long",
        Err(NameError::Control) => "control",
        Err(NameError::Separator) => "separator",
        Err(NameError::Edge) => "edge",
        Err(NameError::Hidden) => unreachable!("asked of new names only"),
    }
}

/// Texts for both.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "a",
        "Support",
        "Front Line",
        "M\u{fc}ller \u{6f22}",
        "Agent",
        "a.b-c_d (e) #1 @x",
        "\u{1f469}\u{200d}\u{1f680}",
        "\u{646}\u{200c}\u{627}",
        "\u{d55c}\u{ae00}",
        "q\u{323}\u{307}",
        "",
        " ",
        "\u{3000}\t",
        "\u{3000}\u{1680}",
        "\t",
        "\u{2028}",
        "\u{180e}",
        " a",
        "a ",
        "a\u{a0}",
        "\u{2003}a",
        "\u{85}a",
        "a\u{0}b",
        "a\nb",
        "a\u{1b}b",
        "a\u{7f}b",
        "a\u{9f}b",
        "a\u{1f}",
        "a/b",
        "a:b",
        "/",
        "e\u{301}",
        "\u{1112}\u{1161}\u{11ab}",
        "q\u{307}\u{323}",
        "\u{212b}",
        "\u{2126}",
        "\u{958}",
        "\u{344}",
        "\u{fb1d}",
    ]
    .map(str::to_owned)
    .to_vec();
    // Each character that is forbidden because it cannot be seen or turns the text, and the
    // neighbours that are not.
    let invisible = [
        0xad,
        0x61b,
        0x61c,
        0x61d,
        0x200a,
        0x200b,
        0x200e,
        0x200f,
        0x2010,
        0x2027,
        0x2028,
        0x2029,
        0x202a,
        0x202e,
        0x202f,
        0x205f,
        0x2060,
        0x2064,
        0x2066,
        0x2069,
        0x206a,
        0xfeff,
        0xfefe + 2,
        0xae,
    ];
    texts.extend(invisible.iter().filter_map(|n| Some(format!("a{}b", char::from_u32(*n)?))));
    for n in [64, 65] {
        texts.extend(["x", "\u{e9}", "\u{1f600}"].map(|c| c.repeat(n)));
    }
    texts.dedup();
    texts
}

/// Vectors of names in signed objects.
#[must_use]
pub fn names() -> Vec<NameVector> {
    let vector = |text: String| NameVector { verdict: word(check_name(&text)).to_owned(), text };
    // A code point that no version of Unicode knows yet, and one that has come late.
    let unknown = ["a\u{378}", "\u{1fae9}"].map(str::to_owned);
    texts().into_iter().chain(unknown).map(vector).collect()
}

/// Vectors of typed names.
#[must_use]
pub fn typed_names() -> Vec<TypedName> {
    let vector = |text: String| TypedName { name: normalize_name(&text).ok(), text };
    let long = "e\u{301}".repeat(64);
    texts().into_iter().chain([long]).map(vector).collect()
}
