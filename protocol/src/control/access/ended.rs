//! What has ended access to a room: what a new key has to answer.

use std::collections::BTreeSet;

use super::View;
use crate::control::ControlLog;
use crate::id::{AgentId, ObjectId, RoomId};
use crate::object::Payload;

impl ControlLog {
    /// The counting objects that have ended anyone's access to a room: of each device without
    /// access that once had a way in, all that ended its ways. Added are the revocations of admins
    /// and the replacements of the root key, since what these void leaves no trace of its own; the
    /// `Ratify`s by which a void revocation counts again; and the certificates of keys that several
    /// agents claim.
    ///
    /// It may hold more than really ended anything here; nothing that did is left out.
    #[must_use]
    pub fn ended_access(&self, room: RoomId) -> BTreeSet<ObjectId> {
        let view = self.view();
        let mut ended = BTreeSet::new();
        let mut look_at = |agent: AgentId| {
            for device in self.links.devices_of(agent) {
                let standing = self.access.standing(device, room, view);
                if standing.live {
                    continue;
                }
                let revokes = standing.ways.iter().flatten().filter_map(|way| way.revoke);
                ended.extend(revokes);
                if self.access.disputed().contains(&device) && standing.proved() {
                    let certs = self.links.certs_of(device, agent).iter();
                    let counting = certs.filter(|cert| view.carried(**cert));
                    ended.extend(counting.map(|cert| self.nodes.id(*cert)));
                }
            }
        };
        match self.access.instant(room) {
            Some(agents) => agents.iter().for_each(&mut look_at),
            None => self.access.agents().keys().copied().for_each(&mut look_at),
        }
        ended.extend(self.revokes_of_authorities(view));
        // Also those that contradict each other: what one of them made ends with the second.
        ended.extend(self.links.rotations().map(|ix| self.nodes.id(ix)));
        let ratifies = self.links.ratifies_that_may_end().iter();
        ended.extend(ratifies.filter(|ix| view.carried(**ix)).map(|ix| self.nodes.id(*ix)));
        ended
    }

    /// Revocations, with an effect, of whoever has or had an `AdminGrant`.
    fn revokes_of_authorities<'a>(&'a self, view: View<'a>) -> impl Iterator<Item = ObjectId> + 'a {
        let concerns_admin = move |revoke: &ObjectId| {
            let Some(Payload::Revoke(revoke)) = self.get(*revoke).map(|o| &o.payload) else {
                return false;
            };
            match self.nodes.payload_of(revoke.target) {
                Some(Payload::AdminGrant(_)) => true,
                Some(Payload::DeviceCert(cert)) => {
                    !self.links.grants_of_device(cert.device).is_empty()
                }
                _ => !self.links.grants_of(AgentId::from(revoke.target)).is_empty(),
            }
        };
        let effective = self.links.revokes_of_admins().filter(move |ix| view.effective(*ix));
        effective.map(|ix| self.nodes.id(ix)).filter(concerns_admin)
    }
}
