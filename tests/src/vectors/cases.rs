//! Small logs whose outcome the rules name.

use std::collections::BTreeMap;

use conclave_protocol::id::{ObjectId, UnitId};
use conclave_protocol::keys::recovery_hash;
use conclave_protocol::object::{
    AdminGrant, Capabilities, ControlCut, FieldValue, Payload, Principal, Ratify, Revoke,
    RevokeMode, RootRotate, UnitKind,
};
use serde_json::Value;

use super::log::{Log, agent, field, member, permit, removal, room, sorted, unit};
use super::logs::{Group, LogVector};
use super::{hex, keys};

const NO_ADMINS: Capabilities = Capabilities { admins: false, ..Capabilities::ALL };

/// The founder's company, in which carol (key 5) is an admin of rank 2 and bob (key 3) is not.
struct Case {
    log: Log,
    genesis: ObjectId,
    alice: ObjectId,
    bob: ObjectId,
    carol: ObjectId,
    /// alice's and carol's grants.
    a: ObjectId,
    g: ObjectId,
}

impl Case {
    fn new() -> Self {
        let mut log = Log::founded();
        let a = log.id("the founder's grant");
        let bob = log.add(2, a, "bob", agent("bob"));
        log.device((2, a), "bob's device", bob, (3, None));
        let carol = log.add(2, a, "carol", agent("carol"));
        log.device((2, a), "carol's device", carol, (5, None));
        let (genesis, alice) = (log.id("a founding"), log.id("the founder"));
        let mut case = Self { log, genesis, alice, bob, carol, a, g: ObjectId::default() };
        case.g = case.grant((2, a), (5, carol), 2);
        case
    }

    fn add(&mut self, (author, authority): (u8, ObjectId), payload: Payload) -> ObjectId {
        self.log.add(author, authority, "", payload)
    }

    fn grant(&mut self, by: (u8, ObjectId), to: (u8, ObjectId), rank: u32) -> ObjectId {
        self.grant_of(by, to, rank, Capabilities::ALL, None)
    }

    fn grant_of(
        &mut self,
        by: (u8, ObjectId),
        (device, agent): (u8, ObjectId),
        rank: u32,
        may: Capabilities,
        scope: Option<ObjectId>,
    ) -> ObjectId {
        let device = keys(device).device();
        let (agent, scope, overrides) = (agent.into(), scope.map(UnitId::from), Vec::new());
        self.add(by, Payload::AdminGrant(AdminGrant { device, agent, rank, may, scope, overrides }))
    }

    fn revoke(&mut self, by: (u8, ObjectId), target: ObjectId, cuts: &[ControlCut]) -> ObjectId {
        let mut control_cuts = cuts.to_vec();
        control_cuts.sort_by_key(|cut| cut.device);
        self.add(by, Payload::Revoke(Revoke { control_cuts, ..removal(target) }))
    }

    fn ratify(&mut self, by: (u8, ObjectId), target: ObjectId, overrides: &[ObjectId]) -> ObjectId {
        let overrides = sorted(overrides.to_vec());
        self.add(by, Payload::Ratify(Ratify { target, overrides }))
    }

    /// By the first recovery key (seed 9) or the second (10).
    fn rotate(&mut self, author: u8, root: ObjectId, cut: ControlCut) -> ObjectId {
        let last = ObjectId::default();
        let next = if author == 9 { recovery_hash(keys(10).device(), last) } else { last };
        self.add((author, root), Payload::RootRotate(RootRotate { next, cut }))
    }

    /// A Department with a Group, of which bob is a member, and a room for the Department.
    fn units(&mut self) -> (ObjectId, ObjectId, ObjectId, ObjectId) {
        let a = (2, self.a);
        let department = self.add(a, unit(UnitKind::Department, None, "Support"));
        let group = self.add(a, unit(UnitKind::Group, Some(department), "Front"));
        let membership = self.add(a, member(self.bob, group, Vec::new()));
        let help = self.add(a, room("help"));
        let open = permit(help, Principal::Unit(department.into()), Vec::new());
        self.add(a, open);
        (department, group, membership, help)
    }
}

type Write = fn(&mut Case);

