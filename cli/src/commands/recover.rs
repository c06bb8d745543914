//! `conclave recover`: a new root key from the recovery phrase.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_node::api::types::Recovered;
use conclave_node::identity::{
    Existing, Home, Passphrase, RootKey, RootKeyError, parse_recovery_phrase, recovery_root,
};
use conclave_protocol::id::{DeviceId, ObjectId};
use serde::Serialize;
use zeroize::Zeroizing;

use super::ask::{Asked, Words, passphrase_in};
use super::change::{ChangeArgs, finish, lines, tell};
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::short;

/// Several times what twenty-four words with their numbers have.
const PHRASE_BYTES_MAX: usize = 4096;

/// Replace a lost or stolen root key by one from the recovery phrase
///
/// The old root key can sign nothing any more; what it signed before stands, or what came up
/// to `--last-good`. The new one is written to `root.key` in the home folder. The phrase goes
/// on being the one for the next time. Done on two computers that have not heard of each other,
/// it is one recovery: of the old key's objects those stand that both leave.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// File with the 24 words; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    phrase_file: PathBuf,
    /// The last object of `conclave log` that the old root key signed and that still counts
    /// [default: all that are known here]
    #[arg(long, value_name = "ID")]
    last_good: Option<String>,
    /// Encrypt the new root key with the first line of this file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Serialize)]
struct Document {
    root: DeviceId,
    old_root: DeviceId,
    index: u32,
    objects: Vec<ObjectId>,
    /// Where the new root key is.
    root_key: String,
    /// Where a file that was in its place is now.
    replaced: Option<String>,
}

#[derive(Serialize)]
struct Dry {
    dry_run: bool,
    subject: &'static str,
    root: DeviceId,
    old_root: DeviceId,
    index: u32,
    #[serde(flatten)]
    effects: conclave_node::api::types::Effects,
}

pub(crate) async fn run(context: &Context, args: &RecoverArgs) -> Result<(), CliError> {
    let from_stdin = |file: &Path| file.as_os_str() == "-";
    let passphrase_file = args.root_passphrase_file.as_deref();
    if from_stdin(&args.phrase_file) && passphrase_file.is_some_and(from_stdin) {
        return Err(CliError::usage(
            "phrase and passphrase cannot both come from standard input",
            "name a file for one of them",
        ));
    }
    let entropy = phrase_in(&args.phrase_file)?;
    let passphrase = match passphrase_file.filter(|_| !args.how.dry_run) {
        Some(file) => Some(passphrase_in(file, Asked::Twice, Words::RootKey)?),
        None => None,
    };
    let client = context.client()?;
    let out = &context.out;
    let last_good = args.last_good.as_deref();
    let planned = client.recover(&entropy, last_good, true).await?;
    if args.how.dry_run {
        return out.show(&dry(planned), dry_text);
    }
    tell(out, &planned.effects);
    let recovered = client.recover(&entropy, last_good, false).await?;
    let root = recovery_root(&entropy, recovered.index);
    let kept = keep(&context.home, &root, passphrase.as_ref(), recovered.old_root)?;
    let mut words = format!(
        "The root key is replaced: the old one can sign nothing any more.\nThe new one is in {}.",
        escape::line(&kept.path)
    );
    if let Some(replaced) = &kept.replaced {
        words += &format!("\nThe file that was there is now {}.", escape::line(replaced));
    }
    words += "\nMove the new one to a medium that is kept apart, and keep the recovery phrase: it \
              serves the next time too.";
    let document = Document {
        root: recovered.new_root,
        old_root: recovered.old_root,
        index: recovered.index,
        objects: recovered.objects,
        root_key: kept.path,
        replaced: kept.replaced,
    };
    finish(context, &client, &args.how, document, &words, recovered.effects).await
}

fn dry(planned: Recovered) -> Dry {
    Dry {
        dry_run: true,
        subject: "the root key",
        root: planned.new_root,
        old_root: planned.old_root,
        index: planned.index,
        effects: planned.effects,
    }
}

fn dry_text(dry: &Dry) -> String {
    let mut text = vec![format!(
        "The phrase fits. It would replace the root key {} by {}.",
        short(dry.old_root),
        short(dry.root)
    )];
    text.extend(lines(&dry.effects));
    text.push("Nothing was changed.".to_owned());
    text.join("\n")
}

/// Where the root key is now.
struct Kept {
    path: String,
    replaced: Option<String>,
}

