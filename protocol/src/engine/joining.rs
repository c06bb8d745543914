//! Being let in, and letting in. See [`crate::join`] for why the codes can be trusted.

use std::collections::BTreeMap;

use super::authoring::not_admin;
use super::command::{Failure, FailureKind, Outcome};
use super::devices::Desk;
use super::io::{CommandId, Effect, Event, RequestId};
use super::syncing::Asked;
use super::{Engine, JoinWish};
use crate::control::ControlLog;
use crate::id::{AgentId, CompanyId, DeviceId, ObjectId, UnitId};
use crate::join::{DeskAnswer, Newcomer, codes_match, commitment, safety_code};
use crate::keys::device_statement;
use crate::limits::{ADDRESSES_MAX, JOIN_REQUEST_MS, JOIN_SILENCE_MS};
use crate::name::{check_name, normalize_name};
use crate::object::{AgentCert, DeviceCert, MemberGrant, Payload, SignatureBytes};
use crate::signed::signature_fits;
use crate::sync::{JoinAnswer, Referred, Request, Response, Scope};
use crate::time::Timestamp;
use crate::view::{AgentRef, CompanyRef, JoinState, JoinView};

/// How often an admin is asked how the request stands, in ms.
const POLL_EVERY_MS: u64 = 1_000;
/// How soon a peer that could not help is asked again, in ms.
const RETRY_MS: u64 = 5_000;
/// Peers that may be asked to let us in at the same time.
const ASKED_MAX: usize = 64;

/// This device's own request to join.
#[derive(Debug)]
pub(super) struct JoinClient {
    wish: JoinWish,
    state: JoinState,
    /// The admin that made an offer which we took.
    attempt: Option<Attempt>,
    /// Peers that were asked, with the nonce committed to and the time.
    asked: BTreeMap<DeviceId, (ObjectId, Timestamp)>,
    /// The company in which somebody bears the name already.
    taken: Option<CompanyRef>,
    /// The company whose admin has refused; nobody is asked any more then.
    refused: Option<CompanyRef>,
    next: Timestamp,
}

#[derive(Debug)]
struct Attempt {
    admin: DeviceId,
    company: CompanyRef,
    code: String,
    /// When it began: a peer that puts us off for ever must not keep us from others.
    began: Timestamp,
    last_heard: Timestamp,
}

/// An approval that waits for the newcomer's proof.
#[derive(Debug)]
pub(super) struct Approval {
    pub(super) command: CommandId,
    pub(super) newcomer: Newcomer,
    pub(super) becomes: Becomes,
}

/// What a newcomer becomes.
#[derive(Debug)]
pub(super) enum Becomes {
    /// An agent of its own.
    Agent {
        /// Where it is put.
        units: Vec<UnitId>,
        /// The agent's certificate, signed but not published before the proof is here.
        agent: AgentId,
        agent_cert: Vec<u8>,
        tries: u32,
    },
    /// Another device of an agent; this one confirms it if the agent is its own.
    Device(AgentId),
}

impl JoinClient {
    pub(super) fn new(wish: JoinWish) -> Self {
        Self {
            wish,
            state: JoinState::Waiting,
            attempt: None,
            asked: BTreeMap::new(),
            taken: None,
            refused: None,
            next: Timestamp(0),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let decided = matches!(self.state, JoinState::Admitted | JoinState::Refused);
        (!decided).then_some(self.next)
    }

    /// The request is at its end.
    pub(super) fn refused(&mut self, company: CompanyRef) {
        self.state = JoinState::Refused;
        self.refused = Some(company);
        self.attempt = None;
        self.asked.clear();
    }

    /// The wall clock was set back.
    pub(super) fn clock_went_back(&mut self, ms: u64) {
        self.next = self.next.minus_ms(ms);
        for (_, at) in self.asked.values_mut() {
            *at = at.minus_ms(ms);
        }
        if let Some(attempt) = self.attempt.as_mut() {
            attempt.began = attempt.began.minus_ms(ms);
            attempt.last_heard = attempt.last_heard.minus_ms(ms);
        }
    }

    pub(super) fn view(&self) -> JoinView {
        JoinView {
            state: self.state,
            agent: self.wish.agent.clone(),
            company: self
                .attempt
                .as_ref()
                .map(|a| &a.company)
                .or(self.refused.as_ref())
                .or(self.taken.as_ref())
                .cloned(),
            code: self.attempt.as_ref().map(|a| a.code.clone()),
            name_taken: self.attempt.is_none() && self.refused.is_none() && self.taken.is_some(),
        }
    }
}

/// The newcomer's side.
impl Engine {
    /// Asks around, or asks the admin how the request stands.
    pub(super) fn join_tick(&mut self) {
        let (now, decided) = (self.now, self.member || self.is_refused());
        let Some(join) = self.join.as_mut().filter(|_| !decided) else { return };
        join.next = now.plus_ms(POLL_EVERY_MS);
        // If the admin is gone another may be there. The code is a new one then.
        let lapsed = |a: &Attempt| {
            now.ms_since(a.began) > JOIN_REQUEST_MS || now.ms_since(a.last_heard) > JOIN_SILENCE_MS
        };
        if join.attempt.as_ref().is_some_and(lapsed) {
            join.attempt = None;
            join.state = JoinState::Expired;
            let view = join.view();
            self.emit(Effect::Event(Event::Join(view)));
            return;
        }
        match join.attempt.as_ref().map(|a| a.admin) {
            Some(admin) => {
                if self.peers.contains_key(&admin) {
                    self.send(admin, Asked::JoinPoll(admin), &Request::JoinPoll);
                }
            }
            None => self.ask_to_join(),
        }
    }

