//! Whom to dial, where and when. A state machine that is given the time and decides nothing
//! about connections that stand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use super::names::{is_dialable, split_peer};

const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A connection that ends sooner counts as a failure; else a peer that lets us in and throws us
/// out at once would be dialled without end.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// Both sides find each other by mDNS at once; the lower `PeerId` dials, the other waits.
const DISCOVERED_COURTESY: Duration = Duration::from_secs(2);
/// The same for addresses that members exchange.
const MEMBER_COURTESY: Duration = Duration::from_millis(300);
/// Until the first policy says who is a member, a connection would have the wrong handler and
/// soon be closed again, so wait for it, but not long.
const POLICY_WAIT: Duration = Duration::from_millis(300);
/// As long as a request to join may live.
const REFERRAL_LIFE: Duration = Duration::from_secs(15 * 60);
/// Most dials at once, and most connections that we have dialled.
const DIALS_MAX: usize = 16;
const OUTGOING_MAX: usize = 48;
/// Most strangers that a newcomer dials because they are on the same network.
const NEWCOMER_MAX: usize = 8;
const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Most peers about whom anything is remembered, and of these, most found by mDNS.
const TARGETS_MAX: usize = 4096;
const DISCOVERED_MAX: usize = 256;

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    /// A peer that must show this identity.
    Peer(PeerId),
    /// Whoever is at a typed address.
    Address(Multiaddr),
}

/// A dial to be made. It ends with [`Dialler::failed`], or with [`Dialler::reached`] and then
/// [`Dialler::connected`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    /// Whom.
    pub(super) target: Target,
    /// Where, without `/p2p`.
    pub(super) addresses: Vec<Multiaddr>,
}

struct State {
    typed: Vec<Multiaddr>,
    discovered: Vec<Multiaddr>,
    exchanged: Vec<Multiaddr>,
    referred: Vec<Multiaddr>,
    referred_until: Option<Instant>,
    /// Whom a typed address without identity has led to.
    leads_to: Option<PeerId>,
    progress: Progress,
    due: Instant,
    backoff: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Idle,
    Dialling,
    /// Has led to a peer whose connection is not reported yet.
    Reached,
}

struct Up {
    since: Instant,
    outbound: bool,
}

/// See the module.
pub(super) struct Dialler {
    me: PeerId,
    started: Instant,
    /// `None` until the first policy.
    members: Option<HashSet<PeerId>>,
    targets: BTreeMap<Target, State>,
    up: HashMap<PeerId, Up>,
    random: u64,
}

impl Dialler {
    /// A dialler with the addresses that the user has typed.
    pub(super) fn new(me: PeerId, typed: &[Multiaddr], now: Instant) -> Self {
        let mut random = [0; 8];
        for (index, byte) in me.to_bytes().into_iter().enumerate() {
            random[index % 8] ^= byte;
        }
        let mut dialler = Self {
            me,
            started: now,
            members: None,
            targets: BTreeMap::new(),
            up: HashMap::new(),
            random: u64::from_be_bytes(random) | 1,
        };
        for address in typed {
            match split_peer(address.clone()) {
                (_, Some(peer)) if peer == me => {}
                (address, Some(peer)) => {
                    dialler.state(Target::Peer(peer), now).typed.push(address);
                }
                (address, None) => {
                    let target = Target::Address(address.clone());
                    dialler.state(target, now).typed.push(address);
                }
            }
        }
        dialler
    }

    /// Replaces the set of members.
    pub(super) fn set_members(&mut self, members: HashSet<PeerId>) {
        self.members = Some(members);
    }

    /// Replaces what members have told each other about where a member is.
    pub(super) fn exchanged(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        let addresses = usable(addresses);
        if let Some(state) = self.peer_state(peer, now)
            && state.exchanged != addresses
        {
            let news = addresses.iter().any(|address| !state.exchanged.contains(address));
            state.exchanged = addresses;
            // Addresses that come before the first policy are remembered ones: this node has just
            // started, and nobody else knows that yet.
            let starts = self.members.is_none();
            if news {
                self.retry(peer, if starts { Duration::ZERO } else { MEMBER_COURTESY }, now);
            }
        }
    }

    /// Notes where an admin who can let us in is said to be.
    pub(super) fn referred(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        let addresses = usable(addresses);
        if let Some(state) = self.peer_state(peer, now) {
            state.referred_until = Some(now + REFERRAL_LIFE);
            if state.referred != addresses {
                state.referred = addresses;
                self.retry(peer, Duration::ZERO, now);
            }
        }
    }

