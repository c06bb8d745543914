//! Characters that cannot be seen, or act on what stands around them: one list for names, for
//! terminals and for logs.
//!
//! The lists are written out, so that what a program shows does not depend on the version of
//! Unicode that it was built with.

use unicode_normalization::char::is_combining_mark;

/// Most marks on one letter; no living script needs more, and a pile of them covers the lines
/// above and below.
const MARKS_MAX: usize = 8;

/// What is the matter with a character where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be seen, or acts instead of being seen.
    Hidden,
    /// One mark too many on one letter.
    Pile,
}

/// Whether a character acts on a terminal or on the text around it, or is never seen: controls,
/// marks of direction, tags, fillers, separators of lines and paragraphs.
#[must_use]
pub fn acts(c: char) -> bool {
    // The last two places of each plane are no characters.
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

/// Joiners and selectors of variants: never seen themselves, but several scripts and many emoji
/// need them.
#[must_use]
pub fn shapes(c: char) -> bool {
    joins(c) || selects(c)
}

/// The characters of a text, each with what is the matter with it. What shapes is right only
/// between characters that can be shaped, and marks only up to a height.
pub fn faults(text: &str) -> impl Iterator<Item = (char, Option<Fault>)> + '_ {
    let mut rest = text.chars();
    let mut before: Option<char> = None;
    let mut marks = 0;
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let after = rest.as_str().chars().next();
        if is_combining_mark(c) {
            marks += 1;
        } else if !shapes(c) {
            marks = 0;
        }
        let shaped = before.is_some_and(shapeable);
        let fault = if acts(c) {
            Some(Fault::Hidden)
        } else if joins(c) {
            let varied = before.is_some_and(selects);
            let fits = (shaped || varied) && after.is_some_and(shapeable);
            (!fits).then_some(Fault::Hidden)
        } else if selects(c) {
            let key = before.is_some_and(|b| b.is_ascii_digit() || matches!(b, '#' | '*'))
                && after == Some('\u{20e3}');
            (!shaped && !key).then_some(Fault::Hidden)
        } else {
            (marks > MARKS_MAX).then_some(Fault::Pile)
        };
        // What is not shown as itself gives no place to the next.
        before = Some(if fault.is_none() { c } else { '\0' });
        Some((c, fault))
    })
}

fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn selects(c: char) -> bool {
    matches!(
        c,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Whether joiners and selectors may change how a character looks: not in Latin, Greek, Cyrillic,
/// Armenian and Hebrew, where they could only hide.
fn shapeable(c: char) -> bool {
    let letters_of_europe = matches!(
        c,
        '\0'..='\u{5ff}'
            | '\u{1c80}'..='\u{1c8f}'
            | '\u{1d00}'..='\u{1fff}'
            | '\u{2000}'..='\u{203b}'
            | '\u{2c60}'..='\u{2c7f}'
            | '\u{a640}'..='\u{a69f}'
            | '\u{a720}'..='\u{a7ff}'
            | '\u{ab30}'..='\u{ab6f}'
            | '\u{fb00}'..='\u{fb4f}'
            | '\u{ff00}'..='\u{ff5e}'
            | '\u{1d400}'..='\u{1d7ff}'
    );
    matches!(c, '©' | '®') || !(letters_of_europe || acts(c) || shapes(c) || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(text: &str) -> usize {
        faults(text).filter(|(_, fault)| fault.is_some()).count()
    }

    #[test]
    fn what_people_write_is_seen() {
        for text in [
            "Grüße, 世界",
            "👩‍💻 ❤️‍🔥 👨‍👩‍👧‍👦 1️⃣ ©️ 🏳️‍🌈 👍🏽",
            "می‌خواهم",
            "क्‍ष श्री‍मान",
            "葛\u{e0100}",
            "ก็ ที่ นี้ê̂",
            "مرحبا שלום",
        ] {
            assert_eq!(faulty(text), 0, "{text}");
        }
    }

    #[test]
    fn what_hides_is_found() {
        for (text, count) in [
            ("a\u{200d}b", 1),
            ("al\u{200c}ice\u{200d}", 2),
            ("\u{1f469}\u{200d}\u{200d}\u{200d}\u{1f4bb}", 3),
            ("a\u{fe0f}", 1),
            ("\u{1f469}\u{fe0f}\u{fe0e}\u{fe00}", 2),
            ("1\u{fe0f}", 1),
            ("a\u{e0041}\u{e0042}", 2),
            ("a\u{ad}b\u{34f}c\u{180e}d\u{115f}e\u{3164}f\u{ffa0}g\u{2800}", 7),
            ("\u{fff9}a\u{fffa}b\u{fffb}\u{feff}\u{ffff}\u{fdd0}\u{1fffe}\u{10ffff}", 8),
            ("\u{202e}\u{2066}\u{2028}\u{2061}\u{206a}\u{200b}\u{200f}", 7),
            ("\u{1b}\u{9b}\u{7f}\0\r", 5),
        ] {
            assert_eq!(faulty(text), count, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn piles_of_marks_are_cut() {
        let pile = |n| format!("a{}b", "\u{301}".repeat(n));
        assert_eq!(faulty(&pile(MARKS_MAX)), 0);
        assert_eq!(faulty(&pile(MARKS_MAX + 5)), 5);
        // A joiner between the marks does not begin a new letter.
        let joined = format!("क{}", "\u{93c}\u{200d}".repeat(20));
        assert!(faulty(&joined) > 0);
    }
}
