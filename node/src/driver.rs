//! The loop round the engine: the only clock, and the only caller of the engine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conclave_protocol::engine::{
    BatchId, Command, CommandId, Effect, Engine, Event, Failure, FailureKind, Input, Outcome,
};
use conclave_protocol::limits::SEND_WAIT_MS_MAX;
use conclave_protocol::time::Timestamp;
use conclave_protocol::view::JoinState;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinSet;

use crate::checks::Checks;
use crate::handle::Request;
use crate::identity::Home;
use crate::net::NetCommand;
use crate::store::{Store, StoreError, StoreNews, StoreWriter};

/// Inputs taken in before effects are carried out again.
const INPUTS_AT_ONCE: usize = 64;
/// Batches on their way to the disk beyond which nothing new is taken in: whoever sends
/// faster than the disk writes has to wait, in the end in its own TCP window.
const BATCHES_AHEAD_MAX: u64 = 256;
/// Posts held back at once; beyond that no request at all is taken.
const POSTS_HELD_MAX: usize = 1024;
/// How often posts that are held back are looked at when nothing happens.
const POSTS_LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long neighbours may take to confirm that they know that this node stops.
const GOODBYE_MAX: Duration = Duration::from_millis(300);
/// The longest sleep: a wall clock that steps must not stall the timers.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Everything that the loop connects.
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) home: Home,
    pub(crate) store: Arc<Store>,
    pub(crate) stalled: Arc<RwLock<Option<String>>>,
    pub(crate) inputs: Checks,
    pub(crate) net: Sender<NetCommand>,
    pub(crate) writer: StoreWriter,
    pub(crate) persisted: UnboundedReceiver<StoreNews>,
    pub(crate) requests: Receiver<Request>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) stop: oneshot::Receiver<()>,
    pub(crate) failed: watch::Sender<Option<String>>,
    /// Keys that are being sealed, on other threads.
    pub(crate) sealing: JoinSet<Input>,
}

/// A post that has to wait.
struct HeldPost {
    command: Box<Command>,
    answer: oneshot::Sender<Result<Outcome, Failure>>,
    /// No longer than this.
    until: Timestamp,
}

/// What waits inside the loop.
#[derive(Default)]
struct Waiting {
    commands: BTreeMap<CommandId, oneshot::Sender<Result<Outcome, Failure>>>,
    last_command: u64,
    /// Posts that the readers of their room cannot keep up with, in their order.
    posts: VecDeque<HeldPost>,
    /// Answers to queries, each with the batch that has to be durable before it is given out.
    looks: VecDeque<(BatchId, Box<dyn FnOnce() + Send>)>,
    /// Why nothing can be made durable for now.
    stalled: Option<StoreError>,
}

impl Waiting {
    /// There is no room: whoever waits for a command is told so, for its effect may never come.
    /// What can be seen is given out although it may not be durable: it is all there is.
    fn stall(&mut self, error: StoreError) {
        for (_, answer) in std::mem::take(&mut self.commands) {
            // Nobody waits any more: the caller has gone away.
            let hint = "it was not acknowledged and may still be carried out later; make room on \
                        the disk, the node goes on by itself";
            let _ = answer.send(Err(no_room(&error, hint)));
        }
        for post in self.posts.drain(..) {
            let hint = "make room on the disk, the node goes on by itself; then try again";
            let _ = post.answer.send(Err(no_room(&error, hint)));
        }
        for (_, give) in self.looks.drain(..) {
            give();
        }
        self.stalled = Some(error);
    }

    /// Tells whoever waits for a command why it will not be answered.
    fn give_up(self, failure: Option<&StoreError>) {
        let Some(error) = failure else { return };
        let posts = self.posts.into_iter().map(|post| post.answer);
        for answer in self.commands.into_values().chain(posts) {
            let hint = "it was not acknowledged; make room on the disk, or repair it, and start \
                        the node again";
            // Nobody waits any more: the caller has gone away.
            let _ = answer.send(Err(Failure::new(FailureKind::Failed, error.to_string(), hint)));
        }
    }
}