    /// Notes that mDNS has seen a peer somewhere.
    pub(super) fn discovered(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        let (address, _) = split_peer(address);
        let known = self.targets.get(&Target::Peer(peer));
        let seen = self.targets.values().filter(|state| !state.discovered.is_empty()).count();
        let new = known.is_none_or(|state| state.discovered.is_empty());
        if !is_dialable(&address) || (new && seen >= DISCOVERED_MAX) {
            return;
        }
        if let Some(state) = self.peer_state(peer, now)
            && state.discovered.len() < ADDRESSES_PER_PEER_MAX
            && !state.discovered.contains(&address)
        {
            state.discovered.push(address);
            self.retry(peer, DISCOVERED_COURTESY, now);
        }
    }

    /// Notes that mDNS has not seen a peer for a while. This ends no connection.
    pub(super) fn expired(&mut self, peer: PeerId, address: Multiaddr) {
        let (address, _) = split_peer(address);
        if let Some(state) = self.targets.get_mut(&Target::Peer(peer)) {
            state.discovered.retain(|known| *known != address);
        }
    }

    /// A connection with the peer counts from now on.
    pub(super) fn connected(&mut self, peer: PeerId, outbound: bool, now: Instant) {
        self.up.insert(peer, Up { since: now, outbound });
        for (target, state) in &mut self.targets {
            if state.progress == Progress::Reached && state.is_about(target, peer) {
                state.progress = Progress::Idle;
            }
        }
    }

    /// The peer has no connection any more.
    pub(super) fn disconnected(&mut self, peer: PeerId, now: Instant) {
        let Some(up) = self.up.remove(&peer) else { return };
        let stable = now.saturating_duration_since(up.since) >= STABLE_AFTER;
        let courtesy = if self.me < peer { Duration::ZERO } else { MEMBER_COURTESY };
        for (target, state) in &mut self.targets {
            if state.is_about(target, peer) {
                if stable {
                    state.backoff = BACKOFF_MIN;
                }
                let pause = step(&mut state.backoff, &mut self.random);
                let courtesy = if state.typed.is_empty() { courtesy } else { Duration::ZERO };
                state.due = now + pause + courtesy;
            }
        }
    }

    /// A dial has led to a peer.
    pub(super) fn reached(&mut self, target: &Target, peer: PeerId) {
        if let Some(state) = self.targets.get_mut(target) {
            state.progress = Progress::Reached;
            state.leads_to = matches!(target, Target::Address(_)).then_some(peer);
        }
    }

    /// A dial has failed, after the handshake if the peer is known.
    pub(super) fn failed(&mut self, target: &Target, peer: Option<PeerId>, now: Instant) {
        if let Some(state) = self.targets.get_mut(target) {
            state.progress = Progress::Idle;
            if matches!(target, Target::Address(_)) {
                state.leads_to = peer;
            }
            state.due = now + step(&mut state.backoff, &mut self.random);
        }
    }

    /// A dial has led to ourselves: never again.
    pub(super) fn reached_self(&mut self, target: &Target) {
        match target {
            Target::Address(_) => {
                self.targets.remove(target);
            }
            Target::Peer(_) => {
                // Another peer's old address that is ours now; its other ones may do.
                if let Some(state) = self.targets.get_mut(target) {
                    state.progress = Progress::Idle;
                    state.due += BACKOFF_MAX;
                }
            }
        }
    }

    /// Dials the peer at once if it is known where it is.
    pub(super) fn again(&mut self, peer: PeerId, now: Instant) {
        for (target, state) in &mut self.targets {
            if state.is_about(target, peer) {
                state.due = now;
                state.backoff = BACKOFF_MIN;
            }
        }
    }

