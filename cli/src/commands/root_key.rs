//! Where the root key is and what its passphrase is, as commands that need it are told.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_node::identity::{Home, Passphrase, RootKey, RootKeyError};
use conclave_node::node::StartError;
use zeroize::Zeroizing;

use crate::error::CliError;

/// More than a passphrase may have, so that a longer one is told from one that just fits.
const LINE_BYTES_MAX: usize = 1026;
const PROMPT: &str = "Passphrase of the root key: ";

/// The root key, for commands that sign with it.
#[derive(Debug, Default, Args)]
pub(crate) struct RootKeyArgs {
    /// File with the root key [default: `root.key` in the home folder]
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// File whose first line is the passphrase of the root key; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
}

impl RootKeyArgs {
    /// The root key, if the command line says where it is.
    pub(crate) fn given(&self, home: &Path) -> Result<Option<RootKey>, CliError> {
        if self.root_key.is_none() && self.root_passphrase_file.is_none() {
            return Ok(None);
        }
        self.read(home).map(Some)
    }

    /// The root key, if it still lies in the home. One that is encrypted asks for its passphrase.
    pub(crate) fn at_hand(&self, home: &Path) -> Result<Option<RootKey>, CliError> {
        if !Home::root_key_path(home).exists() {
            return Ok(None);
        }
        self.read(home).map(Some)
    }

    /// Reads the file and, if it is encrypted, the passphrase: in the file that was named, or
    /// by asking on the terminal.
    fn read(&self, home: &Path) -> Result<RootKey, CliError> {
        let path = self.root_key.clone().unwrap_or_else(|| Home::root_key_path(home));
        let passphrase = match (RootKey::is_encrypted(&path)?, &self.root_passphrase_file) {
            (false, _) => None,
            (true, Some(file)) => Some(passphrase_in(file, Asked::Once)?),
            (true, None) if io::stdin().is_terminal() => Some(ask(Asked::Once)?),
            (true, None) => return Err(RootKeyError::NeedsPassphrase(path).into()),
        };
        Ok(RootKey::read(&path, passphrase.as_ref())?)
    }
}

impl From<RootKeyError> for CliError {
    fn from(error: RootKeyError) -> Self {
        StartError::from(error).into()
    }
}

/// How a person is asked for a passphrase.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An existing one: whether it is right is seen at once.
    Once,
    /// A new one: a slip of the finger would lock its owner out.
    Twice,
}

/// The first line of a file, or of standard input for `-`; if that is a terminal, it is asked
/// for without showing it.
pub(crate) fn passphrase_in(file: &Path, asked: Asked) -> Result<Passphrase, CliError> {
    let line = if file.as_os_str() != "-" {
        let opened = File::open(file);
        opened.and_then(first_line).map_err(|error| unreadable(file, &error))?
    } else if io::stdin().is_terminal() {
        return ask(asked);
    } else {
        first_line(io::stdin().lock()).map_err(|error| unreadable(file, &error))?
    };
    let line = std::str::from_utf8(&line).map_err(|_| {
        CliError::usage("the passphrase is not valid UTF-8", "convert it, for example by iconv")
    })?;
    checked(line)
}

fn ask(asked: Asked) -> Result<Passphrase, CliError> {
    let prompt = |text| {
        rpassword::prompt_password(text).map(Zeroizing::new).map_err(|error| {
            let message = format!("no passphrase was given: {error}");
            CliError::failed(
                message,
                "name a file that holds it with `--root-passphrase-file FILE`",
            )
        })
    };
    let text = prompt(PROMPT)?;
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

    use clap::Parser;
    use conclave_node::identity::Existing;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        root: RootKeyArgs,
    }

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
            assert_eq!(kind_of(passphrase_in(&file, Asked::Twice)).as_deref(), kind, "{content:?}");
        }
        let missing = passphrase_in(&folder.path().join("missing"), Asked::Once);
        assert_eq!(kind_of(missing).as_deref(), Some("not_found"));
        assert_eq!(kind_of(passphrase_in(folder.path(), Asked::Once)).as_deref(), Some("failed"));
    }

    #[test]
    fn the_key_is_in_the_home_or_where_it_was_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let [home, stick] = ["root.key", "stick.key"].map(|name| folder.path().join(name));
        let read = |line: &[&str]| {
            let command = Command::try_parse_from(std::iter::once(&"test").chain(line));
            command.expect("valid").root.read(folder.path())
        };
        let at_hand = || RootKeyArgs::default().at_hand(folder.path()).map(|key| key.is_some());
        assert_eq!(kind_of(read(&[])).as_deref(), Some("not_found"));
        assert_eq!(at_hand().ok(), Some(false));
        assert!(RootKeyArgs::default().given(folder.path()).is_ok_and(|key| key.is_none()));

        let key = RootKey::from_seed(&[5; 32]);
        key.write(&home, None, Existing::Refuse).expect("written");
        assert_eq!(read(&[]).expect("plain").public(), key.public());
        assert_eq!(at_hand().ok(), Some(true));

        let words = Passphrase::new("correct horse").expect("long enough");
        key.write(&stick, Some(&words), Existing::Refuse).expect("written");
        let moved = stick.to_str().expect("text");
        let file = folder.path().join("passphrase");
        fs::write(&file, "correct horse\n").expect("written");
        let given = ["--root-key", moved, "--root-passphrase-file", file.to_str().expect("text")];
        assert_eq!(read(&given).expect("encrypted").public(), key.public());
        if !io::stdin().is_terminal() {
            assert_eq!(kind_of(read(&["--root-key", moved])).as_deref(), Some("usage"));
        }
        fs::write(&file, "wrong horse\n").expect("written");
        assert_eq!(kind_of(read(&given)).as_deref(), Some("refused"));
    }
}
