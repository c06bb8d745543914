//! Browsers that are let in: one-time links, and the sessions that they open.
//!
//! A link is for one browser and a few minutes; it lives in memory only. A session is a random
//! cookie of which only the hash is kept, in a 0600 file of the home, so that a page stays
//! usable when the node is started again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blake3::Hash;
use conclave_protocol::time::Timestamp;
use data_encoding::HEXLOWER;
use tokio::sync::watch;

use super::time::Time;
use super::types::OpenLink;
use crate::driver::now;
use crate::identity::{Home, HomeError, KeptSession};

/// Links that may be open at once; one more ends the oldest.
const LINKS_MAX: usize = 16;
/// How long a link may be used.
const LINK_TIME_MAX: Duration = Duration::from_mins(10);
/// Browsers that may be let in at once; one more ends the oldest.
const SESSIONS_MAX: usize = 64;
/// How long a browser stays let in.
pub(super) const SESSION_TIME_MAX: Duration = Duration::from_hours(30 * 24);
/// Bytes of a code or cookie.
const SECRET_BYTES: usize = 20;

/// What opens something, by its hash, until it ends.
#[derive(Clone, Copy)]
struct Pass {
    hash: Hash,
    expires: Timestamp,
}

/// All links and sessions, oldest first.
struct Passes {
    links: Vec<Pass>,
    sessions: Vec<Pass>,
}

/// The browsers that are let in. Not `Debug`: what it holds is nobody's business.
pub(crate) struct Sessions {
    home: Home,
    url: String,
    passes: Mutex<Passes>,
    ended: watch::Sender<()>,
}

impl Sessions {
    /// The sessions of a home whose API is at `url`.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be read.
    pub(crate) fn open(home: Home, url: &str) -> Result<Self, HomeError> {
        let kept = home.read_sessions()?;
        let mut sessions: Vec<Pass> = kept.iter().filter_map(pass).collect();
        sessions.drain(..sessions.len().saturating_sub(SESSIONS_MAX));
        let passes = Mutex::new(Passes { links: Vec::new(), sessions });
        let (ended, _) = watch::channel(());
        Ok(Self { home, url: url.to_owned(), passes, ended })
    }

    /// A new link that lets one browser in.
    ///
    /// # Errors
    /// [`HomeError::NoRandomness`].
    pub(crate) fn new_link(&self) -> Result<OpenLink, HomeError> {
        let now = now();
        let code = secret()?;
        let expires = after(now, LINK_TIME_MAX);
        let mut passes = self.lock();
        add(&mut passes.links, Pass { hash: hash(&code), expires }, LINKS_MAX, now);
        Ok(OpenLink { open: format!("{}/open/{code}", self.url), expires: Time(expires) })
    }

    /// Whether there is a link with this code.
    pub(super) fn has_link(&self, code: &str) -> bool {
        let (now, hash) = (now(), hash(code));
        let passes = self.lock();
        let mut links = passes.links.iter();
        links.any(|link| link.hash == hash && is_valid(link, now, LINK_TIME_MAX))
    }

    /// The cookie of a new session, if there is a link with this code; there is none afterwards.
    ///
    /// # Errors
    /// [`HomeError::NoRandomness`]; the link may be used again.
    pub(super) fn use_link(&self, code: &str) -> Result<Option<String>, HomeError> {
        let now = now();
        let hash_of_code = hash(code);
        let cookie = secret()?;
        let mut passes = self.lock();
        passes.links.retain(|link| is_valid(link, now, LINK_TIME_MAX));
        let Some(place) = passes.links.iter().position(|link| link.hash == hash_of_code) else {
            return Ok(None);
        };
        passes.links.remove(place);
        let expires = after(now, SESSION_TIME_MAX);
        add(&mut passes.sessions, Pass { hash: hash(&cookie), expires }, SESSIONS_MAX, now);
        if let Err(error) = self.home.write_sessions(&kept(&passes.sessions)) {
            // It is valid until the node ends.
            tracing::warn!(%error, "a session of the page cannot be kept");
        }
        Ok(Some(cookie))
    }

    /// The hash of a cookie whose browser is let in.
    pub(super) fn known(&self, cookie: &str) -> Option<[u8; 32]> {
        let now = now();
        let hash = hash(cookie);
        let passes = self.lock();
        // Comparing hashes takes constant time, whatever the lengths.
        let mut sessions = passes.sessions.iter();
        sessions
            .any(|pass| pass.hash == hash && is_valid(pass, now, SESSION_TIME_MAX))
            .then(|| *hash.as_bytes())
    }

    /// Whether the browser whose cookie has this hash is let in still.
    pub(super) fn is_open(&self, session: &[u8; 32]) -> bool {
        let now = now();
        let passes = self.lock();
        let mut sessions = passes.sessions.iter();
        sessions.any(|pass| pass.hash == *session && is_valid(pass, now, SESSION_TIME_MAX))
    }

    /// Ends one session, or all of them, and gives how many there were.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be written: they are over until the node starts again.
    pub(super) fn end(&self, session: Option<&[u8; 32]>) -> Result<usize, HomeError> {
        let mut passes = self.lock();
        let before = passes.sessions.len();
        passes.sessions.retain(|pass| session.is_some_and(|session| pass.hash != *session));
        let ended = before - passes.sessions.len();
        let written = self.home.write_sessions(&kept(&passes.sessions));
        drop(passes);
        self.ended.send_replace(());
        written.map(|()| ended)
    }