/// Writes the new root key in the place of the old one, which is set aside and never destroyed.
fn keep(
    home: &Path,
    root: &RootKey,
    passphrase: Option<&Passphrase>,
    old_root: DeviceId,
) -> Result<Kept, CliError> {
    let path = Home::root_key_path(home);
    let shown = path.display().to_string();
    let replaced = set_aside(&path, old_root).map_err(|error| unkept(&path, &error))?;
    match root.write(&path, passphrase, Existing::Refuse) {
        Ok(()) => {}
        Err(RootKeyError::Io { detail, .. }) => {
            return Err(unkept(&path, &io::Error::other(detail)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Kept { path: shown, replaced: replaced.map(|path| path.display().to_string()) })
}

fn set_aside(path: &Path, old_root: DeviceId) -> io::Result<Option<PathBuf>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    // Of an encrypted one nobody can say whose it is; by all likelihood it is the old root key.
    let held = RootKey::read(path, None).map_or(old_root, |key| key.public());
    let digits: String = held.to_string().chars().take(8).collect();
    let mut aside = path.with_file_name(format!("root.key.replaced-{digits}"));
    for number in 2.. {
        if fs::symlink_metadata(&aside).is_err() {
            break;
        }
        aside = path.with_file_name(format!("root.key.replaced-{digits}-{number}"));
    }
    fs::rename(path, &aside)?;
    Ok(Some(aside))
}

/// The change is made; only the file is missing, and the phrase can make another.
fn unkept(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(
        format!(
            "the root key is replaced, but the new one cannot be written to {}: {error}",
            path.display()
        ),
        "make room for it and run `conclave recover` once more, which replaces it again",
    )
}

/// What the phrase in a file, or on standard input for `-`, stands for.
fn phrase_in(file: &Path) -> Result<Zeroizing<[u8; 32]>, CliError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PHRASE_BYTES_MAX + 1));
    let limit = PHRASE_BYTES_MAX as u64 + 1;
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { "not_found" } else { "failed" };
        let message = format!("the phrase file {} cannot be read: {error}", file.display());
        CliError::new(kind, message, "name a file that holds the 24 words, or `-`")
    })?;
    let hint = "write the 24 words that `conclave init` showed, with blanks between them";
    if bytes.len() > PHRASE_BYTES_MAX {
        return Err(CliError::usage("the file is too long for a recovery phrase", hint));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| CliError::usage("the recovery phrase is not text", hint))?;
    // `init` shows the words with numbers, and so they may have been written down.
    let mut words = Zeroizing::new(String::with_capacity(PHRASE_BYTES_MAX));
    let number = |word: &&str| word.trim_end_matches('.').bytes().all(|b| b.is_ascii_digit());
    for word in text.split_whitespace().filter(|word| !number(word)) {
        words.push_str(word);
        words.push(' ');
    }
    parse_recovery_phrase(&words).map_err(|error| CliError::usage(error.to_string(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_may_be_numbered_and_nothing_else_passes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("phrase");
        let read = |text: &str| {
            fs::write(&file, text).expect("written");
            phrase_in(&file)
        };
        let phrase = format!("{}art", "abandon ".repeat(23));
        let plain = read(&phrase).expect("a phrase");
        let numbered = phrase.split(' ').enumerate();
        let numbered: Vec<_> = numbered.map(|(at, word)| format!("{} {word}\n", at + 1)).collect();
        assert_eq!(*read(&numbered.concat()).expect("a phrase"), *plain);
        for bad in ["", "abandon", &phrase.replace("art", "abandon"), &"a ".repeat(4000)] {
            let Err(CliError::Problem(problem)) = read(bad) else { panic!("a phrase: {bad}") };
            assert_eq!(problem.kind, "usage");
            assert!(!problem.message.contains("abandon"), "{}", problem.message);
        }
    }

    #[test]
    fn no_root_key_is_destroyed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Home::root_key_path(folder.path());
        let [old, new, newest] = [1, 2, 3].map(|byte| RootKey::from_seed(&[byte; 32]));
        let first = keep(folder.path(), &old, None, new.public()).expect("kept");
        assert_eq!(first.replaced, None);
        let second = keep(folder.path(), &new, None, old.public()).expect("kept");
        let aside = second.replaced.expect("set aside");
        assert!(aside.ends_with(&old.public().to_string()[..8]), "{aside}");
        let read = |path: &Path| RootKey::read(path, None).expect("a key").public();
        assert_eq!(read(Path::new(&aside)), old.public());
        // The place of the copy may be taken.
        fs::copy(&aside, &path).expect("copied");
        let third = keep(folder.path(), &newest, None, new.public()).expect("kept");
        assert!(third.replaced.expect("set aside").ends_with("-2"));
        assert_eq!((read(&path), read(Path::new(&aside))), (newest.public(), old.public()));
    }
}
