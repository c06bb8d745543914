//! Where the root key is and what its passphrase is, as commands that need it are told.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_node::identity::{Home, RootKey, RootKeyError};
use conclave_node::node::StartError;

use super::ask::{Asked, Words, ask, passphrase_in};
use crate::error::CliError;

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
            (true, Some(file)) => Some(passphrase_in(file, Asked::Once, Words::RootKey)?),
            (true, None) if io::stdin().is_terminal() => Some(ask(Asked::Once, Words::RootKey)?),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use conclave_node::identity::{Existing, Passphrase};

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
