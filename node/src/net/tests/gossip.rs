//! Who hears what by gossip, and in which state.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_a_broken_signature_does_not_keep_the_real_message_out() {
    let mut hub = Node::start(1, &[]).await;
    hub.policy(&[1, 2], &[1, 2]).await;
    let mut left = Node::start(2, &[hub.address()]).await;
    left.policy(&[1, 2], &[1, 2]).await;
    left.joined(hub.device).await;
    let keys = DeviceKeys::new(&[2; 32], &[0; 32]);
    let (_, real) = sign(&keys, ObjectType::Envelope, CompanyId::default(), b"body");
    let mut broken = real.clone();
    *broken.last_mut().unwrap() ^= 1;
    left.publish_bytes(broken.clone()).await;
    let token = hub.hear_bytes(&broken).await;
    hub.order(NetCommand::Verdict { token, verdict: GossipVerdict::Reject }).await;
    left.publish_bytes(real.clone()).await;
    hub.hear_bytes(&real).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_that_is_too_large_for_any_object_is_not_handed_on() {
    let mut hub = Node::start(1, &[]).await;
    hub.policy(&[1, 2], &[1, 2]).await;
    let mut left = Node::start(2, &[hub.address()]).await;
    left.policy(&[1, 2], &[1, 2]).await;
    left.joined(hub.device).await;
    let large = "x".repeat(SIGNED_BYTES_MAX + 1);
    left.publish(&large).await;
    left.publish("small").await;
    // They travel in order, on one connection.
    let first = hub
        .wait(|input| match input {
            Input::Gossip { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await;
    assert_eq!(first, b"small");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_no_topic_and_hears_nothing() {
    let mut a = Node::start(1, &[]).await;
    a.policy(&[1, 2], &[1, 2]).await;
    let mut b = Node::start(2, &[a.address()]).await;
    b.policy(&[1, 2], &[1, 2]).await;
    a.joined(b.device).await;

    let mut stranger = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| {
            let config = gossipsub::ConfigBuilder::default()
                .validation_mode(gossipsub::ValidationMode::Anonymous)
                .build()
                .unwrap();
            gossipsub::Behaviour::<gossipsub::IdentityTransform>::new(
                MessageAuthenticity::Anonymous,
                config,
            )
            .unwrap()
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build();
    let topic = names::gossip_topic(TOPIC);
    stranger.behaviour_mut().subscribe(&topic).unwrap();
    stranger.dial(a.address().parse::<Multiaddr>().unwrap()).unwrap();
    let refused = async {
        loop {
            match stranger.select_next_some().await {
                SwarmEvent::Behaviour(gossipsub::Event::GossipsubNotSupported { .. }) => break,
                SwarmEvent::Behaviour(event) => panic!("heard {event:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    let _ = stranger.behaviour_mut().publish(topic.hash(), b"from a stranger".to_vec());
    a.publish("secret").await;
    b.hear("secret").await;
    while let Some(Some(event)) = futures::FutureExt::now_or_never(stranger.next()) {
        assert!(!matches!(event, SwarmEvent::Behaviour(_)), "heard {event:?}");
    }
    assert_eq!(a.heard_so_far(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_hears_only_the_topics_it_may() {
    let mut a = Node::start(1, &[]).await;
    a.policy(&[1, 2, 3], &[1, 3]).await;
    let mut outside = Node::start(2, &[a.address()]).await;
    let mut inside = Node::start(3, &[a.address()]).await;
    outside.policy(&[1, 2, 3], &[1, 2, 3]).await;
    inside.policy(&[1, 2, 3], &[1, 2, 3]).await;
    // The hello of `a` arrives after its own was read, which `a` has therefore held back.
    outside.joined(a.device).await;
    inside.joined(a.device).await;
    a.joined(inside.device).await;

    a.publish("first").await;
    inside.hear("first").await;
    exchange(&mut a, &mut outside).await;
    assert_eq!(outside.heard_so_far(), Vec::<String>::new());
    // What it says itself reaches the engine, which judges it.
    outside.publish("from outside").await;
    a.hear("from outside").await;

    // A new policy lets it in without a new connection.
    a.policy(&[1, 2, 3], &[1, 2, 3]).await;
    let input = a
        .wait(|input| match input {
            Input::TopicPeer { joined: true, .. } | Input::Disconnected { .. } => Some(input),
            _ => None,
        })
        .await;
    assert!(matches!(input, Input::TopicPeer { peer, .. } if peer == outside.device));
    a.publish("second").await;
    outside.hear("second").await;
    inside.hear("second").await;

    // Another one throws it out: it comes back and is not in the topic.
    a.policy(&[1, 2, 3], &[1, 3]).await;
    a.disconnected(outside.device).await;
    a.connected(outside.device).await;
    outside.disconnected(a.device).await;
    outside.joined(a.device).await;
    a.publish("third").await;
    inside.hear("third").await;
    exchange(&mut a, &mut outside).await;
    assert_eq!(outside.heard_so_far(), Vec::<String>::new());
}