    fn ask_to_join(&mut self) {
        let (now, connected) = (self.now, self.peers.keys().copied().collect::<Vec<_>>());
        for peer in connected {
            let nonce = self.entropy.nonce();
            let Some(join) = self.join.as_mut() else { return };
            join.asked.retain(|_, (_, at)| now.ms_since(*at) < RETRY_MS);
            if join.asked.contains_key(&peer) || join.asked.len() >= ASKED_MAX {
                continue;
            }
            join.asked.insert(peer, (nonce, now));
            let lost = join.wish.lost;
            let newcomer = self.as_newcomer();
            let request = Request::JoinHello {
                commitment: commitment(&newcomer, nonce),
                name: newcomer.name,
                sealing: newcomer.sealing,
                lost,
            };
            self.send(peer, Asked::JoinHello(peer), &request);
        }
    }

    fn as_newcomer(&self) -> Newcomer {
        let name = self.join.as_ref().map(|j| j.wish.agent.clone()).unwrap_or_default();
        Newcomer { device: self.keys.device(), sealing: self.keys.sealing(), name }
    }

    pub(super) fn join_offered(&mut self, peer: DeviceId, response: Option<Response>) {
        if self.is_refused() {
            return;
        }
        match response {
            Some(Response::JoinOffer { company, name, nonce }) => {
                self.take_offer(peer, CompanyRef { id: company, name }, nonce);
            }
            Some(Response::JoinReferral { company, name, admins }) => {
                if !self.wishes_for(&CompanyRef { id: company, name }) {
                    return;
                }
                for Referred { device, addresses } in admins {
                    self.emit(Effect::Referral { peer: device, addresses });
                }
            }
            Some(Response::JoinTaken { company, name }) => {
                let company = CompanyRef { id: company, name };
                let wished = self.wishes_for(&company) && check_name(&company.name).is_ok();
                let Some(join) = self.join.as_mut().filter(|_| wished) else { return };
                if join.attempt.is_none() && join.taken.as_ref() != Some(&company) {
                    join.taken = Some(company);
                    let view = join.view();
                    self.emit(Effect::Event(Event::Join(view)));
                }
            }
            _ => {}
        }
    }

    fn take_offer(&mut self, admin: DeviceId, company: CompanyRef, admin_nonce: ObjectId) {
        let newcomer = self.as_newcomer();
        let wished = self.wishes_for(&company);
        let now = self.now;
        let Some(join) = self.join.as_mut() else { return };
        if join.attempt.is_some() || !wished || check_name(&company.name).is_err() {
            return;
        }
        let Some((nonce, _)) = join.asked.get(&admin).copied() else { return };
        let code = safety_code(company.id, &newcomer, admin, nonce, admin_nonce);
        join.state = JoinState::Waiting;
        join.taken = None;
        join.attempt = Some(Attempt { admin, company, code, began: now, last_heard: now });
        self.send(admin, Asked::JoinReveal(admin), &Request::JoinReveal { nonce });
    }

    fn wishes_for(&self, company: &CompanyRef) -> bool {
        let wish = self.join.as_ref().and_then(|j| j.wish.company.as_deref());
        wish.is_none_or(|wish| {
            wish == company.id.to_string()
                || normalize_name(wish).is_ok_and(|wish| wish == company.name)
        })
    }

