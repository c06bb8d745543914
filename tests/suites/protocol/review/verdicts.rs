//! Whom a node punishes for what it passed on.

use conclave_protocol::engine::{Command, GossipVerdict};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::UnitId;
use conclave_protocol::object::{AgentCert, Capabilities, MemberGrant, Payload, Principal};
use conclave_tests::forge;

use crate::company::pen::{Pen, gossip};
use crate::scene::{help, team};

/// Bob made the agent yves, alice certified his device and let him in. Carol knows that bob's
/// authority was cut off before that, dora does not, and passes on what yves wrote. All that his
/// `Enter` lists counts at carol; only the agent is void. The document says `Ignore`.
#[test]
fn who_is_behind_is_not_punished_for_an_agent_that_a_cut_has_voided() {
    let (mut w, alice, others) = team(51, &["bob", "carol", "dora"]);
    let [bob, carol, dora] = others[..] else { panic!("three") };
    w.must(
        alice,
        Command::GrantAdmin {
            agent: "bob".into(),
            device: None,
            rank: 2,
            may: Capabilities::ALL,
            scope: None,
            root: None,
        },
    );
    w.agree();
    w.isolate(carol);
    let mut pen = Pen::of(&w, alice);
    let (alices, bobs, own) = (w.node(alice).keys(), w.node(bob).keys(), w.outsider("yves"));
    let agent = pen.sign(&bobs, Payload::AgentCert(AgentCert { name: "yves".into() }));
    let cert = pen.device_cert(agent.id.into(), &own, None);
    let cert = pen.sign(&alices, cert);
    let unit: UnitId = pen
        .log
        .access()
        .principals(help(&w, carol))
        .find_map(|p| match p {
            Principal::Unit(unit) => Some(unit),
            Principal::Agent(_) => None,
        })
        .expect("Support");
    let grant = MemberGrant { agent: agent.id.into(), unit, overrides: Vec::new() };
    let grant = pen.sign(&alices, Payload::MemberGrant(grant));
    let room = help(&w, carol);
    let permit = *pen.log.permits(room, Principal::Unit(unit)).first().expect("one");
    assert!(pen.log.standing(own.device(), room).live);
    // Without a cut nothing of bob's is left.
    let revoke = pen.revoke(pen.grants("bob")[0], &[]);
    let revoke = pen.sign(&alices, revoke);
    let from = w.node(alice).device();
    let body = EnterBody::Permitted { device_cert: cert.id, member_grants: vec![grant.id], permit };
    gossip(&mut w, carol, from, &[agent, cert, grant, revoke]);
    w.settle();
    let company = w.ledger().company;
    let enter = forge::entering(forge::envelope(company, room, own.device(), &[]), &body);
    let enter = forge::signed(&own, &enter);
    let (topic, dora) = (w.topic(room), w.node(dora).device());
    let token = w.inject_gossip(carol, dora, topic, &enter.bytes);
    w.until("a verdict", 5_000, |w| w.node(carol).verdicts.contains_key(&token));
    assert_eq!(w.node(carol).verdicts[&token], GossipVerdict::Ignore);
}
