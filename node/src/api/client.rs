//! The typed client of the local API; the command line and the devnet use no other.

mod authority;
mod devices;
mod instants;
mod names;
mod people;
mod protection;
mod reading;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use conclave_protocol::object::UnitKind;
use reqwest::{RequestBuilder, Response, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::routes::links::EndSessions;
use super::routes::{
    Approval, Membership, NewBackup, NewRoom, NewUnit, Nothing, Permission, Post, Refusal,
};
use super::server::BACKUP_TIME_MAX;
use super::stream::Events;
use super::types::{
    Access, Agent, Agents, Approved, Backup, ControlLog, EndedSessions, ErrorDocument,
    JoinRequests, Member, Message, OpenLink, Page, Participants, Problem, ProblemDetails, Refused,
    Room, Rooms, Status, Unit, Units,
};
use crate::identity::{Home, HomeError};

/// A little more than the server allows itself, so that its own answer comes first.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(40);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Calls the node that runs on a home. Not `Debug`: it holds the token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
    home: PathBuf,
}

impl Client {
    /// Finds the node of `home` through the files that it keeps there.
    ///
    /// # Errors
    /// A [`Problem`] of kind `not_running` if no node says that it runs there.
    pub fn open(home: &Path) -> Result<Self, Problem> {
        let (api, token) = access_of(home)?;
        let base = Url::parse(&api).map_err(|_| not_running(home))?;
        // A proxy of the environment must never see the token.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIME_MAX)
            .build()
            .map_err(|error| {
                let message = format!("the node cannot be called: {error}");
                Problem::new("failed", message, "close other programs and try again")
            })?;
        Ok(Self { http, base, token, home: home.to_owned() })
    }

    /// The address that is called, such as `http://127.0.0.1:4100`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The state of the node.
    ///
    /// # Errors
    /// A [`Problem`], as of every method here: the node's own, `not_running` or `failed`.
    pub async fn status(&self) -> Result<Status, Problem> {
        self.get(&["status"], &[]).await
    }

