//! Cases 10, 11 and 12: an admin's laptop is stolen, and what one `admin revoke` makes of it.

use super::*;
use crate::scene::team;

struct Theft {
    w: World,
    alice: NodeId,
    bob: NodeId,
    carol: NodeId,
    mallory: NodeId,
    ghosts: [NodeId; 2],
    /// The last object that the real mallory signed.
    last_good: ObjectId,
}

/// Mallory, of rank 2, made a Group; then the thief let in two ghosts, dismissed bob and put carol
/// out of Support. Dave sees it all.
fn theft(seed: u64) -> (Theft, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "mallory", "dave"]);
    let [bob, carol, mallory, dave] = others[..] else { panic!("four") };
    make_admin(&mut w, alice, "mallory", 2, Capabilities::ALL);
    w.group(mallory, "Support", "Night");
    w.post(bob, "help", "bob before");
    w.agree();
    w.post(carol, "help", "carol before");
    w.agree();
    let device = w.node(mallory).device();
    let (_, last_good) = Pen::of(&w, alice).log.tail(device).expect("it signed");
    let ghosts = ["ghost1", "ghost2"].map(|name| w.join(mallory, name, &["department:Support"]));
    w.connect_all();
    w.agree();
    w.post(ghosts[0], "help", "boo 1");
    w.post(ghosts[1], "help", "boo 2");
    w.agree();
    // Somebody answers, so the ghosts' envelopes are ancestors of good messages.
    w.post(dave, "help", "who are you?");
    w.post(ghosts[0], "help", "boo 3");
    w.agree();
    w.remove_member(mallory, "carol", "department:Support");
    w.must(mallory, dismiss("bob"));
    w.run(3_000);
    (Theft { w, alice, bob, carol, mallory, ghosts, last_good }, dave)
}

impl Theft {
    fn one_cut(&mut self) -> Preview {
        for ghost in self.ghosts {
            self.w.crash(ghost);
        }
        self.w.crash(self.bob);
        self.w.agree();
        foreseen(&mut self.w, self.alice, revoke_admin("mallory", Some(self.last_good)))
    }
}

const GOOD: [&str; 3] = ["bob before", "carol before", "who are you?"];

#[test]
fn stolen_admin_ghosts_go_and_staff_return() {
    for seed in 1..4 {
        let (mut t, dave) = theft(seed);
        assert!(!may_read(&t.w, t.carol, "help"));
        let preview = t.one_cut();
        let names = |agents: &[conclave_protocol::view::AgentRef]| -> Vec<String> {
            agents.iter().map(|a| a.name.clone()).collect()
        };
        assert_eq!(names(&preview.returned), ["bob"]);
        assert_eq!(preview.dismissed.len(), 2);
        let room = &preview.rooms[0];
        assert_eq!(room.messages_lost, Some(3));
        assert_eq!(room.lose.len(), 2);
        let mut gain = names(&room.gain);
        gain.sort();
        assert_eq!(gain, ["bob", "carol"]);
        let (w, alice) = (&mut t.w, t.alice);
        w.start(t.bob);
        w.connect_all();
        w.agree();
        // Carol and bob write again, at once and as themselves.
        w.post(t.carol, "help", "carol again");
        w.agree();
        w.post(t.bob, "help", "bob again");
        w.agree();
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.agree();
        let all = [GOOD[0], GOOD[1], GOOD[2], "carol again", "bob again"];
        all_show(w, &[alice, t.bob, t.carol, t.mallory, dave, fresh], "help", &all);
        // What mallory did before stays; mallory is a person still, and no admin.
        assert!(w.engine(fresh).units(UnitKind::Group).expect("a member").len() == 1);
        let failed = w.command(t.mallory, remove("carol", "department:Support"));
        assert_eq!(failed.unwrap_err().kind, FailureKind::NotAdmin);
    }
}

#[test]
fn stolen_admin_what_staff_wrote_while_out_returns_with_it() {
    let (mut t, dave) = theft(11);
    // Carol's node is away, has not heard, and goes on.
    t.w.crash(t.ghosts[0]);
    t.w.crash(t.ghosts[1]);
    t.w.crash(t.bob);
    t.w.add_member(t.alice, "carol", "department:Support");
    t.w.agree();
    t.w.isolate(t.carol);
    t.w.remove_member(t.mallory, "carol", "department:Support");
    t.w.post(t.carol, "help", "still here");
    t.w.run(2_000);
    t.w.connect_all();
    t.w.run(10_000);
    assert!(!t.w.texts(dave, "help").contains(&"still here".to_owned()));
    t.w.must(t.alice, revoke_admin("mallory", Some(t.last_good)));
    t.w.start(t.bob);
    t.w.connect_all();
    t.w.agree();
    let all = [GOOD[0], GOOD[1], GOOD[2], "still here"];
    all_show(&t.w, &[t.alice, t.bob, t.carol, dave], "help", &all);
}

