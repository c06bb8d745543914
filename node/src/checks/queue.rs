//! What waits to be checked, and in which order it is taken.
//!
//! In the order of arrival while little waits, for messages refer to those before them. When much
//! waits, messages are taken in turn from each author, so that one who floods waits for itself.
//! An author is only claimed, and whoever passes on messages with bad signatures could claim any:
//! such a peer has one place for all it brings, until it is gone. Everything that is no gossip
//! goes first; there is little of it, and each peer's share is bounded by the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use conclave_protocol::engine::Input;
use conclave_protocol::id::DeviceId;
use conclave_protocol::signed::claimed_author;

/// Up to so many messages are taken in the order of arrival.
const IN_ORDER_MAX: usize = 256;

/// Whose turn it is: of a member as the author, or of a peer for the rest that it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Author(DeviceId),
    Peer(DeviceId),
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    members: BTreeSet<DeviceId>,
    distrusted: BTreeSet<DeviceId>,
    first: VecDeque<Input>,
    /// Gossip by place, each message with its number in the order of arrival.
    gossip: BTreeMap<Place, VecDeque<(u64, Input)>>,
    /// Which place holds each number.
    arrivals: BTreeMap<u64, Place>,
    last_number: u64,
    /// Whose turn was last.
    turn: Option<Place>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.arrivals.len()
    }

    pub(super) fn set_members(&mut self, members: BTreeSet<DeviceId>) {
        self.members = members;
    }

    /// A peer has brought what no honest peer passes on.
    pub(super) fn distrust(&mut self, peer: DeviceId) {
        self.distrusted.insert(peer);
    }

    #[cfg(test)]
    pub(super) fn is_distrusted(&self, peer: DeviceId) -> bool {
        self.distrusted.contains(&peer)
    }

    pub(super) fn push(&mut self, input: Input) {
        let place = match &input {
            Input::Gossip { peer, .. } if self.distrusted.contains(peer) => Place::Peer(*peer),
            Input::Gossip { peer, bytes, .. } => claimed_author(bytes)
                .filter(|author| self.members.contains(author))
                .map_or(Place::Peer(*peer), Place::Author),
            _ => {
                if let Input::Disconnected { peer } = &input {
                    self.distrusted.remove(peer);
                }
                return self.first.push_back(input);
            }
        };
        self.last_number += 1;
        self.arrivals.insert(self.last_number, place);
        self.gossip.entry(place).or_default().push_back((self.last_number, input));
    }

    pub(super) fn pop(&mut self) -> Option<Input> {
        if let Some(input) = self.first.pop_front() {
            return Some(input);
        }
        let place = if self.arrivals.len() <= IN_ORDER_MAX {
            *self.arrivals.first_key_value()?.1
        } else {
            self.next_turn()?
        };
        let waiting = self.gossip.get_mut(&place)?;
        let (number, input) = waiting.pop_front()?;
        if waiting.is_empty() {
            self.gossip.remove(&place);
        }
        self.arrivals.remove(&number);
        Some(input)
    }

    fn next_turn(&mut self) -> Option<Place> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.turn.and_then(|last| {
            self.gossip.range((Excluded(last), Unbounded)).next().map(|(place, _)| *place)
        });
        self.turn = after.or_else(|| self.gossip.keys().next().copied());
        self.turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::{author, gossip, message};

    fn token(input: &Input) -> u64 {
        match input {
            Input::Gossip { token, .. } => token.0,
            _ => 0,
        }
    }

    fn tokens(queue: &mut Queue, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| queue.pop()).map(|input| token(&input)).collect()
    }

    #[test]
    fn little_is_taken_in_the_order_of_arrival() {
        let mut queue = Queue::default();
        queue.set_members([author(1), author(2)].into());
        for n in 1..=IN_ORDER_MAX as u64 {
            queue.push(gossip(author(9), n, message(1 + (n % 2) as u8, n)));
        }
        queue.push(Input::Tick);
        let expected: Vec<u64> = (0..=IN_ORDER_MAX as u64).collect();
        assert_eq!(tokens(&mut queue, 1000), expected, "what is no gossip goes first");
        assert_eq!((queue.len(), queue.gossip.len()), (0, 0));
    }

    #[test]
    fn a_flood_waits_for_itself() {
        let mut queue = Queue::default();
        queue.set_members([author(1), author(2), author(3)].into());
        for n in 1..=1000 {
            queue.push(gossip(author(9), n, message(1, n)));
        }
        queue.push(gossip(author(9), 2001, message(2, 1)));
        queue.push(gossip(author(8), 2002, message(2, 2)));
        queue.push(gossip(author(9), 3001, message(3, 1)));
        let next = tokens(&mut queue, 6);
        for others in [2001, 2002, 3001] {
            assert!(next.contains(&others), "{next:?}");
        }
        let rest = tokens(&mut queue, 2000);
        assert_eq!(rest.len(), 997);
        assert!(rest.is_sorted(), "what one author wrote stays in order");
    }

    #[test]
    fn a_peer_of_bad_signatures_cannot_fill_the_places_of_others() {
        let mut queue = Queue::default();
        queue.set_members([author(1)].into());
        queue.distrust(author(9));
        for n in 1..=1000 {
            queue.push(gossip(author(9), n, message(1, n)));
        }
        // Nor can strangers to the control log multiply their places.
        for n in 1..=10 {
            queue.push(gossip(author(9), 5000 + n, message(100 + n as u8, n)));
        }
        queue.push(gossip(author(8), 2001, message(1, 1)));
        assert_eq!(queue.gossip.len(), 2);
        assert!(tokens(&mut queue, 2).contains(&2001));
        // When it comes back it may have changed.
        queue.push(Input::Disconnected { peer: author(9) });
        queue.push(gossip(author(9), 4001, message(1, 4001)));
        assert_eq!(queue.gossip[&Place::Author(author(1))].len(), 1);
    }
}