    /// Changes whenever sessions are ended.
    pub(super) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Passes> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds one, without those that have ended and with at most `most` in all.
fn add(passes: &mut Vec<Pass>, new: Pass, most: usize, now: Timestamp) {
    passes.retain(|pass| now < pass.expires);
    passes.drain(..(passes.len() + 1).saturating_sub(most));
    passes.push(new);
}

/// Neither over, nor, should the clock have been set back, further ahead than it ever was.
fn is_valid(pass: &Pass, now: Timestamp, most: Duration) -> bool {
    now < pass.expires && pass.expires <= after(now, most)
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.plus_ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn hash(text: &str) -> Hash {
    blake3::hash(text.as_bytes())
}

fn secret() -> Result<String, HomeError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| HomeError::NoRandomness(error.to_string()))?;
    Ok(HEXLOWER.encode(&bytes))
}

fn pass(kept: &KeptSession) -> Option<Pass> {
    Some(Pass { hash: Hash::from_hex(&kept.hash).ok()?, expires: kept.expires.0 })
}

fn kept(sessions: &[Pass]) -> Vec<KeptSession> {
    let keep = |pass: &Pass| KeptSession {
        hash: pass.hash.to_hex().to_string(),
        expires: Time(pass.expires),
    };
    sessions.iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(dir: &tempfile::TempDir) -> Sessions {
        let home = Home::open(dir.path()).expect("a home");
        Sessions::open(home, "http://127.0.0.1:1").expect("readable")
    }

    fn code(sessions: &Sessions) -> String {
        let link = sessions.new_link().expect("random numbers").open;
        let code = link.strip_prefix("http://127.0.0.1:1/open/").expect("a link");
        code.to_owned()
    }

    fn knows(sessions: &Sessions, cookie: &str) -> bool {
        sessions.known(cookie).is_some()
    }

    fn used(sessions: &Sessions, code: &str) -> Option<String> {
        sessions.use_link(code).expect("random numbers")
    }

    #[test]
    fn a_link_is_for_one_browser_and_a_session_outlives_the_node() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = sessions(&dir);
        let code = code(&first);
        assert_eq!(used(&first, "0000"), None);
        let cookie = used(&first, &code).expect("a session");
        assert_eq!(used(&first, &code), None, "a link is used once");
        assert!(knows(&first, &cookie));
        assert!(!knows(&first, &code) && !knows(&first, "") && !knows(&first, &cookie[1..]));
        let again = sessions(&dir);
        assert!(knows(&again, &cookie));
        let file = dir.path().join("sessions.json");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(!text.contains(&cookie), "only the hash is kept");
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&file).expect("removable");
        assert!(!knows(&sessions(&dir), &cookie));
    }

    #[test]
    fn the_oldest_make_room() {
        let dir = tempfile::tempdir().expect("a folder");
        let sessions = sessions(&dir);
        let codes: Vec<String> = (0..=LINKS_MAX).map(|_| code(&sessions)).collect();
        assert_eq!(used(&sessions, &codes[0]), None);
        let mut cookies: Vec<String> =
            codes[1..].iter().filter_map(|code| used(&sessions, code)).collect();
        assert_eq!(cookies.len(), LINKS_MAX);
        while cookies.len() <= SESSIONS_MAX {
            let code = code(&sessions);
            cookies.extend(used(&sessions, &code));
        }
        assert!(!knows(&sessions, &cookies[0]));
        assert!(cookies[1..].iter().all(|cookie| knows(&sessions, cookie)));
    }

    #[test]
    fn a_session_that_is_ended_stays_so() {
        let dir = tempfile::tempdir().expect("a folder");
        let sessions = sessions(&dir);
        let [first, second, third] = std::array::from_fn(|_| {
            let code = code(&sessions);
            assert!(sessions.has_link(&code));
            let cookie = used(&sessions, &code).expect("a session");
            assert!(!sessions.has_link(&code));
            cookie
        });
        let ended = sessions.ended();
        let hash = sessions.known(&first).expect("it is let in");
        assert!(sessions.is_open(&hash));
        assert_eq!(sessions.end(Some(&hash)).expect("writable"), 1);
        assert_eq!(sessions.end(Some(&hash)).expect("writable"), 0);
        assert!(ended.has_changed().expect("it is there"));
        assert!(!sessions.is_open(&hash));
        let again = super::tests::sessions(&dir);
        for sessions in [&sessions, &again] {
            assert!(!knows(sessions, &first) && knows(sessions, &second));
        }
        let unused = code(&sessions);
        assert_eq!(sessions.end(None).expect("writable"), 2);
        assert!(!knows(&sessions, &second) && !knows(&super::tests::sessions(&dir), &third));
        assert!(sessions.has_link(&unused), "a link is nobody's session yet");
    }

    #[test]
    fn what_is_over_opens_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let sessions = sessions(&dir);
        let (code, cookie) = (code(&sessions), {
            let code = code(&sessions);
            used(&sessions, &code).expect("a session")
        });
        let mut passes = sessions.lock();
        let over = now();
        for pass in &mut passes.links {
            pass.expires = over;
        }
        passes.sessions[0].expires = over;
        drop(passes);
        assert!(!sessions.has_link(&code));
        assert_eq!(used(&sessions, &code), None);
        assert!(!knows(&sessions, &cookie));
    }
}