    /// The units of one kind.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn units(&self, kind: UnitKind) -> Result<Units, Problem> {
        self.get(&["units"], &[("kind", kind.word())]).await
    }

    /// Makes a unit; a Group inside `department`.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn new_unit(
        &self,
        kind: UnitKind,
        name: &str,
        department: Option<&str>,
    ) -> Result<Unit, Problem> {
        let kind = kind.word().to_owned();
        let department = department.map(str::to_owned);
        self.post(&["units"], &[], &NewUnit { kind, name: name.to_owned(), department }).await
    }

    /// All agents.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn agents(&self) -> Result<Agents, Problem> {
        self.get(&["agents"], &[]).await
    }

    /// One agent by name or id.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn agent(&self, selector: &str) -> Result<Agent, Problem> {
        self.get(&["agents", &people::unmistakable(selector)], &[]).await
    }

    /// Devices that ask to be let in.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn agent_requests(&self) -> Result<JoinRequests, Problem> {
        self.get(&["agent-requests"], &[]).await
    }

    /// Lets a device in whose screen shows `code`.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn approve(
        &self,
        name: &str,
        code: &str,
        units: &[String],
    ) -> Result<Approved, Problem> {
        let (name, code) = (name.to_owned(), code.to_owned());
        let approval = Approval { name, code, units: units.to_vec(), another_device: false };
        self.post(&["agent-requests", "approve"], &[], &approval).await
    }

    /// Refuses a device that asks to be let in.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn refuse(&self, name: &str, code: Option<&str>) -> Result<Refused, Problem> {
        let refusal = Refusal { name: name.to_owned(), code: code.map(str::to_owned) };
        self.post(&["agent-requests", "refuse"], &[], &refusal).await
    }

    /// Puts an agent into a unit.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn add_member(&self, agent: &str, unit: &str) -> Result<Member, Problem> {
        let membership = Membership { agent: agent.to_owned(), unit: unit.to_owned() };
        self.post(&["memberships"], &[], &membership).await
    }

    /// Takes an agent out of a unit.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn remove_member(&self, agent: &str, unit: &str) -> Result<Member, Problem> {
        let membership = Membership { agent: agent.to_owned(), unit: unit.to_owned() };
        self.post(&["memberships", "remove"], &[], &membership).await
    }

    /// The rooms that this agent may access, or all.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn rooms(&self, all: bool) -> Result<Rooms, Problem> {
        self.get(&["rooms"], &[("all", if all { "true" } else { "false" })]).await
    }

    /// Makes a room.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn new_room(
        &self,
        name: &str,
        permits: &[String],
        history: &str,
    ) -> Result<Room, Problem> {
        let history = Some(history.to_owned());
        let room = NewRoom { name: name.to_owned(), permits: permits.to_vec(), history };
        self.post(&["rooms"], &[], &room).await
    }

    /// One room with its permissions.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn room(&self, room: &str) -> Result<Room, Problem> {
        self.get(&["room"], &[("room", room)]).await
    }

    /// Opens a room to one more principal.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn permit(&self, room: &str, unit: &str) -> Result<Room, Problem> {
        let permission = Permission { unit: unit.to_owned() };
        self.post(&["room", "permit"], &[("room", room)], &permission).await
    }

    /// Takes a permission away.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn unpermit(&self, room: &str, unit: &str) -> Result<Room, Problem> {
        let permission = Permission { unit: unit.to_owned() };
        self.post(&["room", "unpermit"], &[("room", room)], &permission).await
    }

    /// With Access.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn access(&self, room: &str) -> Result<Access, Problem> {
        self.get(&["room", "access"], &[("room", room)]).await
    }

    /// Participants.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn participants(&self, room: &str) -> Result<Participants, Problem> {
        self.get(&["room", "participants"], &[("room", room)]).await
    }

    /// The newest messages, or the newest before a message; at most
    /// [`conclave_protocol::limits::HISTORY_PAGE_MAX`] at a time.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn history(
        &self,
        room: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Page, Problem> {
        let limit = limit.to_string();
        let mut query = vec![("room", room), ("limit", limit.as_str())];
        query.extend(before.map(|id| ("before", id)));
        self.get(&["messages"], &query).await
    }

    /// Posts a text.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn send(&self, room: &str, text: &str) -> Result<Message, Problem> {
        let post = Post { room: room.to_owned(), text: text.to_owned() };
        self.post(&["messages"], &[], &post).await
    }

    /// A new link that lets one browser in.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn new_link(&self) -> Result<OpenLink, Problem> {
        self.post(&["links"], &[], &Nothing {}).await
    }

    /// Ends the sessions of all browsers.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn end_sessions(&self) -> Result<EndedSessions, Problem> {
        self.post(&["sessions", "end"], &[], &EndSessions { all: true }).await
    }

    /// Writes the node's home to a new file, named by its whole path.
    ///
    /// # Errors
    /// See [`Self::status`]; then there is no such file.
    pub async fn backup(&self, file: PathBuf) -> Result<Backup, Problem> {
        let body = NewBackup { file };
        let request = self.http.post(self.url(&["backup"], &[])).timeout(BACKUP_TIME_MAX);
        let answer = async { read_json(self.call(request.json(&body)).await?).await };
        answer.await.map_err(asked_for_change)
    }

    /// The control log.
    ///
    /// # Errors
    /// See [`Self::status`].
    pub async fn control(&self) -> Result<ControlLog, Problem> {
        self.get(&["control"], &[]).await
    }

    /// The messages of one room as they come, or all events.
    ///
    /// # Errors
    /// See [`Self::status`]; a room that may not be read is answered here.
    pub async fn events(&self, room: Option<&str>) -> Result<Events, Problem> {
        let query: Vec<_> = room.map(|room| ("room", room)).into_iter().collect();
        let request = self.http.get(self.url(&["events"], &query));
        // Only the beginning is limited: the stream itself has no end.
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, self.call(request));
        let response = answer.await.map_err(|_| silent())?.map_err(only_looked)?;
        Ok(Events::new(response))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Problem> {
        let request = self.http.get(self.url(path, query)).timeout(REQUEST_TIME_MAX);
        let answer = async { read_json(self.call(request).await?).await };
        answer.await.map_err(only_looked)
    }

    async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &B,
    ) -> Result<T, Problem> {
        let request = self.http.post(self.url(path, query)).timeout(REQUEST_TIME_MAX).json(body);
        let answer = async { read_json(self.call(request).await?).await };
        answer.await.map_err(asked_for_change)
    }

    /// Sends a request and turns every answer that is no success into a problem.
    async fn call(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let sent = request.bearer_auth(&self.token).send().await;
        let response = sent.map_err(|error| lost(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.unwrap_or_default();
        match read_problem(&bytes) {
            // The port has passed to another program, or to the node of another home.
            None => Err(stranger(self.address())),
            Some(problem) if problem.kind == "unauthorized" => Err(stranger(self.address())),
            Some(problem) => Err(problem),
        }
    }
}

/// The problem in an answer: as problem details, or, of an older node, in its envelope alone.
fn read_problem(bytes: &[u8]) -> Option<Problem> {
    let details = || {
        let details: ProblemDetails = serde_json::from_slice(bytes).ok()?;
        Some(Problem { kind: details.kind, message: details.detail, hint: details.hint })
    };
    let envelope = || Some(serde_json::from_slice::<ErrorDocument>(bytes).ok()?.error);
    details().or_else(envelope)
}

async fn read_json<T: DeserializeOwned>(response: Response) -> Result<T, Problem> {
    response.json().await.map_err(|error| lost(&error))
}

/// Address and token, from the files that a running node keeps in its home.
fn access_of(home: &Path) -> Result<(String, String), Problem> {
    // Opening makes the folder, and makes it private: not to be done to any folder named.
    if !home.join("node.json").exists() {
        return Err(not_running(home));
    }
    let opened = Home::open(home).map_err(|error| unreadable(&error))?;
    let running = opened.read_running().map_err(|error| unreadable(&error))?;
    let token = opened.read_api_token().map_err(|error| unreadable(&error))?;
    match (running, token) {
        (Some(running), Some(token)) => Ok((running.api, String::clone(&token))),
        _ => Err(not_running(home)),
    }
}

fn unreadable(error: &HomeError) -> Problem {
    Problem::new("failed", error.to_string(), "run as the user who runs the node")
}

fn not_running(home: &Path) -> Problem {
    let message = format!("no node is running on {}", home.display());
    Problem::new("not_running", message, "start it with `conclave up`, or name another `--home`")
}

fn stranger(address: &str) -> Problem {
    let message = format!("what answers at {address} is not the node of this home");
    Problem::new("not_running", message, "start the node with `conclave up`")
}

fn silent() -> Problem {
    let hint = "what you asked for may still happen: look before you repeat it";
    Problem::new("failed", "the node did not answer in time", hint)
}

/// The kind, for this file only, of a connection lost after the request was sent.
const CUT_OFF: &str = "cut_off";

fn lost(error: &reqwest::Error) -> Problem {
    if error.is_connect() {
        Problem::new("not_running", "the node does not answer", "start it with `conclave up`")
    } else if error.is_timeout() {
        silent()
    } else {
        Problem::new(CUT_OFF, "the node ended while it answered", "start it with `conclave up`")
    }
}

/// Whoever only looked needs to know no more than that the node is gone.
fn only_looked(mut problem: Problem) -> Problem {
    if problem.kind == CUT_OFF {
        "not_running".clone_into(&mut problem.kind);
    }
    problem
}

/// Whoever asked for a change does not know whether it was made.
fn asked_for_change(mut problem: Problem) -> Problem {
    if problem.kind == CUT_OFF {
        "failed".clone_into(&mut problem.kind);
        "what you asked for may have happened: look before you repeat it"
            .clone_into(&mut problem.hint);
    }
    problem
}
