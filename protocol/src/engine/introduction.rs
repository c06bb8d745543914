//! Introductions: a device that a member's log does not know yet shows its certificate, and the
//! grants behind it up to `Genesis`.
//!
//! So a device whose admin went offline right after certifying it can still be met. If no link is
//! void in the member's log, the two reconcile their control logs; the room logs follow once the
//! certificate counts. A stranger with a made-up chain learns nothing.

use std::collections::BTreeSet;

use super::Engine;
use super::syncing::Asked;
use crate::control::ControlLog;
use crate::id::{AgentId, DeviceId, ObjectId};
use crate::limits::{
    ENDED_OBJECTS_MAX, INTRODUCED_MAX, INTRODUCTION_OBJECTS_MAX, OBJECTS_FRAME_BYTES_MAX,
};
use crate::object::{ControlObject, Payload};
use crate::signed::{Trust, Verified};
use crate::sync::{Blob, Request, Response, Scope};

impl Engine {
    /// A member refused us: it may not know us yet.
    pub(super) fn introduce_ourselves(&mut self, peer: DeviceId) {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else { return };
        let Some(info) = control.access().devices().get(&self.keys.device()) else { return };
        let objects: Vec<Blob> = chain_of(control, info.cert)
            .into_iter()
            .filter_map(|id| control.bytes(id).map(|bytes| Blob(bytes.to_vec())))
            .collect();
        if objects.len() > INTRODUCTION_OBJECTS_MAX {
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // Once a connection: who refuses a good chain refuses it again.
        if std::mem::replace(&mut state.introduced_to, true) {
            return;
        }
        self.send(peer, Asked::Introduction(peer), &Request::Introduce { objects });
    }

    /// The answer to our introduction.
    pub(super) fn introduced(&mut self, peer: DeviceId, response: Option<Response>) {
        if matches!(response, Some(Response::Ack)) {
            self.summarize(peer);
        }
    }

    /// A device that is not in our log shows why it should be.
    pub(super) fn answer_introduction(&mut self, peer: DeviceId, objects: &[Blob]) -> Response {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else {
            return Response::Refused;
        };
        if !self.introduced.contains_key(&peer) && self.introduced.len() >= INTRODUCED_MAX {
            self.count("introductions_full");
            return Response::Refused;
        }
        match vouch(control, peer, objects) {
            Ok(anchor) => {
                self.introduced.insert(peer, anchor);
                self.want(peer, Scope::Control);
                Response::Ack
            }
            Err(cut_by) => {
                self.count("unknown_peer");
                // Whoever held a valid certificate once may know what ended it, and no more.
                self.tell_what_ended(peer, cut_by);
                Response::Refused
            }
        }
    }
}

impl Engine {
    /// Forgets introductions that do not hold any longer: the device was revoked, or what its chain
    /// rests on was, or its certificate is here and makes nobody a member.
    pub(super) fn review_introductions(&mut self) {
        let Some(control) = self.control.as_ref() else { return };
        self.introduced.retain(|peer, anchor| {
            let root = control.root().is_some_and(|(_, root)| root == *anchor);
            let rests = root || control.counts(*anchor) && control.hits(*anchor).is_empty();
            rests && control.agents_of_device(*peer).next().is_none()
        });
    }

