//! The clocks of the nodes: each may be off by years, and may be set at any time.

use conclave_protocol::engine::Input;
use conclave_protocol::time::Timestamp;

use super::{NodeId, World};

impl World {
    /// What a node's clock says.
    #[must_use]
    pub fn clock_of(&self, id: NodeId) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(self.node(id).clock.0))
    }

    /// When a node's clock will say this, if nobody sets it.
    pub(super) fn world_time(&self, id: NodeId, local: Timestamp) -> Timestamp {
        let off = self.node(id).clock.0;
        let there = if off >= 0 {
            local.0.saturating_sub(off.unsigned_abs())
        } else {
            local.0.saturating_add(off.unsigned_abs())
        };
        Timestamp(there)
    }

    /// Sets a node's clock, `ms` off the world's. The node hears of it by its next input.
    pub fn set_clock(&mut self, id: NodeId, ms: i64) {
        let clock = &mut self.nodes[id.0].clock;
        *clock = (ms, clock.1 + 1);
        self.input(id, Input::Tick);
    }
}