impl Driver {
    /// Runs until it is stopped or the store fails.
    pub(crate) async fn run(mut self) {
        let mut waiting = Waiting::default();
        let failure = loop {
            if let Err(error) = self.carry_out(&mut waiting).await {
                // The reason came, or comes, by the other way.
                break Some(self.reason().await.unwrap_or(error));
            }
            let ahead = self.engine.last_batch().0 - self.engine.persisted().0;
            let stalled = waiting.stalled.is_some();
            // Without room nothing is taken in: peers keep what they have for us.
            let open = ahead < BATCHES_AHEAD_MAX && !stalled;
            let due = self.engine.next_timeout().ms_since(now());
            let longest = if waiting.posts.is_empty() { SLEEP_MAX } else { POSTS_LOOK_EVERY };
            let sleep = tokio::time::sleep(Duration::from_millis(due).min(longest));
            let room = open && waiting.posts.len() < POSTS_HELD_MAX;
            tokio::select! {
                _ = &mut self.stop => break None,
                news = self.persisted.recv() => match news {
                    Some(StoreNews::Durable(batch)) => {
                        if waiting.stalled.take().is_some() {
                            self.tell_stalled(None);
                        }
                        self.engine.handle(now(), Input::Persisted { batch });
                    }
                    Some(StoreNews::Stalled(error)) => {
                        self.tell_stalled(Some(error.to_string()));
                        waiting.stall(error);
                    }
                    Some(StoreNews::Failed(error)) => break Some(error),
                    None => break Some(StoreError::Stopped),
                },
                Some(input) = self.inputs.next(), if open => self.take_inputs(input),
                Some(sealed) = self.sealing.join_next(), if open => match sealed {
                    Ok(input) => self.engine.handle(now(), input),
                    // Who needs the key asks for it.
                    Err(error) => tracing::error!(%error, "a key could not be sealed"),
                },
                Some(request) = self.requests.recv(), if room || stalled => {
                    self.take_requests(request, &mut waiting);
                }
                () = sleep, if !stalled => self.engine.handle(now(), Input::Tick),
            }
            self.release_posts(&mut waiting);
        };
        if failure.is_none() {
            self.say_goodbye(&mut waiting).await;
        }
        // Nobody hears "done" for what is not durable; what is will be there after a restart.
        waiting.give_up(failure.as_ref());
        if self.net.send(NetCommand::Stop).await.is_err() {
            tracing::debug!("the network had stopped already");
        }
        let writer = self.writer;
        if tokio::task::spawn_blocking(move || writer.stop()).await.is_err() {
            tracing::error!("the store did not stop cleanly");
        }
        if let Some(error) = failure {
            tracing::error!(%error, "the node stops");
            self.failed.send_replace(Some(error.to_string()));
        }
    }

    /// Tells the neighbours that this node stops, and goes on until they have confirmed it, or do
    /// not.
    async fn say_goodbye(&mut self, waiting: &mut Waiting) {
        self.engine.handle(now(), Input::Stopping);
        let until = tokio::time::sleep(GOODBYE_MAX);
        tokio::pin!(until);
        while self.carry_out(waiting).await.is_ok() && self.engine.is_leaving() {
            tokio::select! {
                () = &mut until => {
                    tracing::debug!("not every neighbour has confirmed that this node stops");
                    return;
                }
                Some(input) = self.inputs.next() => {
                    // Nothing new is taken in any more.
                    let ends = matches!(input, Input::Response { .. } | Input::Disconnected { .. });
                    if ends {
                        self.engine.handle(now(), input);
                    }
                }
                else => return,
            }
        }
    }

