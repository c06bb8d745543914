//! Telling others which state of the control log is applied here, and hearing it from them.

use std::collections::BTreeMap;

use super::Engine;
use super::control::{refusal_of, verify_word};
use super::io::{Effect, GossipVerdict};
use crate::id::{DeviceId, ObjectId};
use crate::limits::{
    ADDRESS_RECORDS_FRAME_MAX, REPORT_DELAY_MS, REPORT_EVERY_MS, REPORTS_KEPT_MAX,
    REPORTS_TAKEN_MAX, REPORTS_TAKEN_MS,
};
use crate::object::ObjectType;
use crate::report::StateReport;
use crate::signed::{Verified, sign};
use crate::sync::{Blob, Request};
use crate::time::Timestamp;
use crate::view::{AppliedView, MissingDevice};

/// The newest report of each device.
#[derive(Debug)]
pub(super) struct Reports {
    known: BTreeMap<DeviceId, Known>,
    /// When the next report of ours is due.
    due: Timestamp,
}

#[derive(Debug)]
struct Known {
    issued: Timestamp,
    digest: ObjectId,
    bytes: Vec<u8>,
    /// Since when, and how many reports were taken since then.
    taken: (Timestamp, u32),
}

impl Reports {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { known: BTreeMap::new(), due: now }
    }

    pub(super) fn clock_went_back(&mut self, ms: u64) {
        self.due = self.due.minus_ms(ms);
        for known in self.known.values_mut() {
            known.taken.0 = known.taken.0.minus_ms(ms);
        }
    }
}

impl Engine {
    /// When the next report is due; none before this device is a member.
    pub(super) fn report_due(&self) -> Option<Timestamp> {
        self.member.then_some(self.reports.due)
    }

    /// The control log has changed: others should hear soon, but not of every object of a batch.
    pub(super) fn report_soon(&mut self) {
        self.reports.due = self.reports.due.min(self.now.plus_ms(REPORT_DELAY_MS));
    }

    pub(super) fn report_if_due(&mut self) {
        if self.report_due().is_none_or(|due| due > self.now) {
            return;
        }
        let Some(control) = self.control.as_ref() else { return };
        let (company, digest, objects) =
            (control.company(), control.digest(), control.order().len() as u64);
        // Not everybody at once, and now and then although nothing changed: to be seen.
        let jitter = self.entropy.below(REPORT_EVERY_MS / 4);
        self.reports.due = self.now.plus_ms(REPORT_EVERY_MS + jitter);
        let device = self.keys.device();
        // Above the last one even if the clock stood still or was set back.
        let last = self.reports.known.get(&device).map(|known| known.issued.plus_ms(1));
        let issued = last.map_or(self.now, |last| last.max(self.now));
        let report = StateReport { version: 1, company, device, issued, digest, objects };
        let body = crate::codec::encode(&report);
        let (id, bytes) = sign(&self.keys, ObjectType::StateReport, company, &body);
        let known = Known { issued, digest, bytes: bytes.clone(), taken: (self.now, 0) };
        self.reports.known.insert(device, known);
        if let Some(topics) = self.topic_names() {
            self.emit(Effect::Publish { topic: topics.control(), id, bytes });
        }
    }

    /// All reports that are known, for a member that has just connected.
    pub(super) fn send_reports(&mut self, peer: DeviceId) {
        let all: Vec<Blob> =
            self.reports.known.values().map(|known| Blob(known.bytes.clone())).collect();
        for records in all.chunks(ADDRESS_RECORDS_FRAME_MAX) {
            self.ask(peer, Request::Reports { records: records.to_vec() });
        }
    }

    /// Our own report once more, for a neighbour that may have missed it: gossip says it once.
    pub(super) fn repeat_report(&mut self, peer: DeviceId) {
        let own = self.reports.known.get(&self.keys.device());
        if let Some(records) = own.map(|known| vec![Blob(known.bytes.clone())]) {
            self.ask(peer, Request::Reports { records });
        }
    }

    /// Takes a report in, if it is newer than what is known.
    pub(super) fn take_report(&mut self, bytes: &[u8]) -> GossipVerdict {
        let Some(company) = self.company() else { return GossipVerdict::Ignore };
        let report = match Verified::<StateReport>::report(bytes, company) {
            Ok(report) => report,
            Err(error) => {
                self.count(verify_word(error));
                return refusal_of(error);
            }
        };
        let StateReport { device, issued, digest, .. } = *report.value();
        let known = self.reports.known.get(&device);
        let has_room = known.is_some() || self.reports.known.len() < REPORTS_KEPT_MAX;
        if known.is_some_and(|known| known.issued >= issued) || !has_room || !self.is_member(device)
        {
            return GossipVerdict::Ignore;
        }
        let ours = device == self.keys.device();
        let now = self.now;
        let recent = known.map_or((now, 0), |known| match known.taken {
            (since, _) if now.ms_since(since) > REPORTS_TAKEN_MS => (now, 0),
            recent => recent,
        });
        if recent.1 >= REPORTS_TAKEN_MAX {
            self.count("report_flood");
            return GossipVerdict::Ignore;
        }
        let taken = (recent.0, recent.1 + 1);
        self.reports.known.insert(device, Known { issued, digest, bytes: bytes.to_vec(), taken });
        if ours {
            // From before a restart: our next one has to be newer.
            self.report_soon();
        }
        GossipVerdict::Accept
    }

    /// Where this node's state of the control log is applied.
    pub(super) fn applied(&self) -> AppliedView {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else {
            return AppliedView::default();
        };
        let digest = control.digest();
        let mut view = AppliedView::default();
        for (device, info) in control.access().devices() {
            view.devices += 1;
            let known = self.reports.known.get(device);
            let applied =
                *device == self.keys.device() || known.is_some_and(|known| known.digest == digest);
            if applied {
                view.applied += 1;
            } else {
                view.missing.push(MissingDevice {
                    agent: self.agent_ref(info.agent),
                    device: *device,
                    last_seen: known.map(|known| known.issued),
                });
            }
        }
        view
    }
}