    /// Tells a device what ended its certificate, with what that rests on and refers to, for
    /// without it the device could not judge it. All of that is older, from when it was a member.
    fn tell_what_ended(&mut self, peer: DeviceId, ended: BTreeSet<ObjectId>) {
        let Some(control) = self.control.as_ref() else { return };
        let place = |id: ObjectId| Some((control.get(id)?.header.height, id));
        // The first of them is enough; a later one would tell of the time in between.
        let first = ended.into_iter().filter_map(place).min();
        let mut open: BTreeSet<(u64, ObjectId)> = first.into_iter().collect();
        let mut newest = Vec::new();
        // References point down, so this takes the newest first.
        while let Some((_, id)) = open.pop_last() {
            let Some(bytes) = control.bytes(id).filter(|_| newest.len() < ENDED_OBJECTS_MAX) else {
                break;
            };
            newest.push(Blob(bytes.to_vec()));
            let references = control.get(id).map(ControlObject::references).unwrap_or_default();
            open.extend(references.into_iter().filter_map(place));
        }
        let digest = control.digest();
        let told = self.peers.get_mut(&peer).map(|p| p.told.replace(digest));
        if told.is_none_or(|told| told == Some(digest)) {
            return;
        }
        let mut objects: Vec<Blob> = Vec::new();
        let mut bytes = 0;
        for object in newest.into_iter().rev() {
            if bytes + object.0.len() > OBJECTS_FRAME_BYTES_MAX {
                let objects = std::mem::take(&mut objects);
                self.ask(peer, Request::Push { scope: Scope::Control, objects });
                bytes = 0;
            }
            bytes += object.0.len();
            objects.push(object);
        }
        if !objects.is_empty() {
            self.ask(peer, Request::Push { scope: Scope::Control, objects });
        }
    }
}

/// The certificate and the authorities above it, `Genesis` left out, which names the company.
fn chain_of(control: &ControlLog, cert: ObjectId) -> Vec<ObjectId> {
    let mut chain = Vec::new();
    let mut next = Some(cert);
    while let Some(id) = next {
        let Some(object) = control.get(id) else { break };
        chain.push(id);
        next = Some(object.header.authority);
    }
    chain
}

/// As [`anchor_of`], of a device that nothing holds out, nor the agent for which it is certified.
/// The error holds the revocations of the device itself, for it to learn.
fn vouch(
    control: &ControlLog,
    device: DeviceId,
    objects: &[Blob],
) -> Result<ObjectId, BTreeSet<ObjectId>> {
    let (anchor, agent) = anchor_of(control, device, objects)?;
    // Only now: a certificate that anybody made up tells its maker nothing of an agent's end.
    let dismissed = control.revokes_on(agent.into());
    if dismissed.is_empty() { Ok(anchor) } else { Err(dismissed.into_iter().collect()) }
}

/// Checks a chain from a device's certificate to the root line of our log; gives the object of ours
/// on which it rests, and the agent.
fn anchor_of(
    control: &ControlLog,
    device: DeviceId,
    objects: &[Blob],
) -> Result<(ObjectId, AgentId), BTreeSet<ObjectId>> {
    let company = control.company();
    let refused = Err(BTreeSet::new());
    // A device that was revoked here, or whose agent was dismissed, may have another certificate
    // by somebody who has not heard of that.
    let held_out = control.held_out(device);
    if !held_out.is_empty() {
        return Err(held_out);
    }
    let mut expected: Option<(ObjectId, DeviceId)> = None;
    let mut below: Option<Payload> = None;
    let mut agent = AgentId::default();
    for (place, Blob(bytes)) in objects.iter().enumerate() {
        let Ok(object) = Verified::<ControlObject>::control(bytes, company, Trust::Nothing) else {
            return refused;
        };
        let (id, value) = (object.id(), object.value());
        match (&value.payload, expected) {
            (Payload::DeviceCert(cert), None) if place == 0 && cert.device == device => {
                agent = cert.agent;
            }
            (Payload::AdminGrant(grant), Some((wanted, author)))
                if wanted == id
                    && grant.device == author
                    && below.as_ref().is_some_and(|b| control.grant_could_issue(grant, b)) => {}
            (Payload::RootRotate(_), Some((wanted, author)))
                if wanted == id && value.header.author == author => {}
            _ => return refused,
        }
        if control.holds(id) {
            // From here on upwards our own log decides.
            if place > 0 {
                let sound = control.counts(id) && control.hits(id).is_empty();
                return if sound { Ok((id, agent)) } else { refused };
            }
            let Payload::DeviceCert(cert) = &value.payload else { return refused };
            let cut_by = control.explain(id).cut_by.into_iter();
            let own = control.revokes_on(id).into_iter();
            return Err(cut_by.chain(own).chain(control.revokes_on(cert.agent.into())).collect());
        }
        expected = Some((value.header.authority, value.header.author));
        below = Some(value.payload.clone());
    }
    // All of it new to us, signed by the root that we know.
    match expected {
        Some((authority, author)) if control.root() == Some((author, authority)) => {
            Ok((authority, agent))
        }
        _ => refused,
    }
}