fn quarrels() -> Vec<(&'static str, Write)> {
    vec![
        ("a junior attacks the founder", |c| {
            c.revoke((5, c.g), c.a, &[]);
            c.revoke((5, c.g), c.alice, &[]);
            c.revoke((5, c.g), c.log.id("the founder's device"), &[]);
        }),
        ("whoever removed somebody is removed before", |c| {
            let junior = c.grant((2, c.a), (3, c.bob), 3);
            c.revoke((5, c.g), junior, &[]);
            c.revoke((2, c.a), c.g, &[]);
        }),
        ("what a cut left out is ratified", |c| {
            c.add((5, c.g), agent("dave"));
            let cut = c.log.tail(5);
            let erin = c.add((5, c.g), agent("erin"));
            c.add((5, c.g), agent("ghost"));
            c.revoke((2, c.a), c.g, &[cut]);
            c.ratify((2, c.a), erin, &[]);
        }),
        ("two cuts on two branches", |c| {
            c.add((5, c.g), agent("dave"));
            let shared = c.log.tail(5);
            c.add((5, c.g), agent("erin"));
            let one = c.log.tail(5);
            c.log.rewind(5, Some(shared));
            c.add((5, c.g), agent("frank"));
            let two = c.log.tail(5);
            c.revoke((2, c.a), c.g, &[one]);
            c.revoke((2, c.a), c.g, &[two]);
        }),
        ("resignations on two branches", |c| {
            c.add((5, c.g), agent("dave"));
            let shared = c.log.tail(5);
            c.add((5, c.g), agent("erin"));
            c.revoke((5, c.g), c.g, &[]);
            c.log.rewind(5, Some(shared));
            c.revoke((5, c.g), c.g, &[]);
        }),
        ("a resignation beyond a senior's cut, ratified", |c| {
            c.add((5, c.g), agent("dave"));
            let cut = c.log.tail(5);
            let resigned = c.revoke((5, c.g), c.g, &[]);
            c.revoke((2, c.a), c.g, &[cut]);
            c.ratify((2, c.a), resigned, &[]);
        }),
        ("an own lost laptop", |c| {
            let lost = c.log.device((2, c.a), "", c.carol, (6, Some(5)));
            c.grant((2, c.a), (6, c.carol), 3);
            c.revoke((5, c.g), lost, &[]);
        }),
        ("the laptop of an equal, and one's own other that is an equal", |c| {
            c.grant((2, c.a), (3, c.bob), 2);
            c.revoke((5, c.g), c.log.id("bob's device"), &[]);
            let other = c.log.device((2, c.a), "", c.carol, (6, Some(5)));
            c.grant((2, c.a), (6, c.carol), 2);
            c.revoke((5, c.g), other, &[]);
            let third = c.log.device((2, c.a), "", c.carol, (7, Some(6)));
            c.revoke((5, c.g), third, &[]);
        }),
    ]
}

fn roots() -> Vec<(&'static str, Write)> {
    vec![
        ("a stolen root key", |c| {
            let cut = c.log.tail(1);
            let mallory = c.add((1, c.genesis), agent("mallory"));
            c.grant((1, c.genesis), (6, mallory), 1);
            let rotated = c.rotate(9, c.genesis, cut);
            c.grant((9, rotated), (2, c.alice), 1);
        }),
        ("recovered twice with different cuts", |c| {
            let early = c.log.tail(1);
            c.add((1, c.genesis), agent("erin"));
            c.rotate(9, c.genesis, c.log.tail(1));
            c.log.rewind(9, None);
            c.rotate(9, c.genesis, early);
        }),
        ("a replaced recovery key rotates once more", |c| {
            let early = c.log.tail(1);
            c.add((1, c.genesis), agent("erin"));
            let first = c.rotate(9, c.genesis, c.log.tail(1));
            c.rotate(10, first, c.log.tail(9));
            c.rotate(9, c.genesis, early.clone());
            c.log.rewind(9, None);
            c.rotate(9, c.genesis, early);
        }),
        ("a rotation cut before the rotation that it cites", |c| {
            let early = c.log.tail(1);
            c.add((1, c.genesis), agent("erin"));
            c.rotate(9, c.genesis, c.log.tail(1));
            let other = c.log.tail(9);
            c.log.rewind(9, None);
            let cited = c.rotate(9, c.genesis, early);
            c.rotate(10, cited, other);
        }),
        ("the founder's stolen laptop, and its return", |c| {
            let cert = c.log.id("the founder's device");
            let lost = c.revoke((1, c.genesis), cert, &[c.log.tail(2)]);
            c.ratify((1, c.genesis), cert, &[lost]);
        }),
    ]
}

