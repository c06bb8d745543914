//! Names that deceive.

use conclave_protocol::id::ObjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::describe::Id;

/// A name to be careful with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// The agent, room or unit that bears it.
    pub id: ObjectId,
    /// The name as shown elsewhere; of a Group with that of its Department.
    pub name: String,
    /// Why, in words for people. It may quote other names.
    pub note: String,
}

/// All names to be careful with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marks {
    /// The names.
    pub marks: Vec<Mark>,
}