    pub(super) fn join_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let now = self.now;
        let Some(join) = self.join.as_mut() else { return };
        let Some(attempt) = join.attempt.as_mut().filter(|a| a.admin == peer) else { return };
        let Some(Response::Join { answer }) = response else { return };
        attempt.last_heard = now;
        let company = attempt.company.clone();
        match answer {
            JoinAnswer::Waiting => {
                // The admin shows the same code from now on.
                let view = join.view();
                self.emit(Effect::Event(Event::Join(view)));
            }
            JoinAnswer::Admitted => self.pull_company(company.id, peer),
            JoinAnswer::Refused => self.join_refused(company),
            // The admin's node restarted, or the request lapsed: ask anew, with a new code.
            JoinAnswer::Unknown => {
                join.attempt = None;
                join.asked.remove(&peer);
            }
            JoinAnswer::Busy => {}
        }
    }

    fn pull_company(&mut self, company: CompanyId, from: DeviceId) {
        if self.company() != Some(company) {
            self.control = Some(ControlLog::new(company));
        }
        self.want(from, Scope::Control);
    }

    /// The control log certifies this device.
    pub(super) fn joined(&mut self) {
        if let Some(join) = self.join.as_mut() {
            join.state = JoinState::Admitted;
            let view = join.view();
            self.emit(Effect::Event(Event::Join(view)));
        }
    }

    /// Whether the agent for which this device is certified is the one that its user asked to be.
    /// Whoever made us an offer may ask for a proof for any agent, also for its own, and so have us
    /// speak, and be spoken to, in another's name.
    pub(super) fn is_wished(&self) -> bool {
        let (Some(join), Some(control)) = (self.join.as_ref(), self.control.as_ref()) else {
            return true;
        };
        let Some(agent) = control.access().agent_of(self.keys.device()) else { return false };
        let first = match control.get(agent.into()).map(|object| &object.payload) {
            Some(Payload::AgentCert(cert)) => Some(&cert.name),
            _ => None,
        };
        // It may have been renamed since.
        let now = control.access().agents().get(&agent).map(|info| &info.name);
        let wish = normalize_name(&join.wish.agent).ok();
        wish.is_some() && (first == wish.as_ref() || now == wish.as_ref())
    }

    /// This device was certified for an agent that is not the one asked for: it stays out.
    pub(super) fn joined_as_another(&mut self, company: CompanyId) {
        if self.is_refused() {
            return;
        }
        self.count("joined_as_another");
        let name = self.control.as_ref().and_then(|c| c.genesis()).map(|g| g.name.clone());
        self.join_refused(CompanyRef { id: company, name: name.unwrap_or_default() });
    }

    fn answer_sign(&mut self, peer: DeviceId, company: CompanyId, agent: AgentId) -> Response {
        let expected = self
            .join
            .as_ref()
            .and_then(|j| j.attempt.as_ref())
            .is_some_and(|a| a.admin == peer && a.company.id == company);
        if !expected || self.member {
            return Response::Refused;
        }
        let statement = device_statement(company, agent, self.keys.device(), self.keys.sealing());
        Response::JoinProof { signature: SignatureBytes(self.keys.sign(&statement)) }
    }
}

/// The admin's side.
impl Engine {
    /// Answers join frames, the only ones that strangers may send.
    pub(super) fn answer_join(&mut self, peer: DeviceId, request: Request) -> Response {
        if let Request::JoinSign { company, agent } = request {
            return self.answer_sign(peer, company, agent);
        }
        let Some(company) = self.company_ref().filter(|_| self.member) else {
            return Response::Refused;
        };
        let admitted = self.is_member(peer);
        let (now, me) = (self.now, self.keys.device());
        let answer = match request {
            Request::JoinHello { name, sealing, commitment, lost } => {
                if check_name(&name).is_err() {
                    return Response::Refused;
                }
                match self.desk_for(&name, lost, admitted) {
                    Desk::Here => {}
                    Desk::AtOwnDevices => {
                        // Names are tried out no faster than requests are made.
                        if !self.desk.allows(peer, now) {
                            return Response::Join { answer: JoinAnswer::Busy };
                        }
                        return Response::JoinTaken { company: company.id, name: company.name };
                    }
                    Desk::AtAdmins => return self.refer(company),
                }
                let nonce = self.entropy.nonce();
                let newcomer = Newcomer { device: peer, sealing, name };
                // A device that was let in and lost its answer goes through the same frames.
                self.desk.hello(newcomer, commitment, nonce, now)
            }
            Request::JoinReveal { .. } | Request::JoinPoll if admitted => {
                return Response::Join { answer: JoinAnswer::Admitted };
            }
            Request::JoinReveal { nonce } => {
                let answer = self.desk.reveal(peer, nonce, company.id, me, now);
                self.emit(Effect::Event(Event::JoinRequests));
                answer
            }
            _ => self.desk.poll(peer, now),
        };
        let answer = match answer {
            DeskAnswer::Offer(nonce) => {
                return Response::JoinOffer { company: company.id, name: company.name, nonce };
            }
            DeskAnswer::Waiting => JoinAnswer::Waiting,
            DeskAnswer::Unknown => JoinAnswer::Unknown,
            DeskAnswer::Refused => JoinAnswer::Refused,
            DeskAnswer::Busy => JoinAnswer::Busy,
        };
        Response::Join { answer }
    }

