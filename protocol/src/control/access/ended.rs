//! What has ended access to a room: what a new key has to answer.

use std::collections::BTreeSet;

use super::View;
use crate::control::ControlLog;
use crate::id::{AgentId, ObjectId, RoomId};
use crate::object::Payload;

impl ControlLog {
    /// The counting objects that have ended anyone's access to a room: of each device without
    /// access that once had a way in, all that ended its ways; and the certificates of keys that
    /// several agents claim. Added is what may void, or make count again, what others signed, since
    /// that leaves no trace of its own: revocations of admins, also such as have no effect now;
    /// what was granted to such admins; what stands behind revocations, grants and certificates;
    /// and all replacements of the root key. A key must not be used any more once one of these is
    /// new: an old removal that counts again would be answered already, although who was let in
    /// meanwhile has the key.
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
        ended.extend(self.revivals(view));
        ended.extend(self.links.rotations().map(|ix| self.nodes.id(ix)));
        ended
    }

    /// Revocations that some authority stands behind of whoever has or had an `AdminGrant`, and all
    /// that such were granted.
    fn revokes_of_authorities<'a>(&'a self, view: View<'a>) -> impl Iterator<Item = ObjectId> + 'a {
        let carried = self.links.revokes_of_admins().filter(move |ix| view.carried(*ix));
        let with_grants = carried.flat_map(move |ix| {
            let Some(Payload::Revoke(revoke)) = self.nodes.payload(ix) else { return Vec::new() };
            let grants = match self.nodes.payload_of(revoke.target) {
                Some(Payload::AdminGrant(grant)) => self.links.grants_of(grant.agent).to_vec(),
                Some(Payload::DeviceCert(cert)) => {
                    let of_device = self.links.grants_of_device(cert.device);
                    [self.links.grants_of(cert.agent), of_device].concat()
                }
                _ => self.links.grants_of(AgentId::from(revoke.target)).to_vec(),
            };
            let concerns_admin = !grants.is_empty();
            let counting = grants.into_iter().filter(move |grant| view.carried(*grant));
            counting.chain(concerns_admin.then_some(ix)).collect()
        });
        with_grants.map(|ix| self.nodes.id(ix))
    }

    /// What stands behind objects that may end access, by themselves or by what they let count.
    fn revivals<'a>(&'a self, view: View<'a>) -> impl Iterator<Item = ObjectId> + 'a {
        let carried =
            self.links.ratifies_that_may_end().iter().filter(move |ix| view.carried(**ix));
        carried.map(|ix| self.nodes.id(*ix))
    }
}
