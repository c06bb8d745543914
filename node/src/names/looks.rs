//! How a name looks, and in which scripts its words are written.

use conclave_protocol::hidden::acts;
use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

/// How a name looks to the eye: two names with a look in common can be taken for each other.
///
/// Case is folded before and after: before, since `ALICE` is `alice`; after, since in `AIice` a
/// capital I plays a small l.
pub(super) fn looks(name: &str) -> Vec<String> {
    let visible: String = name.chars().filter(|c| !acts(*c)).collect();
    let folded = squeeze(&lower(&skeleton(&visible.to_lowercase()).collect::<String>()));
    let bare = squeeze(&lower(&skeleton(&visible).collect::<String>()));
    if folded == bare { vec![folded] } else { vec![folded, bare] }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Spaces, hyphens and low lines of any number are one space, and none at the ends; nor is other
/// punctuation there, which is easily overlooked.
fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for c in text.chars() {
        let gap = c.is_whitespace() || matches!(c, '-' | '_' | '‐'..='―' | '−' | '\u{30fc}');
        if !gap {
            squeezed.push(c);
        } else if !squeezed.ends_with(' ') {
            squeezed.push(' ');
        }
    }
    let edge = |c: char| c == ' ' || (c.is_ascii_punctuation()) || matches!(c, '·' | '’' | '‚');
    let trimmed = squeezed.trim_matches(edge);
    // A name of nothing but punctuation looks like just that.
    if trimmed.is_empty() { squeezed } else { trimmed.to_owned() }
}

/// Spaces that look like the usual one and are none. The wide space of Chinese and Japanese is
/// usual there.
pub(super) fn is_odd_space(c: char) -> bool {
    c != ' ' && c != '\u{3000}' && c.is_whitespace()
}

/// The scripts that some word mixes in a way that no language does. Words are looked at one by
/// one: «Отдел IT» is an honest name, «Оtdel» is not.
pub(super) fn mixed_scripts(name: &str) -> Option<String> {
    let word = name.split(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).find(mixes)?;
    let mut scripts: Vec<Script> = Vec::new();
    for script in word.chars().map(|c| c.script()) {
        let of_all = matches!(script, Script::Common | Script::Inherited | Script::Unknown);
        if !of_all && !scripts.contains(&script) {
            scripts.push(script);
        }
    }
    let names: Vec<String> =
        scripts.iter().take(3).map(|script| script.full_name().replace('_', " ")).collect();
    match names.as_slice() {
        [first, second] => Some(format!("{first} and {second}")),
        [first, second, third] => Some(format!("{first}, {second} and {third}")),
        _ => None,
    }
}

/// Whether a word goes beyond what UTS 39 calls highly restrictive: one script, or Latin with
/// what Chinese, Japanese or Korean are written in.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that `find` wants")]
fn mixes(word: &&str) -> bool {
    let mut all = AugmentedScriptSet::default();
    let mut without_latin = AugmentedScriptSet::default();
    for c in word.chars() {
        let set = AugmentedScriptSet::for_char(c);
        all.intersect_with(set);
        if !set.base.contains_script(Script::Latin) {
            without_latin.intersect_with(set);
        }
    }
    let east = without_latin.hanb || without_latin.jpan || without_latin.kore;
    all.is_empty() && !east
}
