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
use crate::id::{DeviceId, ObjectId};
use crate::limits::{INTRODUCED_MAX, INTRODUCTION_OBJECTS_MAX};
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
        if !self.introduced.contains(&peer) && self.introduced.len() >= INTRODUCED_MAX {
            self.count("introductions_full");
            return Response::Refused;
        }
        match vouch(control, peer, objects) {
            Ok(()) => {
                self.introduced.insert(peer);
                self.want(peer, Scope::Control);
                Response::Ack
            }
            Err(cut_by) => {
                self.count("unknown_peer");
                // Whoever held a valid certificate once may know what ended it, and no more.
                self.push_control(peer, cut_by);
                Response::Refused
            }
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

/// Checks a chain from a device's certificate to the root line of our log. The error holds the
/// revocations that void it, for the device to learn.
fn vouch(
    control: &ControlLog,
    device: DeviceId,
    objects: &[Blob],
) -> Result<(), BTreeSet<ObjectId>> {
    let company = control.company();
    let refused = Err(BTreeSet::new());
    let mut expected: Option<(ObjectId, DeviceId)> = None;
    for (place, Blob(bytes)) in objects.iter().enumerate() {
        let Ok(object) = Verified::<ControlObject>::control(bytes, company, Trust::Nothing) else {
            return refused;
        };
        let (id, value) = (object.id(), object.value());
        match (&value.payload, expected) {
            (Payload::DeviceCert(cert), None) if place == 0 && cert.device == device => {}
            (Payload::AdminGrant(grant), Some((wanted, author)))
                if wanted == id && grant.device == author => {}
            (Payload::RootRotate(_), Some((wanted, author)))
                if wanted == id && value.header.author == author => {}
            _ => return refused,
        }
        if control.holds(id) {
            // From here on upwards our own log decides. Who is dismissed has a certificate that
            // nobody revoked, of an agent that somebody did.
            let dismissed = match &value.payload {
                Payload::DeviceCert(cert) => control.revokes_on(cert.agent.into()),
                _ => Vec::new(),
            };
            let explanation = control.explain(id);
            let ended: BTreeSet<ObjectId> = explanation
                .cut_by
                .into_iter()
                .chain(control.hits(id))
                .chain(control.revokes_on(id))
                .chain(dismissed)
                .collect();
            let sound = control.counts(id) && ended.is_empty();
            return if sound && place > 0 { Ok(()) } else { Err(ended) };
        }
        expected = Some((value.header.authority, value.header.author));
    }
    // All of it new to us, signed by the root that we know.
    match expected {
        Some((authority, author)) if control.root() == Some((author, authority)) => Ok(()),
        _ => refused,
    }
}