#[test]
fn stolen_admin_ghosts_that_are_behind_learn_nothing_more() {
    let (mut t, dave) = theft(12);
    let ghost = t.ghosts[0];
    t.w.isolate(ghost);
    t.w.crash(t.ghosts[1]);
    t.w.crash(t.bob);
    t.w.must(t.alice, revoke_admin("mallory", Some(t.last_good)));
    t.w.run(3_000);
    let secret = t.w.post(t.alice, "help", "secret");
    t.w.post(ghost, "help", "boo 4");
    t.w.connect(t.alice, ghost);
    t.w.connect(dave, ghost);
    t.w.run(60_000);
    assert!(!t.w.disk(ghost).holds(secret));
    for id in [t.alice, dave] {
        assert!(t.w.texts(id, "help").iter().all(|text| !text.starts_with("boo")));
    }
    // But what ended its certificate it may know.
    assert!(!may_read(&t.w, ghost, "help"), "the ghost knows that it is none of them");
}

/// Void objects that are about an agent: its certificate, its devices', its memberships.
fn void_about(w: &World, at: NodeId, ghost: NodeId) -> Vec<ObjectId> {
    use conclave_protocol::object::Payload;
    let log = Pen::of(w, at).log;
    let device = w.node(ghost).device();
    let agent = log.ids().find_map(|id| match &log.get(id)?.payload {
        Payload::DeviceCert(c) if c.device == device => Some(c.agent),
        _ => None,
    });
    let agent = agent.expect("its certificate is here");
    let about = |id: &ObjectId| match log.get(*id).map(|o| &o.payload) {
        Some(Payload::AgentCert(_)) => *id == ObjectId::from(agent),
        Some(Payload::DeviceCert(c)) => c.agent == agent,
        Some(Payload::MemberGrant(g)) => g.agent == agent,
        _ => false,
    };
    log.ids().filter(about).filter(|id| !log.counts(*id)).collect()
}

#[test]
fn ratify_one_ghost_and_its_certificate_and_messages_return() {
    for seed in 21..24 {
        let (mut t, dave) = theft(seed);
        t.one_cut();
        let (w, alice) = (&mut t.w, t.alice);
        let void = void_about(w, alice, t.ghosts[0]);
        assert_eq!(void.len(), 3);
        // The trail names them, says what cut them off, and what brings them back.
        let (lines, _) = w.engine(dave).audit(0, 1_000).expect("a member");
        for id in &void {
            let line = lines.iter().find(|line| line.id == *id).expect("in the trail");
            assert_eq!((line.state, line.ratify), ("void", Some(*id)));
            assert_eq!(line.cut_by.len(), 1, "{line:?}");
        }
        let mut shown = 0;
        for id in void {
            let preview = foreseen(w, alice, ratify(id));
            shown += preview.rooms.iter().map(|r| r.gain.len()).sum::<usize>();
        }
        assert_eq!(shown, 1, "one agent gets access");
        w.start(t.ghosts[0]);
        w.connect_all();
        w.agree();
        let fresh = w.join(alice, "erin", &["department:Support"]);
        w.connect_all();
        w.agree();
        let texts = w.texts(alice, "help");
        assert!(texts.contains(&"boo 1".to_owned()) && texts.contains(&"boo 3".to_owned()));
        assert!(!texts.contains(&"boo 2".to_owned()), "the other ghost is none of us");
        assert_eq!(texts.len(), 5);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        all_show(w, &[dave, t.carol, fresh, t.ghosts[0]], "help", &texts);
        w.post(t.ghosts[0], "help", "thanks");
        w.agree();
        assert_eq!(w.texts(fresh, "help").len(), 6);
    }
}

#[test]
fn undone_revoker_gives_back_what_it_took() {
    let (mut w, alice, others) = team(31, &["bob", "mallory", "dave"]);
    let [bob, mallory, dave] = others[..] else { panic!("three") };
    make_admin(&mut w, alice, "mallory", 2, STAFF);
    w.post(bob, "help", "before");
    w.agree();
    w.crash(bob);
    foreseen(&mut w, mallory, dismiss("bob"));
    assert!(!w.engine(alice).agent("bob").expect("known").active);
    // Mallory had signed nothing before that, so nothing of hers counts any more.
    let device = w.node(mallory).device();
    let (_, dismissal) = Pen::of(&w, alice).log.tail(device).expect("it signed");
    let cut = |w: &World| {
        let mut pen = Pen::of(w, alice);
        let grant = pen.grants("mallory")[0];
        let revoke = pen.revoke(grant, &[]);
        pen.sign(&w.node(alice).keys(), revoke)
    };
    let forged = cut(&w);
    let from = w.node(dave).device();
    pen::gossip(&mut w, alice, from, &[forged]);
    w.start(bob);
    w.connect_all();
    w.agree();
    let why = w.engine(alice).why(&dismissal.to_string()).expect("a member");
    assert_eq!((why.state.as_str(), why.ratify), ("void", Some(dismissal)));
    w.post(bob, "help", "back");
    w.agree();
    all_show(&w, &[alice, bob, mallory, dave], "help", &["before", "back"]);
    // The dismissal was right after all: it counts again, by alice.
    w.crash(bob);
    let preview = foreseen(&mut w, alice, ratify(dismissal));
    assert_eq!(preview.dismissed.len(), 1);
    all_show(&w, &[alice, mallory, dave], "help", &["before", "back"]);
}