fn people() -> Vec<(&'static str, Write)> {
    vec![
        ("devices that confirm each other, by a junior", |c| {
            c.log.device((5, c.g), "", c.bob, (6, Some(7)));
            c.log.device((5, c.g), "", c.bob, (7, Some(6)));
        }),
        ("a second device by an equal, confirmed by nobody", |c| {
            c.log.device((2, c.a), "", c.bob, (6, None));
            c.log.device((2, c.a), "", c.bob, (7, Some(6)));
        }),
        ("a Revoke of a void certificate", |c| {
            let void = c.log.device((5, c.g), "", c.bob, (3, None));
            c.revoke((2, c.a), c.g, &[]);
            c.revoke((2, c.a), void, &[]);
        }),
        ("a key that two agents claim", |c| {
            c.log.device((2, c.a), "", c.carol, (3, None));
        }),
        ("an agent dismissed strictly, and a junior's return", |c| {
            let strict = Revoke { mode: RevokeMode::Strict, ..removal(c.bob) };
            let strict = c.add((2, c.a), Payload::Revoke(strict));
            c.ratify((5, c.g), c.bob, &[strict]);
        }),
        ("names that look the same", |c| {
            c.add((2, c.a), room("e\u{301}t\u{e9}"));
            c.add((2, c.a), room("\u{e9}te\u{301}"));
            let name = FieldValue::Name("bob".to_owned());
            c.add((2, c.a), field(c.carol, name, Vec::new()));
        }),
    ]
}

fn units_and_rooms() -> Vec<(&'static str, Write)> {
    vec![
        ("a Department deleted, and returned under its own scope", |c| {
            let (department, _, _, help) = c.units();
            let scoped = c.grant_of((2, c.a), (3, c.bob), 3, NO_ADMINS, Some(department));
            let closed = c.revoke((2, c.a), department, &[]);
            c.ratify((3, scoped), department, &[closed]);
            let gone = c.revoke((2, c.a), help, &[]);
            // The room was not made under the scope: not sound.
            c.ratify((3, scoped), help, &[gone]);
        }),
        ("a Ratify of a resignation without the right to remove", |c| {
            let grant = c.grant_of((2, c.a), (3, c.bob), 3, NO_ADMINS, None);
            let resigned = c.revoke((3, grant), grant, &[]);
            c.ratify((3, grant), resigned, &[]);
            c.ratify((2, c.a), resigned, &[]);
        }),
        ("a Group of a void Department", |c| {
            let night = c.add((5, c.g), unit(UnitKind::Department, None, "Night"));
            let owls = c.add((2, c.a), unit(UnitKind::Group, Some(night), "Owls"));
            c.add((2, c.a), member(c.bob, owls, Vec::new()));
            let [one, two] = ["one", "two"].map(|name| c.add((2, c.a), room(name)));
            c.add((2, c.a), permit(one, Principal::Unit(night.into()), Vec::new()));
            c.add((2, c.a), permit(two, Principal::Unit(owls.into()), Vec::new()));
            c.revoke((2, c.a), c.g, &[]);
        }),
        ("overrides through what they ended, Strict among it", |c| {
            let (_, group, membership, _) = c.units();
            let strict = Revoke { mode: RevokeMode::Strict, ..removal(membership) };
            let strict = c.add((2, c.a), Payload::Revoke(strict));
            c.add((5, c.g), member(c.bob, group, vec![strict]));
            let again = c.add((2, c.a), member(c.bob, group, vec![strict]));
            let depart = c.revoke((2, c.a), again, &[]);
            c.add((5, c.g), member(c.bob, group, vec![depart]));
        }),
        ("a permission for an agent under a Department", |c| {
            let (department, _, membership, _) = c.units();
            let scoped = c.grant_of((2, c.a), (5, c.carol), 3, NO_ADMINS, Some(department));
            let [one, two] = ["one", "two"].map(|name| c.add((5, scoped), room(name)));
            let open = |c: &Case, id| permit(id, Principal::Agent(c.bob.into()), Vec::new());
            let payload = open(c, one);
            c.add((5, scoped), payload);
            let payload = open(c, two);
            let ratified = c.add((5, scoped), payload);
            c.ratify((2, c.a), ratified, &[]);
            c.revoke((2, c.a), membership, &[]);
        }),
    ]
}

/// All cases in one group; what they share is in it once.
pub(super) fn cases() -> Group {
    let all = [quarrels(), roots(), people(), units_and_rooms()].concat();
    let company = Log::founded().company.to_string();
    let name = "cases".to_owned();
    let mut group = Group { name, company, objects: Vec::new(), logs: Vec::new() };
    let mut places: BTreeMap<ObjectId, usize> = BTreeMap::new();
    for (name, write) in all {
        let mut case = Case::new();
        write(&mut case);
        let mut objects = Vec::new();
        for made in &case.log.made {
            let next = group.objects.len();
            let place = *places.entry(made.forged.id).or_insert(next);
            if place == next {
                group.objects.push(hex(&made.forged.bytes));
            }
            objects.push(place);
        }
        group.logs.push(LogVector { name: name.to_owned(), objects, expected: Value::Null });
    }
    group
}
