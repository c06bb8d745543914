//! Several devices of one agent: a new one is confirmed by one that the agent has, and certified
//! by whoever may.

use super::Engine;
use super::command::{Failure, FailureKind, Outcome};
use super::io::{CommandId, Effect, Event};
use super::joining::{Approval, Becomes};
use super::syncing::Asked;
use crate::confirmed::{ConfirmedDevice, Noted};
use crate::control::ControlLog;
use crate::id::{AgentId, DeviceId, ObjectId};
use crate::join::{JoinRequest, Newcomer, codes_match, is_code};
use crate::keys::device_statement;
use crate::name::normalize_name;
use crate::object::{Countersignature, DeviceCert, Payload, SignatureBytes};
use crate::signed::signature_fits;
use crate::sync::{JoinAnswer, NewDevice, Request, Response};
use crate::time::Timestamp;
use crate::view::{DeviceRequestView, DeviceView, DevicesView, JoinRequestView};

/// Who shows a newcomer's request and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Desk {
    /// This device.
    Here,
    /// The devices of the agent whose name it gives.
    AtOwnDevices,
    /// Admins.
    AtAdmins,
}

/// A device has the units of its agent.
fn no_units_for_a_device(units: &[String]) -> Result<(), Failure> {
    if units.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Usage,
        "another device of an agent belongs where the agent does; nothing was changed",
        "approve it without units",
    ))
}

fn wrong_code(code: &str) -> Failure {
    Failure::new(
        FailureKind::WrongCode,
        format!("no device that asks to be yours shows \"{code}\"; nothing was changed"),
        "compare the code on the new device's own screen with `conclave device list` here; if they \
         differ, someone is between them",
    )
}

/// The device of the agent that confirms.
impl Engine {
    /// Whether a name is that of this device's own agent.
    pub(super) fn is_own_name(&self, name: &str) -> bool {
        let Some(me) = self.me() else { return false };
        self.access().is_ok_and(|access| access.agent_named(name) == Some(me))
    }

    /// Where a newcomer of a name finds its desk. A newcomer whose name is taken is not shown to
    /// admins, so that its only code is on a screen of the agent itself.
    pub(super) fn desk_for(&self, name: &str, lost: bool, admitted: bool) -> Desk {
        let (own, approves) = (self.is_own_name(name), self.may_approve());
        let taken = self.access().is_ok_and(|access| {
            access.agent_named(name).is_some_and(|agent| access.is_live(agent))
        });
        match (own, approves) {
            (true, _) if !lost => Desk::Here,
            // One that was let in and lost its answer is not told that its own name is taken.
            (_, true) if own || lost || admitted || !taken => Desk::Here,
            (_, true) => Desk::AtOwnDevices,
            (_, false) => Desk::AtAdmins,
        }
    }

    /// Begins to confirm a device of this agent: it is asked for its proof.
    pub(super) fn add_device(&mut self, command: CommandId, code: &str) -> Result<(), Failure> {
        self.access()?;
        if self.own_requests().next().is_none() {
            return Err(Failure::new(
                FailureKind::NotFound,
                "no device asks to be another one of yours",
                "on the new computer run `conclave join --as` with your name, connected with this \
                 one; then see `conclave device list`",
            ));
        }
        let shown = |r: &&JoinRequest| r.code().is_some_and(|shown| codes_match(code, shown));
        let newcomer = self.own_requests().find(shown).map(|request| request.newcomer.clone());
        self.confirm(command, newcomer.ok_or_else(|| wrong_code(code))?)
    }

    /// As [`Engine::add_device`], once it is clear which.
    fn confirm(&mut self, command: CommandId, newcomer: Newcomer) -> Result<(), Failure> {
        let agent = self.me().ok_or_else(super::authoring::not_a_member)?;
        self.require_new(agent, newcomer.device)?;
        self.require_connected(&newcomer)?;
        self.ask_for_proof(Approval { command, newcomer, becomes: Becomes::Device(agent) });
        Ok(())
    }

    /// What is revoked once does not return by another certificate.
    fn require_new(&self, agent: AgentId, device: DeviceId) -> Result<(), Failure> {
        let Some(cert) = self.log()?.certs_of(device, agent).next() else { return Ok(()) };
        if self.access()?.agent_of(device) == Some(agent) {
            return Err(Failure::new(
                FailureKind::Conflict,
                "that device has been let in already",
                "see `conclave device list`",
            ));
        }
        Err(Failure::new(
            FailureKind::Conflict,
            "that device was removed; a removed one does not return by asking anew",
            format!(
                "join from a fresh home, which makes new keys; or an admin lets this one return: \
                 conclave ratify {cert}"
            ),
        ))
    }

    fn own_requests(&self) -> impl Iterator<Item = &JoinRequest> {
        self.desk.open(self.now).filter(|request| self.is_own_name(&request.newcomer.name))
    }

