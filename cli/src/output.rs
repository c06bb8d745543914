//! What commands print: JSON for programs, aligned text for people.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use conclave_node::api::time::Time;
use conclave_node::api::types::Message;
use jiff::tz::TimeZone;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::error::CliError;
use crate::escape;
use crate::marks::Marks;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, quiet, colour: !json && !plain && io::stdout().is_terminal() }
    }

    /// Whether JSON is wanted.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether hints and confirmations are unwanted.
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a result: the document as one line of JSON, or what `human` makes of it.
    pub(crate) fn show<T: Serialize>(
        &self,
        document: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json { self.document(document) } else { self.print(&human(document)) }
    }

    /// Prints one line of JSON, in every mode.
    pub(crate) fn document<T: Serialize>(&self, document: &T) -> Result<(), CliError> {
        let line = serde_json::to_string(document).map_err(|error| {
            CliError::failed(format!("a result has no JSON: {error}"), "report this")
        })?;
        self.print(&escape::json(&line))
    }

    /// Prints text as it is, with a line break at the end unless it is empty.
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") })
            .and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::OutputClosed,
            _ => CliError::failed(
                format!("standard output cannot be written: {error}"),
                "make room where it goes, or send it elsewhere",
            ),
        })
    }

    /// Tells a person something that is no result, on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            // That nobody reads it changes nothing.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Confirms a change. Silent with `--quiet`.
    pub(crate) fn done<T: Serialize>(
        &self,
        document: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.quiet && !self.json { Ok(()) } else { self.show(document, human) }
    }

    /// A table with a head, its columns aligned; `empty` instead if there are no rows.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>], empty: &str) -> String {
        if rows.is_empty() {
            return empty.to_owned();
        }
        let mut widths: Vec<usize> = head.iter().map(|cell| cell.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let layout = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (cell, width) in cells.zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
            }
            line.trim_end().to_owned()
        };
        let mut lines = vec![self.dim(layout(&mut head.iter().copied()))];
        lines.extend(rows.iter().map(|row| layout(&mut row.iter().map(String::as_str))));
        lines.join("\n")
    }

    /// A message, on as many lines as its text has.
    pub(crate) fn message(&self, message: &Message) -> String {
        self.marked_message(message, &Marks::default())
    }

    /// The same with a note beside its author's name, if that deceives.
    pub(crate) fn marked_message(&self, message: &Message, marks: &Marks) -> String {
        let time = moment(message.time);
        let author = escape::line(&message.author.name);
        let note = match marks.beside(message.author.id) {
            note if note.is_empty() => note,
            note => self.dim(note),
        };
        // Lines after the first begin under the author, so that none passes for a message.
        let text = escape::block(&message.text, time.len() + 2);
        let state = match message.state.as_str() {
            "accepted" => String::new(),
            other => format!(" {}", self.dim(format!("({})", escape::line(other)))),
        };
        format!("{}  {}{note}{state}  {text}", self.dim(time), self.bold(author))
    }

    /// Bold, on a terminal.
    pub(crate) fn bold(&self, text: impl Display) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// Less bright, on a terminal.
    pub(crate) fn dim(&self, text: impl Display) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// A moment in the time zone of this computer.
pub(crate) fn moment(time: Time) -> String {
    let zoned = time.moment().to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M").to_string()
}

/// The first digits of an id: enough to recognise one.
pub(crate) fn short(id: impl Display) -> String {
    let mut text = id.to_string();
    text.truncate(12);
    text
}

/// Names of others in one cell.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return "-".to_owned();
    }
    names.iter().map(|name| escape::line(name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A word as a POSIX shell takes it, for commands that a hint proposes.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", escape::line(&text.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Output = Output { json: false, quiet: false, colour: false };

    #[test]
    fn tables_are_aligned_whatever_the_script() {
        let rows = vec![
            vec!["支援".to_owned(), "1".to_owned()],
            vec!["Front Line".to_owned(), "20".to_owned()],
        ];
        let table = PLAIN.table(&["NAME", "UNREAD"], &rows, "none");
        assert_eq!(table, "NAME        UNREAD\n支援        1\nFront Line  20");
        assert_eq!(PLAIN.table(&["NAME"], &[], "none"), "none");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_word("alice"), "alice");
        assert_eq!(shell_word("Front Line"), "'Front Line'");
        assert_eq!(shell_word("O'Hara; rm"), "'O'\\''Hara; rm'");
        assert_eq!(shell_word(""), "''");
    }
}