    fn tell_stalled(&self, reason: Option<String>) {
        *self.stalled.write().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Why the store has failed.
    async fn reason(&mut self) -> Option<StoreError> {
        while let Some(news) = self.persisted.recv().await {
            if let StoreNews::Failed(error) = news {
                return Some(error);
            }
        }
        None
    }

    fn take_inputs(&mut self, first: Input) {
        self.engine.handle(now(), first);
        for _ in 1..INPUTS_AT_ONCE {
            match self.inputs.next_now() {
                Some(input) => self.engine.handle(now(), input),
                None => break,
            }
        }
        // Verdicts that are due do not wait for a quiet moment.
        if self.engine.next_timeout() <= now() {
            self.engine.handle(now(), Input::Tick);
        }
    }

    fn take_requests(&mut self, first: Request, waiting: &mut Waiting) {
        self.take_request(first, waiting);
        for _ in 1..INPUTS_AT_ONCE {
            match self.requests.try_recv() {
                Ok(request) => self.take_request(request, waiting),
                Err(_) => break,
            }
        }
    }

    fn take_request(&mut self, request: Request, waiting: &mut Waiting) {
        match request {
            Request::Command(command, answer) => {
                if let Some(error) = &waiting.stalled {
                    // Nobody waits any more: the caller has gone away.
                    let hint = "make room on the disk, the node goes on by itself; then try again";
                    let _ = answer.send(Err(no_room(error, hint)));
                    return;
                }
                let is_post = matches!(*command, Command::Send { .. });
                let behind_others = is_post && !waiting.posts.is_empty();
                if behind_others || self.engine.must_wait(&command, now()) {
                    let until = now().plus_ms(SEND_WAIT_MS_MAX);
                    return waiting.posts.push_back(HeldPost { command, answer, until });
                }
                self.take_command(*command, answer, waiting);
            }
            Request::Query(look) => {
                let give = look(&self.engine);
                if waiting.stalled.is_some() {
                    give();
                    return;
                }
                waiting.looks.push_back((self.engine.last_batch(), give));
            }
        }
    }

    fn take_command(
        &mut self,
        command: Command,
        answer: oneshot::Sender<Result<Outcome, Failure>>,
        waiting: &mut Waiting,
    ) {
        waiting.last_command += 1;
        let id = CommandId(waiting.last_command);
        waiting.commands.insert(id, answer);
        self.engine.handle(now(), Input::Command { id, command });
    }

    /// Hands in the posts that need not wait any more, in their order.
    fn release_posts(&mut self, waiting: &mut Waiting) {
        while let Some(HeldPost { command, until, .. }) = waiting.posts.front() {
            let now = now();
            // The wall clock may have been set back.
            let patient = now < *until && until.ms_since(now) <= SEND_WAIT_MS_MAX;
            if patient && self.engine.must_wait(command, now) {
                break;
            }
            if let Some(post) = waiting.posts.pop_front() {
                self.take_command(*post.command, post.answer, waiting);
            }
        }
    }

    /// Carries out everything that may happen now.
    async fn carry_out(&mut self, waiting: &mut Waiting) -> Result<(), StoreError> {
        while let Some(effect) = self.engine.poll() {
            let command = match effect {
                Effect::Persist(batch) => {
                    self.writer.write(batch)?;
                    continue;
                }
                Effect::Answer { id, result } => {
                    if let Some(answer) = waiting.commands.remove(&id) {
                        // Nobody waits any more: the caller has gone away.
                        let _ = answer.send(result);
                    }
                    continue;
                }
                Effect::Event(event) => {
                    self.settle_join_when_admitted(&event);
                    // Nobody listens: nothing is lost, events are news and not state.
                    let _ = self.events.send(event);
                    continue;
                }
                Effect::Seal(job) => {
                    self.sealing.spawn_blocking(move || job.run());
                    continue;
                }
                Effect::TailKnown => {
                    let store = Arc::clone(&self.store);
                    // If that cannot be noted, the next start asks the members again.
                    tokio::task::spawn_blocking(move || match store.adopt() {
                        Ok(()) => tracing::info!("this copied home knows what it had signed"),
                        Err(error) => tracing::warn!(%error, "this home is a copy still"),
                    });
                    continue;
                }
                Effect::Verdict { token, verdict } => NetCommand::Verdict { token, verdict },
                Effect::Publish { topic, id, bytes } => NetCommand::Publish { topic, id, bytes },
                Effect::Send { peer, request, frame } => NetCommand::Send { peer, request, frame },
                Effect::Respond { token, frame } => NetCommand::Respond { token, frame },
                Effect::Policy(policy) => {
                    self.inputs.set_members(policy.members.iter().copied());
                    NetCommand::Policy(policy)
                }
                Effect::Addresses { peer, addresses } => NetCommand::Addresses { peer, addresses },
                Effect::Referral { peer, addresses } => NetCommand::Referral { peer, addresses },
            };
            // Cannot wait for ever: the network takes commands even while its inputs are full.
            if self.net.send(command).await.is_err() {
                tracing::debug!("the network has stopped");
            }
        }
        let persisted = self.engine.persisted();
        while waiting.looks.front().is_some_and(|(after, _)| *after <= persisted) {
            if let Some((_, give)) = waiting.looks.pop_front() {
                give();
            }
        }
        Ok(())
    }

    fn settle_join_when_admitted(&self, event: &Event) {
        let Event::Join(join) = event else { return };
        if join.state == JoinState::Admitted
            && let Err(error) = self.home.settle_join()
        {
            tracing::warn!(%error, "cannot settle the request to join");
        }
    }
}

fn no_room(error: &StoreError, hint: &str) -> Failure {
    Failure::new(FailureKind::Failed, error.to_string(), hint)
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