    /// The proof of a device of `agent` is here, and good.
    pub(super) fn finish_device(
        &mut self,
        agent: AgentId,
        newcomer: Newcomer,
        proof: SignatureBytes,
    ) -> Result<Outcome, Failure> {
        self.require_new(agent, newcomer.device)?;
        let company = self.company().unwrap_or_default();
        if self.me() != Some(agent) {
            self.require_approver()?;
            return self.certify(agent, newcomer, proof, None);
        }
        let statement = device_statement(company, agent, newcomer.device, newcomer.sealing);
        let signature = SignatureBytes(self.keys.sign(&statement));
        let countersignature = Countersignature { device: self.keys.device(), signature };
        if self.may_approve() {
            let device = newcomer.device;
            let agent = self.agent_ref(agent);
            self.certify(agent.id, newcomer, proof, Some(countersignature))?;
            return Ok(Outcome::Device { agent, device, waits_until: None, admins: 0 });
        }
        self.leave_to_admins(agent, newcomer, proof, countersignature)
    }

    /// Hands what this device has confirmed to admins, now and when they come.
    fn leave_to_admins(
        &mut self,
        agent: AgentId,
        newcomer: Newcomer,
        proof: SignatureBytes,
        countersignature: Countersignature,
    ) -> Result<Outcome, Failure> {
        let (device, now) = (newcomer.device, self.now);
        let shown = self.desk.open(now).find(|request| request.newcomer == newcomer);
        let code = shown.and_then(|request| request.code()).map(str::to_owned);
        let code = code.ok_or_else(|| {
            Failure::new(
                FailureKind::Failed,
                "the new device's request has lapsed meanwhile; nothing was changed",
                "compare the new code that it shows, and add it again",
            )
        })?;
        self.confirmed.allow(device);
        let confirmed = ConfirmedDevice { agent, newcomer, proof, countersignature, code };
        if self.confirmed.note(confirmed, now) != Noted::Waiting {
            return Err(Failure::new(
                FailureKind::Failed,
                "too many of your devices wait for an admin already; nothing was changed",
                "let an admin decide about those first: see `conclave device list`",
            ));
        }
        let until = self.confirmed.open(now).find(|(d, _)| d.newcomer.device == device);
        let waits_until = until.map(|(_, until)| until);
        let admins = self.connected_approvers();
        for peer in &admins {
            self.tell_confirmed(*peer);
        }
        self.emit(Effect::Event(Event::JoinRequests));
        let agent = self.agent_ref(agent);
        Ok(Outcome::Device { agent, device, waits_until, admins: admins.len() })
    }

    fn connected_approvers(&self) -> Vec<DeviceId> {
        let approvers = self.control.iter().flat_map(ControlLog::approvers);
        let mut connected: Vec<DeviceId> =
            approvers.filter(|d| self.peers.contains_key(d) && self.is_member(*d)).collect();
        connected.sort_unstable();
        connected.dedup();
        connected
    }

    /// Tells a connected admin of the devices that this one has confirmed.
    pub(super) fn tell_confirmed(&mut self, peer: DeviceId) {
        let ours = self.keys.device();
        let told = self.confirmed.open(self.now).map(|(device, _)| device);
        let told: Vec<ConfirmedDevice> =
            told.filter(|device| device.countersignature.device == ours).cloned().collect();
        if told.is_empty() || !self.connected_approvers().contains(&peer) {
            return;
        }
        for ConfirmedDevice { agent, newcomer, proof, countersignature, code } in told {
            let Newcomer { device, sealing, .. } = newcomer;
            let countersignature = countersignature.signature;
            let word = NewDevice { agent, device, sealing, proof, countersignature, code };
            let request = Request::Confirmed { device: Box::new(word) };
            self.send(peer, Asked::Confirmed(device), &request);
        }
    }

    /// Again and again: an admin may have been appointed, restarted or full.
    pub(super) fn repeat_confirmed(&mut self) {
        if self.confirmed.open(self.now).next().is_some() {
            for peer in self.connected_approvers() {
                self.tell_confirmed(peer);
            }
        }
    }

    /// What an admin says of a device that this one has confirmed.
    pub(super) fn confirmed_answered(&mut self, device: DeviceId, response: Option<Response>) {
        let now = self.now;
        match response {
            Some(Response::Join { answer: JoinAnswer::Refused })
                if self.confirmed.refuse(device, now) =>
            {
                // The new device hears of it when it asks how it stands.
                self.desk.refuse(device, now);
                self.emit(Effect::Event(Event::JoinRequests));
            }
            // One admin's word ends nothing; the certificate does, once it is here.
            Some(Response::Join { answer: JoinAnswer::Admitted }) if self.is_member(device) => {
                self.confirmed.remove(device);
            }
            _ => {}
        }
    }