    /// The dials that are due. Each counts as under way from now on.
    pub(super) fn poll(&mut self, now: Instant) -> Vec<Dial> {
        if self.members.is_none() && now < self.started + POLICY_WAIT {
            return Vec::new();
        }
        for state in self.targets.values_mut() {
            if state.referred_until.is_some_and(|until| until <= now) {
                state.referred_until = None;
                state.referred.clear();
            }
        }
        let up = &self.up;
        self.targets.retain(|target, state| {
            let peer_up = matches!(target, Target::Peer(peer) if up.contains_key(peer));
            state.is_busy() || peer_up || state.addresses().next().is_some()
        });
        let busy = self.targets.values().filter(|state| state.is_busy()).count();
        let dialled = self.up.values().filter(|up| up.outbound).count();
        let room = DIALS_MAX.saturating_sub(busy).min(OUTGOING_MAX.saturating_sub(dialled + busy));
        let mut newcomer_room = self.newcomer_room();

        let mut due: Vec<(Instant, Target)> = self
            .targets
            .iter()
            .filter(|(target, state)| {
                state.due <= now && !state.is_busy() && !self.is_up(target, state)
            })
            .map(|(target, state)| (state.due, target.clone()))
            .collect();
        due.sort();
        let mut dials = Vec::new();
        for (_, target) in due {
            if dials.len() >= room {
                break;
            }
            let Some(state) = self.targets.get(&target) else { continue };
            let wanted = self.is_wanted(&target, state);
            if !wanted {
                if newcomer_room == 0 || !self.is_newcomer_wish(state) {
                    continue;
                }
                newcomer_room -= 1;
            }
            let mut addresses: Vec<Multiaddr> = Vec::new();
            for address in state.addresses() {
                if addresses.len() < ADDRESSES_PER_PEER_MAX && !addresses.contains(address) {
                    addresses.push(address.clone());
                }
            }
            if let Some(state) = self.targets.get_mut(&target) {
                state.progress = Progress::Dialling;
            }
            dials.push(Dial { target, addresses });
        }
        dials
    }

    fn is_up(&self, target: &Target, state: &State) -> bool {
        match target {
            Target::Peer(peer) => self.up.contains_key(peer),
            Target::Address(_) => state.leads_to.is_some_and(|peer| self.up.contains_key(&peer)),
        }
    }

    fn is_wanted(&self, target: &Target, state: &State) -> bool {
        let member = |peer| self.members.as_ref().is_some_and(|members| members.contains(peer));
        !state.typed.is_empty()
            || !state.referred.is_empty()
            || matches!(target, Target::Peer(peer) if member(peer))
    }

    /// A node that belongs to nothing yet looks for a company among all it can see.
    fn is_newcomer_wish(&self, state: &State) -> bool {
        self.members.as_ref().is_none_or(HashSet::is_empty) && !state.discovered.is_empty()
    }

    fn newcomer_room(&self) -> usize {
        let taken = self.targets.iter().filter(|(target, state)| {
            (state.is_busy() || self.is_up(target, state))
                && !self.is_wanted(target, state)
                && self.is_newcomer_wish(state)
        });
        NEWCOMER_MAX.saturating_sub(taken.count())
    }

    /// Addresses have changed: whatever failed before says nothing now.
    fn retry(&mut self, peer: PeerId, courtesy: Duration, now: Instant) {
        if let Some(state) = self.targets.get_mut(&Target::Peer(peer)) {
            let first = self.me < peer || !state.typed.is_empty();
            let courtesy = if first { Duration::ZERO } else { courtesy };
            let fresh = state.backoff == BACKOFF_MIN && state.due > now;
            state.backoff = BACKOFF_MIN;
            if !fresh {
                state.due = now + courtesy;
            }
        }
    }

    fn peer_state(&mut self, peer: PeerId, now: Instant) -> Option<&mut State> {
        let target = Target::Peer(peer);
        let room = self.targets.len() < TARGETS_MAX || self.targets.contains_key(&target);
        (peer != self.me && room).then(|| self.state(target, now))
    }

    fn state(&mut self, target: Target, now: Instant) -> &mut State {
        self.targets.entry(target).or_insert_with(|| State {
            typed: Vec::new(),
            discovered: Vec::new(),
            exchanged: Vec::new(),
            referred: Vec::new(),
            referred_until: None,
            leads_to: None,
            progress: Progress::Idle,
            due: now,
            backoff: BACKOFF_MIN,
        })
    }
}

impl State {
    fn is_busy(&self) -> bool {
        self.progress != Progress::Idle
    }

    fn is_about(&self, target: &Target, peer: PeerId) -> bool {
        *target == Target::Peer(peer) || self.leads_to == Some(peer)
    }

    fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.typed.iter().chain(&self.discovered).chain(&self.exchanged).chain(&self.referred)
    }
}

/// What can be dialled at all, bounded.
fn usable(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let plain = addresses.into_iter().map(|address| split_peer(address).0);
    plain.filter(is_dialable).take(ADDRESSES_PER_PEER_MAX).collect()
}

/// The next pause, between three quarters and five quarters of the backoff, which doubles.
fn step(backoff: &mut Duration, random: &mut u64) -> Duration {
    // Xorshift: this spreads dials out and protects nothing.
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let pause = *backoff * 3 / 4 + *backoff / 2 * u32::from(random.to_be_bytes()[3]) / 255;
    *backoff = (*backoff * 2).min(BACKOFF_MAX);
    pause
}

#[cfg(test)]
mod tests;
