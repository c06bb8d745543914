use conclave_protocol::id::DeviceId;
use libp2p::multiaddr::Protocol;

use super::super::names::peer_id_of_device;
use super::*;

fn peer(n: u8) -> PeerId {
    peer_id_of_device(DeviceId([n; 32])).unwrap()
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn newcomer(me: u8, typed: &[Multiaddr], now: Instant) -> Dialler {
    let mut dialler = Dialler::new(peer(me), typed, now);
    dialler.set_members(HashSet::new());
    dialler
}

fn targets(dials: &[Dial]) -> Vec<Target> {
    dials.iter().map(|dial| dial.target.clone()).collect()
}

#[test]
fn waits_shortly_for_the_first_policy() {
    let now = Instant::now();
    let mut dialler = Dialler::new(peer(1), &[address(1)], now);
    assert_eq!(dialler.poll(now), vec![]);
    assert_eq!(dialler.poll(now + POLICY_WAIT).len(), 1);
}

#[test]
fn a_typed_address_is_retried_for_ever_and_ever_more_slowly() {
    let mut now = Instant::now();
    let mut dialler = newcomer(1, &[address(1)], now);
    let target = Target::Address(address(1));
    let mut pauses = Vec::new();
    for _ in 0..50 {
        let asked = now;
        while dialler.poll(now).is_empty() {
            now += Duration::from_millis(10);
        }
        pauses.push(now - asked);
        assert_eq!(dialler.poll(now), vec![], "one dial at a time");
        dialler.failed(&target, None, now);
    }
    assert_eq!(pauses[0], Duration::ZERO);
    assert!(pauses[1] < Duration::from_millis(350), "{:?}", pauses[1]);
    assert!(pauses[49] > Duration::from_secs(7) && pauses[49] < Duration::from_secs(13));
}

#[test]
fn a_typed_address_rests_while_its_peer_is_connected() {
    let now = Instant::now();
    let mut dialler = newcomer(1, &[address(1)], now);
    let target = Target::Address(address(1));
    assert_eq!(targets(&dialler.poll(now)), std::slice::from_ref(&target));
    dialler.reached(&target, peer(2));
    assert_eq!(dialler.poll(now), vec![], "between success and report");
    dialler.connected(peer(2), true, now);
    assert_eq!(dialler.poll(now + Duration::from_secs(60)), vec![]);
    dialler.disconnected(peer(2), now + Duration::from_secs(60));
    assert_eq!(dialler.poll(now + Duration::from_secs(60)), vec![]);
    assert_eq!(targets(&dialler.poll(now + Duration::from_secs(61))), [target]);
}

#[test]
fn connections_that_end_at_once_slow_down() {
    let mut now = Instant::now();
    let mut dialler = newcomer(1, &[address(1)], now);
    let target = Target::Address(address(1));
    let mut dials = 0;
    for _ in 0..1000 {
        if !dialler.poll(now).is_empty() {
            dials += 1;
            dialler.reached(&target, peer(2));
            dialler.connected(peer(2), true, now);
            dialler.disconnected(peer(2), now);
        }
        now += Duration::from_millis(100);
    }
    assert!(dials < 25, "{dials} dials in 100 s");
}

#[test]
fn members_are_dialled_and_others_only_by_referral() {
    let now = Instant::now();
    let mut dialler = Dialler::new(peer(1), &[], now);
    dialler.set_members(HashSet::from([peer(2)]));
    dialler.exchanged(peer(2), vec![address(2)], now);
    dialler.exchanged(peer(3), vec![address(3)], now);
    dialler.discovered(peer(4), address(4), now);
    dialler.referred(peer(5), vec![address(5)], now);
    let later = now + Duration::from_secs(5);
    let mut found = targets(&dialler.poll(later));
    found.sort();
    let mut expected = [Target::Peer(peer(2)), Target::Peer(peer(5))];
    expected.sort();
    assert_eq!(found, expected);
    dialler.failed(&Target::Peer(peer(5)), None, later);
    assert_eq!(dialler.poll(later + REFERRAL_LIFE), vec![], "a referral ends");
}

#[test]
fn a_newcomer_dials_a_few_of_those_it_sees() {
    let now = Instant::now();
    let mut dialler = newcomer(0, &[], now);
    for n in 1..30 {
        dialler.discovered(peer(n), address(u16::from(n)), now);
    }
    let later = now + Duration::from_secs(3);
    let dials = dialler.poll(later);
    assert_eq!(dials.len(), NEWCOMER_MAX);
    assert_eq!(dialler.poll(later), vec![]);
    dialler.failed(&dials[0].target, None, later);
    assert_eq!(dialler.poll(later).len(), 1);
}

#[test]
fn the_lower_peer_dials_first() {
    let now = Instant::now();
    let (low, high) = if peer(1) < peer(2) { (1, 2) } else { (2, 1) };
    let mut lower = newcomer(low, &[], now);
    let mut higher = newcomer(high, &[], now);
    lower.discovered(peer(high), address(1), now);
    higher.discovered(peer(low), address(2), now);
    assert_eq!(lower.poll(now).len(), 1);
    assert_eq!(higher.poll(now), vec![]);
    assert_eq!(higher.poll(now + DISCOVERED_COURTESY).len(), 1);
}

#[test]
fn a_node_that_starts_waits_for_nobody() {
    let now = Instant::now();
    let (low, high) = if peer(1) < peer(2) { (1, 2) } else { (2, 1) };
    let after_policy = |typed: &[Multiaddr]| {
        let mut dialler = Dialler::new(peer(high), typed, now);
        dialler.exchanged(peer(low), vec![address(2)], now);
        dialler.set_members(HashSet::from([peer(low)]));
        dialler
    };
    assert_eq!(after_policy(&[]).poll(now).len(), 1, "what it remembers is dialled at once");
    let typed = address(1).with(Protocol::P2p(peer(low)));
    let mut dialler = after_policy(&[typed]);
    dialler.exchanged(peer(low), vec![address(3)], now);
    assert_eq!(dialler.poll(now).len(), 1, "what was typed too");
    let mut dialler = after_policy(&[]);
    dialler.poll(now);
    dialler.failed(&Target::Peer(peer(low)), None, now);
    let later = now + Duration::from_secs(60);
    dialler.exchanged(peer(low), vec![address(3)], later);
    assert_eq!(dialler.poll(later), vec![], "later the lower peer goes first");
    assert_eq!(dialler.poll(later + MEMBER_COURTESY).len(), 1);
}

#[test]
fn new_addresses_are_tried_at_once() {
    let now = Instant::now();
    let (low, high) = if peer(1) < peer(2) { (1, 2) } else { (2, 1) };
    let mut dialler = Dialler::new(peer(low), &[], now);
    dialler.set_members(HashSet::from([peer(high)]));
    dialler.exchanged(peer(high), vec![address(1)], now);
    for _ in 0..8 {
        let later = now + Duration::from_secs(1000);
        dialler.poll(later);
        dialler.failed(&Target::Peer(peer(high)), None, later);
    }
    let later = now + Duration::from_secs(1000);
    assert_eq!(dialler.poll(later), vec![]);
    dialler.exchanged(peer(high), vec![address(1)], later);
    assert_eq!(dialler.poll(later), vec![], "nothing new");
    dialler.exchanged(peer(high), vec![address(2), address(1)], later);
    let expected =
        Dial { target: Target::Peer(peer(high)), addresses: vec![address(2), address(1)] };
    assert_eq!(dialler.poll(later), vec![expected]);
}

#[test]
fn never_dials_itself_or_what_cannot_be_dialled() {
    let now = Instant::now();
    let own = address(1).with(libp2p::multiaddr::Protocol::P2p(peer(1)));
    let mut dialler = newcomer(1, &[own, address(7)], now);
    dialler.discovered(peer(1), address(1), now);
    dialler.referred(peer(1), vec![address(1)], now);
    dialler.discovered(peer(2), "/ip4/0.0.0.0/tcp/5".parse().unwrap(), now);
    let target = Target::Address(address(7));
    assert_eq!(targets(&dialler.poll(now + Duration::from_secs(3))), std::slice::from_ref(&target));
    dialler.reached_self(&target);
    assert_eq!(dialler.poll(now + Duration::from_secs(100)), vec![]);
}

#[test]
fn outgoing_connections_are_bounded() {
    let now = Instant::now();
    let mut dialler = Dialler::new(peer(0), &[], now);
    dialler.set_members((1..=200).map(peer).collect());
    for n in 1..=200 {
        dialler.exchanged(peer(n), vec![address(u16::from(n))], now);
    }
    let later = now + Duration::from_secs(3);
    let mut connected = 0;
    loop {
        let dials = dialler.poll(later);
        if dials.is_empty() {
            break;
        }
        assert!(dials.len() <= DIALS_MAX);
        for dial in dials {
            let Target::Peer(peer) = dial.target else { panic!("not a peer") };
            dialler.reached(&Target::Peer(peer), peer);
            dialler.connected(peer, true, later);
            connected += 1;
        }
    }
    assert_eq!(connected, OUTGOING_MAX);
}