    /// The devices of an agent, by default of this device's own, and what asks to become one.
    ///
    /// # Errors
    /// If this device is not a member, or there is no such agent.
    pub fn devices(&self, agent: Option<&str>) -> Result<DevicesView, Failure> {
        let (log, access) = (self.log()?, self.access()?);
        let me = self.me().ok_or_else(super::authoring::not_a_member)?;
        let agent = agent.map_or_else(|| Ok(self.agent_ref(me)), |typed| self.find_agent(typed))?;
        let mut devices: Vec<DeviceView> = log
            .devices_of(agent.id)
            .filter(|device| log.certs_of(*device, agent.id).any(|cert| log.counts(cert)))
            .map(|device| self.device_view(log, agent.id, device))
            .collect();
        devices.sort_by_key(|device| (!device.active, !device.this, device.device));
        let mut requests = Vec::new();
        if agent.id == me {
            let waits = |device: DeviceId| {
                let mut waiting = self.confirmed.open(self.now);
                waiting.find(|(d, _)| d.newcomer.device == device).map(|(_, until)| until)
            };
            let asking =
                self.own_requests().filter(|r| access.agent_of(r.newcomer.device).is_none());
            requests.extend(asking.map(|request| DeviceRequestView {
                name: request.newcomer.name.clone(),
                device: request.newcomer.device,
                code: request.code().unwrap_or_default().to_owned(),
                expires: waits(request.newcomer.device).unwrap_or(request.expires),
                confirmed: waits(request.newcomer.device).is_some(),
            }));
        }
        Ok(DevicesView { agent, devices, requests })
    }

    fn device_view(&self, log: &ControlLog, agent: AgentId, device: DeviceId) -> DeviceView {
        let confirmed = |cert| match log.get(cert).map(|object| &object.payload) {
            // Anybody's device can sign; only one of the agent confirms anything.
            Some(Payload::DeviceCert(cert)) => cert
                .countersignature
                .as_ref()
                .is_some_and(|by| log.certs_of(by.device, agent).next().is_some()),
            _ => false,
        };
        let certs: Vec<ObjectId> =
            log.certs_of(device, agent).filter(|cert| log.counts(*cert)).collect();
        DeviceView {
            device,
            since: certs.iter().filter_map(|cert| self.heard(*cert)).min(),
            this: device == self.keys.device(),
            active: log.access().agent_of(device) == Some(agent),
            countersigned: certs.into_iter().any(confirmed),
            unconfirmed: log.access().uncountersigned().contains(&device),
            connected: self.peers.contains_key(&device),
        }
    }
}

