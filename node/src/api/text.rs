//! What may be the text of a message.

use conclave_protocol::engine::{Failure, FailureKind};
use conclave_protocol::limits::TEXT_BYTES_MAX;

/// Checks a text before it is sent, in the process that has it.
///
/// # Errors
/// A [`Failure`] of kind `Usage` if the text is empty, larger than [`TEXT_BYTES_MAX`] or
/// holds a control character other than line feed and tab.
pub fn check_text(text: &str) -> Result<(), Failure> {
    let usage = |message: String, hint: &str| Err(Failure::new(FailureKind::Usage, message, hint));
    if text.trim().is_empty() {
        return usage("the text is empty".into(), "give the text of the message");
    }
    if text.len() > TEXT_BYTES_MAX {
        let message =
            format!("the text has {} bytes; a message holds at most {TEXT_BYTES_MAX}", text.len());
        return usage(message, "send it in several messages");
    }
    if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        let message = format!("the text holds the control character U+{:04X}", u32::from(c));
        return usage(message, "remove it; of control characters only line feed and tab are text");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_free_of_control_characters() {
        assert!(check_text("two\nlines\tand a tab, é, 👩‍💻").is_ok());
        assert!(check_text(&"é".repeat(TEXT_BYTES_MAX / 2)).is_ok());
        for bad in ["", "a\u{1b}[31m", "a\u{7f}", "a\u{9b}31m", "a\rb", "a\0"] {
            assert_eq!(check_text(bad).map_err(|f| f.kind), Err(FailureKind::Usage), "{bad:?}");
        }
        let long = format!("a{}", "é".repeat(TEXT_BYTES_MAX / 2));
        assert_eq!(check_text(&long).map_err(|f| f.kind), Err(FailureKind::Usage));
    }
}