    fn refer(&self, company: CompanyRef) -> Response {
        let approvers = self.control.iter().flat_map(ControlLog::approvers);
        let admins = approvers
            .filter_map(|device| {
                let known = self.addresses.get(&device)?;
                Some(Referred { device, addresses: known.addresses.clone() })
            })
            .take(ADDRESSES_MAX)
            .collect();
        Response::JoinReferral { company: company.id, name: company.name, admins }
    }

    /// Begins an approval: everything is checked, then the newcomer is asked for its proof.
    pub(super) fn approve(
        &mut self,
        command: CommandId,
        name: &str,
        code: &str,
        units: &[String],
    ) -> Result<(), Failure> {
        self.require_approver()?;
        if let Some(result) = self.approve_confirmed(name, code, units) {
            let result = result?;
            self.emit(Effect::Answer { id: command, result: Ok(result) });
            return Ok(());
        }
        let newcomer = self.requested(name, code)?;
        self.refuse_taken_name(&newcomer.name)?;
        let units = units.iter().map(|u| self.find_unit(u)).collect::<Result<Vec<_>, _>>()?;
        // Before anything is signed: nobody is let in by halves.
        let may = |unit: &UnitId| {
            let agent = self.me().unwrap_or_default();
            let grant = MemberGrant { agent, unit: *unit, overrides: Vec::new() };
            let log = self.control.as_ref();
            log.is_some_and(|l| {
                l.authority_for(self.keys.device(), &Payload::MemberGrant(grant)).is_some()
            })
        };
        if !units.iter().all(may) {
            return Err(not_admin("put agents into these units"));
        }
        self.require_connected(&newcomer)?;
        self.ask_new_agent(command, newcomer, units, 0)
    }

