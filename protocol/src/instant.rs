//! Instant messages: rooms that any agent may start with others, without a control object.
//!
//! Such a room is the set of its agents: its id is the hash of the company and of these, so nobody
//! has to make it, nothing about it can be changed, and whoever names the agents proves which room
//! they mean.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};

use crate::id::{AgentId, CompanyId, RoomId};
use crate::limits::{INSTANT_AGENTS_MAX, INSTANT_AGENTS_MIN};

/// The agents of an instant room: ascending, each once,
/// [`INSTANT_AGENTS_MIN`] to [`INSTANT_AGENTS_MAX`] of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstantAgents(Vec<AgentId>);

impl InstantAgents {
    /// The room of these agents, in whatever order and however often each is named; `None` if they
    /// are too few or too many.
    #[must_use]
    pub fn new(agents: impl IntoIterator<Item = AgentId>) -> Option<Self> {
        let mut agents: Vec<AgentId> = agents.into_iter().collect();
        agents.sort_unstable();
        agents.dedup();
        (INSTANT_AGENTS_MIN..=INSTANT_AGENTS_MAX).contains(&agents.len()).then_some(Self(agents))
    }

    /// The room's id: BLAKE3 over the company and the agents, under the context
    /// `conclave v1 instant room`.
    #[must_use]
    pub fn room(&self, company: CompanyId) -> RoomId {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 instant room");
        hasher.update(&company.0);
        for agent in &self.0 {
            hasher.update(&agent.0);
        }
        RoomId(hasher.finalize().into())
    }

    /// The agents, ascending.
    pub fn iter(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.0.iter().copied()
    }

    /// Whether an agent is one of them.
    #[must_use]
    pub fn contains(&self, agent: AgentId) -> bool {
        self.0.binary_search(&agent).is_ok()
    }
}

impl<C> minicbor::Encode<C> for InstantAgents {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.encode(e, c)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for InstantAgents {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        let agents: Vec<AgentId> = Vec::decode(d, c)?;
        let sorted = agents.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = (INSTANT_AGENTS_MIN..=INSTANT_AGENTS_MAX).contains(&agents.len());
        if sorted && fits {
            Ok(Self(agents))
        } else {
            Err(DecodeError::message("the agents are too few, too many or not sorted"))
        }
    }
}
