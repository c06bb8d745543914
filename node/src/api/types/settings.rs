//! Shapes of what belongs to this node alone: settings, drafts; and of who is there.

use conclave_protocol::engine;
use conclave_protocol::id::{AgentId, RoomId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::describe::Id;

/// What the user of this node has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Whether others are told that this device is there.
    pub presence: bool,
    /// Whether the page may show notifications.
    pub notifications: bool,
}

/// Settings to be changed; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    /// See [`Settings::presence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    /// See [`Settings::notifications`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<bool>,
}

/// A text that is not sent yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draft {
    /// The room where it would go; by name too when it is given.
    pub room: String,
    /// The text; an empty one ends the draft.
    pub text: String,
}

/// All drafts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drafts {
    /// One a room.
    pub drafts: Vec<Draft>,
}

/// Who is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Present {
    /// Their ids.
    pub agents: Vec<AgentId>,
}

impl From<engine::Settings> for Settings {
    fn from(settings: engine::Settings) -> Self {
        let engine::Settings { presence, notifications } = settings;
        Self { presence, notifications }
    }
}

impl Draft {
    /// A draft that is kept.
    pub(in crate::api) fn kept(room: RoomId, text: String) -> Self {
        Self { room: room.to_string(), text }
    }
}