    pub(super) fn require_connected(&self, newcomer: &Newcomer) -> Result<(), Failure> {
        if self.peers.contains_key(&newcomer.device) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Failed,
            format!("the device of \"{}\" is not connected now", newcomer.name),
            "keep `conclave join` or `conclave up` running on the new device, then try again",
        ))
    }

    fn refuse_taken_name(&self, name: &str) -> Result<(), Failure> {
        if self.access()?.agent_named(name).is_none() {
            return Ok(());
        }
        self.refuse_own_name(name)?;
        Err(Failure::new(
            FailureKind::Conflict,
            format!("there is an agent named \"{name}\" already"),
            "somebody else has to join under another name; another device of that agent is \
             confirmed on one it has, with `conclave device add`; if all are lost, approve with \
             `--another-device`, which warns everybody",
        ))
    }

    fn ask_new_agent(
        &mut self,
        command: CommandId,
        newcomer: Newcomer,
        units: Vec<UnitId>,
        tries: u32,
    ) -> Result<(), Failure> {
        let payload = Payload::AgentCert(AgentCert { name: newcomer.name.clone() });
        let (id, agent_cert) = self.sign_control(payload)?;
        let becomes = Becomes::Agent { units, agent: AgentId::from(id), agent_cert, tries };
        self.ask_for_proof(Approval { command, newcomer, becomes });
        Ok(())
    }

    /// Asks a newcomer to show that it wants to be a device of the agent.
    pub(super) fn ask_for_proof(&mut self, approval: Approval) {
        let (Becomes::Agent { agent, .. } | Becomes::Device(agent)) = approval.becomes;
        let company = self.company().unwrap_or_default();
        let device = approval.newcomer.device;
        let request = self.send(device, Asked::Approval, &Request::JoinSign { company, agent });
        self.approvals.insert(request, approval);
    }

    /// The request that an admin means, if the code is the one it shows.
    pub(super) fn requested(&self, name: &str, code: &str) -> Result<Newcomer, Failure> {
        let named = match self.requests_named(name) {
            // The code is the wrong one.
            Err(_) if self.confirmed_named(name).next().is_some() => Vec::new(),
            named => named?,
        };
        let shown = |newcomer: &Newcomer| {
            let mut open = self.desk.open(self.now);
            let request = open.find(|r| r.newcomer.device == newcomer.device);
            request.and_then(|r| r.code()).is_some_and(|shown| codes_match(code, shown))
        };
        named.into_iter().find(shown).ok_or_else(|| {
            Failure::new(
                FailureKind::WrongCode,
                format!("\"{code}\" is not the safety code of \"{name}\"; nothing was changed"),
                "compare the code on the newcomer's own screen, by phone or in person; if it \
                 differs from `conclave agent requests`, someone is between you",
            )
        })
    }

    /// Who asks under a name, or with a device; at least one.
    pub(super) fn requests_named(&self, name: &str) -> Result<Vec<Newcomer>, Failure> {
        let wanted = normalize_name(name).ok();
        let named: Vec<_> = self
            .desk
            .open(self.now)
            .filter(|r| {
                Some(&r.newcomer.name) == wanted.as_ref() || r.newcomer.device.to_string() == name
            })
            .map(|r| r.newcomer.clone())
            .collect();
        if named.is_empty() {
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("nobody named \"{name}\" asks to be let in"),
                "see who asks with `conclave agent requests`",
            ));
        }
        Ok(named)
    }

    pub(super) fn approval_answered(&mut self, request: RequestId, response: Option<Response>) {
        let Some(approval) = self.approvals.remove(&request) else { return };
        let command = approval.command;
        let result = match response {
            Some(Response::JoinProof { signature }) => self.finish_approval(approval, signature),
            _ => Err(Failure::new(
                FailureKind::Failed,
                format!("the device of \"{}\" did not answer", approval.newcomer.name),
                "ask the newcomer to keep `conclave join` or `conclave up` running, then approve again",
            )),
        };
        if let Some(result) = result.transpose() {
            self.emit(Effect::Answer { id: command, result });
        }
    }

    /// Writes all objects of an approval at once. `None`: it has to be asked again, because
    /// our chain went on in between and the agent's id with it.
    fn finish_approval(
        &mut self,
        approval: Approval,
        proof: SignatureBytes,
    ) -> Result<Option<Outcome>, Failure> {
        let Approval { command, newcomer, becomes } = approval;
        let (Becomes::Agent { agent, .. } | Becomes::Device(agent)) = becomes;
        let company = self.company().unwrap_or_default();
        let statement = device_statement(company, agent, newcomer.device, newcomer.sealing);
        if !signature_fits(newcomer.device, &statement, &proof) {
            return Err(Failure::new(
                FailureKind::Failed,
                "the newcomer's proof does not fit its key; nothing was changed",
                "ask the newcomer to join again",
            ));
        }
        let Becomes::Agent { units, agent, agent_cert, tries } = becomes else {
            return self.finish_device(agent, newcomer, proof).map(Some);
        };
        self.refuse_taken_name(&newcomer.name)?;
        let again = Payload::AgentCert(AgentCert { name: newcomer.name.clone() });
        if self.sign_control(again)?.1 != agent_cert {
            if tries >= 3 {
                return Err(Failure::new(
                    FailureKind::Failed,
                    "other changes kept coming in between; nothing was changed",
                    "approve again",
                ));
            }
            self.ask_new_agent(command, newcomer, units, tries + 1)?;
            return Ok(None);
        }
        self.publish_control(&agent_cert)?;
        self.author(Payload::DeviceCert(DeviceCert {
            agent,
            device: newcomer.device,
            sealing: newcomer.sealing,
            countersignature: None,
            proof,
        }))?;
        for unit in &units {
            let grant = MemberGrant { agent, unit: *unit, overrides: Vec::new() };
            self.author(Payload::MemberGrant(grant))?;
        }
        self.control_changed();
        self.desk.remove(newcomer.device);
        self.emit(Effect::Event(Event::JoinRequests));
        let units = units.into_iter().map(|u| self.access().map(|a| a.unit_label(u)));
        Ok(Some(Outcome::Approved {
            agent: AgentRef { id: agent, name: newcomer.name },
            device: newcomer.device,
            units: units.collect::<Result<Vec<_>, _>>()?,
        }))
    }
}
