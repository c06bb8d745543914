//! Asking for a passphrase: on the terminal, in a file, or on standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use conclave_node::identity::{Home, Passphrase};
use conclave_node::node::StartError;
use zeroize::Zeroizing;

use crate::error::CliError;

/// More than a passphrase may have, so that a longer one is told from one that just fits.
const LINE_BYTES_MAX: usize = 1026;

/// What a passphrase is for, for whoever is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// The root key.
    RootKey,
    /// The keys of a home.
    Home,
    /// The same, when it is about to be changed.
    CurrentHome,
    /// The one that takes its place.
    NewHome,
}

impl Words {
    fn prompt(self) -> &'static str {
        match self {
            Self::RootKey => "Passphrase of the root key: ",
            Self::Home => "Passphrase of this home: ",
            Self::CurrentHome => "Current passphrase of this home: ",
            Self::NewHome => "New passphrase of this home: ",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::RootKey => "name a file that holds it with `--root-passphrase-file FILE`",
            Self::Home | Self::NewHome => {
                "name a file that holds it with `--passphrase-file FILE`, or `-` for standard input"
            }
            Self::CurrentHome => {
                "name a file that holds it with `--current-passphrase-file FILE`, or `-` for \
                 standard input"
            }
        }
    }

    /// From the file that was named, or from the terminal; without either there is none.
    pub(super) fn given(
        self,
        file: Option<&Path>,
        asked: Asked,
    ) -> Result<Option<Passphrase>, CliError> {
        match file {
            Some(file) => passphrase_in(file, asked, self).map(Some),
            None if io::stdin().is_terminal() => ask(asked, self).map(Some),
            None => Ok(None),
        }
    }

    /// The same, where it is needed.
    pub(super) fn needed(self, file: Option<&Path>, asked: Asked) -> Result<Passphrase, CliError> {
        self.given(file, asked)?.ok_or_else(|| {
            let message = match self {
                Self::NewHome => "a new passphrase is missing",
                _ => "the keys of this home are protected by a passphrase, and none was given",
            };
            CliError::usage(message, self.hint())
        })
    }
}

/// What opens the keys of a home, if they are protected; nobody is asked otherwise.
pub(super) fn opens(home: &Path, file: Option<&Path>) -> Result<Option<Passphrase>, CliError> {
    if !is_protected(home)? {
        return Ok(None);
    }
    Words::Home.needed(file, Asked::Once).map(Some)
}

/// The same for a command that makes the keys if there are none: a passphrase that is given
/// protects them from then on.
pub(super) fn opens_or_protects(
    home: &Path,
    file: Option<&Path>,
) -> Result<Option<Passphrase>, CliError> {
    if is_protected(home)? {
        return Words::Home.needed(file, Asked::Once).map(Some);
    }
    file.map(|file| passphrase_in(file, Asked::Twice, Words::NewHome)).transpose()
}

/// Whether the keys in a home, if there is one, open only with a passphrase.
pub(super) fn is_protected(home: &Path) -> Result<bool, CliError> {
    if !Home::is_home(home) {
        return Ok(false);
    }
    let needs = Home::open(home).and_then(|home| home.needs_passphrase());
    needs.map_err(|error| StartError::from(error).into())
}

/// How a person is asked for a passphrase.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// An existing one: whether it is right is seen at once.
    Once,
    /// A new one: a slip of the finger would lock its owner out.
    Twice,
}

/// The first line of a file, or of standard input for `-`; if that is a terminal, it is asked
/// for without showing it.
pub(super) fn passphrase_in(
    file: &Path,
    asked: Asked,
    words: Words,
) -> Result<Passphrase, CliError> {
    let line = if file.as_os_str() != "-" {
        let opened = File::open(file);
        opened.and_then(first_line).map_err(|error| unreadable(file, &error))?
    } else if io::stdin().is_terminal() {
        return ask(asked, words);
    } else {
        first_line(io::stdin().lock()).map_err(|error| unreadable(file, &error))?
    };
    let line = std::str::from_utf8(&line).map_err(|_| {
        CliError::usage("the passphrase is not valid UTF-8", "convert it, for example by iconv")
    })?;
    checked(line)
}

/// Asks on the terminal, without showing what is typed.
pub(super) fn ask(asked: Asked, words: Words) -> Result<Passphrase, CliError> {
    let prompt = |text| {
        rpassword::prompt_password(text).map(Zeroizing::new).map_err(|error| {
            let message = format!("no passphrase was given: {error}");
            CliError::failed(message, words.hint())
        })
    };
    let text = prompt(words.prompt())?;
    let passphrase = checked(&text)?;
    if asked == Asked::Twice && prompt("The same once more: ")? != text {
        return Err(CliError::usage("the two passphrases differ", "try again"));
    }
    Ok(passphrase)
}

fn checked(text: &str) -> Result<Passphrase, CliError> {
    Passphrase::new(text).map_err(|error| {
        let hint = "it is one line of at least 8 characters; several words are good";
        CliError::usage(error.to_string(), hint)
    })
}

/// Reads byte by byte, so that nothing behind the line is taken and no buffer keeps a copy.
fn first_line(mut input: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut byte = [0];
    while line.len() < LINE_BYTES_MAX {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) => line.extend_from_slice(&byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn unreadable(file: &Path, error: &io::Error) -> CliError {
    let kind = if error.kind() == io::ErrorKind::NotFound { "not_found" } else { "failed" };
    let message = format!("the passphrase file {} cannot be read: {error}", file.display());
    CliError::new(kind, message, "name a file whose first line is the passphrase, or `-`")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn kind_of<T>(result: Result<T, CliError>) -> Option<String> {
        match result {
            Ok(_) => None,
            Err(CliError::OutputClosed) => Some("output closed".to_owned()),
            Err(CliError::Problem(problem)) => {
                assert!(!problem.hint.is_empty(), "{}", problem.message);
                Some(problem.kind)
            }
        }
    }

    #[test]
    fn the_first_line_is_the_passphrase() {
        let line = |text: &[u8]| first_line(text).expect("in memory").to_vec();
        assert_eq!(line(b"correct horse\nbattery"), b"correct horse");
        assert_eq!(line(b" correct horse \r\n"), b" correct horse ");
        assert_eq!(line(b"correct horse"), b"correct horse");
        assert_eq!(line(b"\n"), b"");
        assert_eq!(line(b""), b"");
        assert_eq!(line(&[b'a'; 100_000]).len(), LINE_BYTES_MAX);
    }

    #[test]
    fn bad_passphrase_files_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("passphrase");
        for (content, kind) in [
            (&b"correct horse\n"[..], None),
            (b"", Some("usage")),
            (b"\ncorrect horse\n", Some("usage")),
            (b"seven77\nmore", Some("usage")),
            (b"correct \xff horse", Some("usage")),
            (&[b'a'; 5000], Some("usage")),
        ] {
            fs::write(&file, content).expect("written");
            assert_eq!(
                kind_of(passphrase_in(&file, Asked::Twice, Words::NewHome)).as_deref(),
                kind,
                "{content:?}"
            );
        }
        let missing = passphrase_in(&folder.path().join("missing"), Asked::Once, Words::Home);
        assert_eq!(kind_of(missing).as_deref(), Some("not_found"));
        assert_eq!(
            kind_of(passphrase_in(folder.path(), Asked::Once, Words::Home)).as_deref(),
            Some("failed")
        );
    }
}
