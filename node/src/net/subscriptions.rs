//! The subscriptions of one member: those that gossipsub knows of, and those held back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem;

use libp2p::gossipsub::{
    self, AllowAllSubscriptionFilter, IdentityTransform, MaxCountSubscriptionFilter, TopicHash,
    TopicSubscriptionFilter,
};
use libp2p::swarm::THandlerOutEvent;

use super::names::topic_of_hash;

/// Most topics that one peer may be in, or ask for.
pub(super) const TOPICS_MAX: usize = 4096;

/// Gossipsub as the gate wraps it.
pub(super) type Gossip =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<AllowAllSubscriptionFilter>>;
/// What a gossipsub handler reports. Gossipsub does not export the type by name.
pub(super) type FromHandler = THandlerOutEvent<Gossip>;

/// See the module.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// Topics whose subscription gossipsub has been told of.
    passed: HashSet<TopicHash>,
    /// What the policy does not allow yet, each as an event of its own.
    held: HashMap<TopicHash, FromHandler>,
}

impl Subscriptions {
    /// Topics in which gossipsub has the member.
    pub(super) fn passed(&self) -> impl Iterator<Item = &TopicHash> {
        self.passed.iter()
    }

    /// Takes out what is allowed now, for gossipsub.
    pub(super) fn release(&mut self, allowed: impl Fn(&TopicHash) -> bool) -> Vec<FromHandler> {
        let due: Vec<_> = self.held.extract_if(|topic, _| allowed(topic)).collect();
        let (topics, events): (Vec<_>, _) = due.into_iter().unzip();
        self.passed.extend(topics);
        events
    }

    /// Takes out of what the member sent the subscriptions that are not allowed.
    pub(super) fn sift(
        &mut self,
        event: FromHandler,
        allowed: impl Fn(&TopicHash) -> bool,
    ) -> FromHandler {
        let FromHandler::Message { mut rpc, invalid_messages } = event else { return event };
        // The last word on each topic counts, so that gossipsub and `passed` cannot come to
        // differ by several in one message, which gossipsub would cancel out.
        let mut wishes = HashMap::new();
        for subscription in rpc.subscriptions.drain(..) {
            wishes.insert(subscription.topic_hash.clone(), subscription);
        }
        // Gossipsub does not export the type of an action. A filter that has no room for any
        // topic refuses a subscription and lets the end of one pass.
        let mut no_room = MaxCountSubscriptionFilter {
            filter: AllowAllSubscriptionFilter::default(),
            max_subscribed_topics: 0,
            max_subscriptions_per_request: 1,
        };
        let messages = mem::take(&mut rpc.messages);
        let control_msgs = mem::take(&mut rpc.control_msgs);
        let empty = rpc.clone();
        for (topic, wish) in wishes {
            let one = std::slice::from_ref(&wish);
            let enters = no_room.filter_incoming_subscriptions(one, &BTreeSet::new()).is_err();
            if !enters {
                self.held.remove(&topic);
                if self.passed.remove(&topic) {
                    rpc.subscriptions.push(wish);
                }
            } else if allowed(&topic) {
                if self.passed.insert(topic) {
                    rpc.subscriptions.push(wish);
                }
            } else if self.held.len() < TOPICS_MAX
                && !self.passed.contains(&topic)
                // Only names of our own form: others can be as long as the peer likes.
                && topic_of_hash(&topic).is_some()
            {
                let mut alone = empty.clone();
                alone.subscriptions.push(wish);
                let event = FromHandler::Message { rpc: alone, invalid_messages: Vec::new() };
                self.held.insert(topic, event);
            }
        }
        rpc.messages = messages;
        rpc.control_msgs = control_msgs;
        FromHandler::Message { rpc, invalid_messages }
    }
}
