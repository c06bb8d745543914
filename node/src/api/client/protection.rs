//! The passphrase of a home.

use super::Client;
use super::authority::no_randomness;
use crate::api::secret::Purpose;
use crate::api::types::{PassphraseRemoval, Problem, Protection, SetPassphrase};
use crate::identity::Passphrase;

impl Client {
    /// Protects the keys of the node's home with a passphrase.
    ///
    /// # Errors
    /// See [`Client::status`]; a wrong current passphrase is of kind `refused`.
    pub async fn set_passphrase(
        &self,
        current: Option<&Passphrase>,
        new: &Passphrase,
    ) -> Result<Protection, Problem> {
        let current = self.sealed(Purpose::CurrentPassphrase, current)?;
        let new = self.sealed(Purpose::NewPassphrase, Some(new))?.unwrap_or_default();
        self.post(&["passphrase", "set"], &[], &SetPassphrase { current, new }).await
    }

    /// Lets the keys of the node's home open without a passphrase.
    ///
    /// # Errors
    /// As [`Client::set_passphrase`].
    pub async fn remove_passphrase(
        &self,
        current: Option<&Passphrase>,
    ) -> Result<Protection, Problem> {
        let current = self.sealed(Purpose::CurrentPassphrase, current)?;
        self.post(&["passphrase", "remove"], &[], &PassphraseRemoval { current }).await
    }

    fn sealed(
        &self,
        purpose: Purpose,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<String>, Problem> {
        let Some(passphrase) = passphrase else { return Ok(None) };
        let sealed = self.home_seal()?.seal_passphrase(purpose, passphrase);
        sealed.map(Some).ok_or_else(no_randomness)
    }
}
