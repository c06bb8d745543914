//! Shapes of the passphrase of a home.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new passphrase. Passphrases travel sealed under the key in `api-seal`, and nothing else
/// shows them.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassphrase {
    /// The current passphrase, sealed; left out if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The new one, sealed.
    pub new: String,
}

/// The passphrase that is to be of no need any more.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassphraseRemoval {
    /// The current passphrase, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// How the keys of a home are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Protection {
    /// Whether they open only with a passphrase.
    pub protected: bool,
}
