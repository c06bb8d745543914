//! What admins ask for.

use super::{Client, not_running, unreadable};
use crate::api::secret::{Purpose, Seal};
use crate::api::types::{
    Admins, Change, ChangeRequest, Changed, DryRun, LogFilter, LogPage, Problem, Recovered,
    RecoveryRequest, Why, WhyAccess,
};
use crate::identity::{Home, RootKey};

impl Client {
    /// All admins.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn admins(&self) -> Result<Admins, Problem> {
        self.get(&["admins"], &[]).await
    }

    /// A change to be previewed or made, with the root key if it may need that.
    ///
    /// # Errors
    /// A [`Problem`] if the key cannot be sealed for the node.
    pub fn request(
        &self,
        change: Change,
        root: Option<&RootKey>,
    ) -> Result<ChangeRequest, Problem> {
        let root = root.map(|root| self.seal(Purpose::RootKey, &root.seed())).transpose()?;
        Ok(ChangeRequest { change, root })
    }

    /// What a change would mean.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn preview(&self, request: &ChangeRequest) -> Result<DryRun, Problem> {
        self.post(&["changes", "preview"], &[], request).await
    }

    /// Makes a change.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn change(&self, request: &ChangeRequest) -> Result<Changed, Problem> {
        self.post(&["changes"], &[], request).await
    }

    /// Replaces the root key by the next one of a recovery phrase, given as its entropy, or only
    /// says what that would mean.
    ///
    /// # Errors
    /// See [`Client::status`]; a phrase that does not fit is of kind `refused`.
    pub async fn recover(
        &self,
        entropy: &[u8; 32],
        last_good: Option<&str>,
        dry_run: bool,
    ) -> Result<Recovered, Problem> {
        let phrase = self.seal(Purpose::Recovery, entropy)?;
        let last_good = last_good.map(str::to_owned);
        self.post(&["recover"], &[], &RecoveryRequest { phrase, last_good, dry_run }).await
    }

    /// The audit trail from number `from` on, a part at a time, narrowed down by a filter.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn log(
        &self,
        from: u64,
        limit: usize,
        filter: &LogFilter,
    ) -> Result<LogPage, Problem> {
        let (from, limit) = (from.to_string(), limit.to_string());
        let newest_first = filter.newest_first.to_string();
        let mut query =
            vec![("from", &*from), ("limit", &*limit), ("newest_first", &*newest_first)];
        for (name, word) in [
            ("kind", &filter.kind),
            ("agent", &filter.agent),
            ("state", &filter.state),
            ("text", &filter.text),
        ] {
            query.extend(word.as_deref().map(|word| (name, word)));
        }
        self.get(&["log"], &query).await
    }

    /// Why a control object or a message counts, or does not.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn why(&self, id: &str) -> Result<Why, Problem> {
        self.get(&["why"], &[("id", id)]).await
    }

    /// Why an agent has access to a room, or has not.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn why_access(&self, room: &str, agent: &str) -> Result<WhyAccess, Problem> {
        self.get(&["room", "why"], &[("room", room), ("agent", agent)]).await
    }

    fn seal(&self, purpose: Purpose, secret: &[u8; 32]) -> Result<String, Problem> {
        self.home_seal()?.seal(purpose, secret).ok_or_else(no_randomness)
    }

    /// What seals secrets for the node.
    pub(super) fn home_seal(&self) -> Result<Seal, Problem> {
        let home = Home::open(&self.home).map_err(|error| unreadable(&error))?;
        let seal = home.read_api_seal().map_err(|error| unreadable(&error))?;
        seal.ok_or_else(|| not_running(&self.home))
    }
}

pub(super) fn no_randomness() -> Problem {
    let hint = "this cannot be repaired from here; restart the computer";
    Problem::new("failed", "the system gives no random numbers", hint)
}
