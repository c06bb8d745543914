//! Between the network and the engine: signatures are checked on all cores, each object once, and
//! nobody's flood keeps others waiting.
//!
//! What comes from the network waits in a [`Queue`]. As long as there is little of it, it is
//! checked on the spot, for a hop to another thread takes longer. Under load a group is checked on
//! several threads while the engine works on the group before it. What leaves this stage is what
//! entered it, in the order of the queue, with the outcome of the checks.

mod queue;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use conclave_protocol::engine::Input;
use conclave_protocol::id::DeviceId;
use conclave_protocol::signed::{Checked, Checker};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use self::queue::Queue;

/// Inputs that wait at most; beyond that the network has to wait.
const WAITING_MAX: usize = 2048;
/// Inputs of one group, at most.
const GROUP_MAX: usize = 64;
/// Objects that are checked on the spot, at most, rather than on other threads.
const ON_THE_SPOT_MAX: usize = 8;

/// See the module.
pub(crate) struct Checks {
    inputs: Receiver<Input>,
    checker: Arc<Checker>,
    threads: usize,
    queue: Queue,
    /// The group that is being checked.
    running: Option<Group>,
    /// What has been checked and can be handed in.
    ready: VecDeque<Input>,
}

/// Inputs whose objects are being checked.
struct Group {
    inputs: Vec<Input>,
    /// How many objects each input has.
    objects: Vec<usize>,
    /// What is being checked, in order; and what has been.
    parts: VecDeque<JoinHandle<Vec<Option<Checked>>>>,
    checked: Vec<Option<Checked>>,
}

impl Checks {
    pub(crate) fn new(inputs: Receiver<Input>, checker: Arc<Checker>) -> Self {
        Self {
            inputs,
            checker,
            threads: available_parallelism().map_or(1, NonZero::get),
            queue: Queue::default(),
            running: None,
            ready: VecDeque::new(),
        }
    }

    /// The next input, checked; `None` when the network has ended. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        loop {
            if let Some(input) = self.next_now() {
                return Some(input);
            }
            let full = self.queue.len() >= WAITING_MAX;
            match &mut self.running {
                Some(group) => tokio::select! {
                    biased;
                    () = group.run() => self.finish(),
                    Some(input) = self.inputs.recv(), if !full => self.queue.push(input),
                },
                None => self.queue.push(self.inputs.recv().await?),
            }
        }
    }

    /// The next input, if there is one that need not be waited for.
    pub(crate) fn next_now(&mut self) -> Option<Input> {
        while self.queue.len() < WAITING_MAX
            && let Ok(input) = self.inputs.try_recv()
        {
            self.queue.push(input);
        }
        if self.running.is_none() {
            self.start();
        }
        self.ready.pop_front()
    }

    /// Devices that the control log certifies: only they have a place of their own in the queue.
    pub(crate) fn set_members(&mut self, members: impl IntoIterator<Item = DeviceId>) {
        self.queue.set_members(members.into_iter().collect());
    }

    /// Starts on the next group: at once if there is little to check, else on other threads.
    fn start(&mut self) {
        let (mut inputs, mut counts, mut objects) = (Vec::new(), Vec::new(), Vec::new());
        while inputs.len() < GROUP_MAX
            && let Some(input) = self.queue.pop()
        {
            let found = input.objects();
            counts.push(found.len());
            objects.extend(found);
            inputs.push(input);
        }
        if inputs.is_empty() {
            return;
        }
        let mut group = Group {
            inputs,
            objects: counts,
            parts: VecDeque::new(),
            checked: Vec::with_capacity(objects.len()),
        };
        // Without a thread to spare the hop gains nothing.
        if objects.len() <= ON_THE_SPOT_MAX || self.threads == 1 {
            group.checked.extend(objects.iter().map(|bytes| self.checker.check(bytes)));
            self.running = Some(group);
            return self.finish();
        }
        let part = objects.len().div_ceil(self.threads);
        let mut objects = objects.into_iter();
        while objects.len() > 0 {
            let part: Vec<Vec<u8>> = objects.by_ref().take(part).collect();
            let checker = Arc::clone(&self.checker);
            group.parts.push_back(tokio::task::spawn_blocking(move || {
                part.iter().map(|bytes| checker.check(bytes)).collect()
            }));
        }
        self.running = Some(group);
    }

    /// The group is through.
    fn finish(&mut self) {
        let Some(group) = self.running.take() else { return };
        let mut checked = group.checked.into_iter();
        for (input, count) in group.inputs.into_iter().zip(group.objects) {
            let objects: Vec<Checked> = checked.by_ref().take(count).flatten().collect();
            if let Input::Gossip { peer, .. } = &input
                && objects.iter().any(Checked::is_refused)
            {
                self.queue.distrust(*peer);
            }
            self.ready.push_back(if objects.is_empty() {
                input
            } else {
                Input::Checked { objects, input: Box::new(input) }
            });
        }
    }
}

impl Group {
    /// Returns when everything is checked. May be dropped while it waits.
    async fn run(&mut self) {
        while let Some(part) = self.parts.front_mut() {
            // A part that was lost would shift the others: then the engine checks all by itself.
            match part.await {
                Ok(checked) => self.checked.extend(checked),
                Err(error) => {
                    tracing::error!(%error, "checking signatures failed");
                    self.objects.fill(0);
                }
            }
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