/// The admin's side.
impl Engine {
    /// Whoever says yes to a namesake must not make it another device of the one who says so.
    pub(super) fn refuse_own_name(&self, name: &str) -> Result<(), Failure> {
        if !self.is_own_name(name) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Conflict,
            format!("\"{name}\" is your own name; nothing was changed"),
            "if it is another computer of yours, run `conclave device add` with its code; somebody \
             else has to join under another name",
        ))
    }

    /// Begins to let a device in that nobody confirms.
    pub(super) fn approve_device(
        &mut self,
        command: CommandId,
        name: &str,
        code: &str,
    ) -> Result<(), Failure> {
        self.require_approver()?;
        if let Some(result) = self.approve_confirmed(name, code, &[]) {
            let result = result?;
            self.emit(Effect::Answer { id: command, result: Ok(result) });
            return Ok(());
        }
        let newcomer = self.requested(name, code)?;
        self.refuse_own_name(&newcomer.name)?;
        let access = self.access()?;
        let agent = access.agent_named(&newcomer.name).filter(|agent| access.is_live(*agent));
        let agent = agent.ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("there is no agent \"{}\" yet whose device it could be", newcomer.name),
                "leave `--another-device` out to let a new agent in",
            )
        })?;
        self.require_new(agent, newcomer.device)?;
        self.require_connected(&newcomer)?;
        self.ask_for_proof(Approval { command, newcomer, becomes: Becomes::Device(agent) });
        Ok(())
    }

    /// Takes word of a device that one of its agent's devices has confirmed.
    pub(super) fn take_confirmed(&mut self, peer: DeviceId, word: NewDevice) -> Response {
        let NewDevice { agent, device, sealing, proof, countersignature, code } = word;
        let now = self.now;
        let Some(access) = self.control.as_ref().map(ControlLog::access) else {
            return Response::Refused;
        };
        if !self.may_approve() || access.agent_of(peer) != Some(agent) || !is_code(&code) {
            self.count("not_confirmed");
            return Response::Refused;
        }
        if access.agent_of(device) == Some(agent) {
            return Response::Join { answer: JoinAnswer::Admitted };
        }
        // Removed, or somebody's already.
        if access.agent_of(device).is_some() || self.require_new(agent, device).is_err() {
            self.count("not_confirmed");
            return Response::Refused;
        }
        if !self.desk.allows_member(peer, now) {
            return Response::Join { answer: JoinAnswer::Busy };
        }
        let company = self.company().unwrap_or_default();
        let statement = device_statement(company, agent, device, sealing);
        let newcomer = Newcomer { device, sealing, name: self.agent_ref(agent).name };
        let countersignature = Countersignature { device: peer, signature: countersignature };
        let confirmed = ConfirmedDevice { agent, newcomer, proof, countersignature, code };
        let fits = |key, signature| signature_fits(key, &statement, signature);
        let known = self.confirmed.holds(&confirmed, now);
        let good = known
            || fits(device, &confirmed.proof) && fits(peer, &confirmed.countersignature.signature);
        if !good {
            self.count("not_confirmed");
            return Response::Refused;
        }
        let answer = match self.confirmed.note(confirmed, now) {
            Noted::Waiting => JoinAnswer::Waiting,
            Noted::Refused => JoinAnswer::Refused,
            Noted::Busy => JoinAnswer::Busy,
        };
        self.emit(Effect::Event(Event::JoinRequests));
        Response::Join { answer }
    }

    /// What waits for an admin under a name, or with a device: only as long as who confirmed it is
    /// a live device of the agent, and it is not certified.
    pub(super) fn confirmed_named(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (&ConfirmedDevice, Timestamp)> {
        let wanted = normalize_name(name).ok();
        let typed = name.to_owned();
        self.confirmed_open().filter(move |(device, _)| {
            let newcomer = &device.newcomer;
            Some(&newcomer.name) == wanted.as_ref() || newcomer.device.to_string() == typed
        })
    }

    fn confirmed_open(&self) -> impl Iterator<Item = (&ConfirmedDevice, Timestamp)> {
        let access = self.control.as_ref().map(ControlLog::access);
        self.confirmed.open(self.now).filter(move |(device, _)| {
            access.is_some_and(|access| {
                access.agent_of(device.countersignature.device) == Some(device.agent)
                    && access.agent_of(device.newcomer.device).is_none()
            })
        })
    }

    pub(super) fn confirmed_views(&self) -> impl Iterator<Item = JoinRequestView> {
        self.confirmed_open().map(|(device, expires)| JoinRequestView {
            name: device.newcomer.name.clone(),
            device: device.newcomer.device,
            code: device.code.clone(),
            expires,
            name_taken: false,
            device_of: Some(self.agent_ref(device.agent)),
            countersigned: true,
        })
    }

    /// Lets a confirmed device in, if the name and the code are one's; its proof is here already.
    pub(super) fn approve_confirmed(
        &mut self,
        name: &str,
        code: &str,
        units: &[String],
    ) -> Option<Result<Outcome, Failure>> {
        let mut named = self.confirmed_named(name);
        let (device, _) = named.find(|(device, _)| codes_match(code, &device.code))?;
        let ConfirmedDevice { agent, newcomer, proof, countersignature, .. } = device.clone();
        drop(named);
        let certified = no_units_for_a_device(units)
            .and_then(|()| self.require_new(agent, newcomer.device))
            .and_then(|()| self.certify(agent, newcomer, proof, Some(countersignature)));
        Some(certified)
    }

    /// Signs the certificate of another device of an agent.
    fn certify(
        &mut self,
        agent: AgentId,
        newcomer: Newcomer,
        proof: SignatureBytes,
        countersignature: Option<Countersignature>,
    ) -> Result<Outcome, Failure> {
        let Newcomer { device, sealing, .. } = newcomer;
        let cert = DeviceCert { agent, device, sealing, countersignature, proof };
        self.author(Payload::DeviceCert(cert))?;
        self.control_changed();
        self.desk.remove(device);
        self.confirmed.remove(device);
        self.emit(Effect::Event(Event::JoinRequests));
        Ok(Outcome::Approved { agent: self.agent_ref(agent), device, units: Vec::new() })
    }

    /// Says no to a confirmed device, if the name, and the code if there is one, are of one only.
    pub(super) fn refuse_confirmed(&mut self, name: &str, code: Option<&str>) -> Option<Outcome> {
        let fits =
            |device: &ConfirmedDevice| code.is_none_or(|code| codes_match(code, &device.code));
        let mut named = self.confirmed_named(name).filter(|(device, _)| fits(device));
        let newcomer = named.next()?.0.newcomer.clone();
        if named.next().is_some() {
            return None;
        }
        drop(named);
        self.confirmed.refuse(newcomer.device, self.now);
        self.emit(Effect::Event(Event::JoinRequests));
        Some(Outcome::Refused { name: newcomer.name, device: newcomer.device })
    }
}
