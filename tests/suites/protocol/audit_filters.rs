//! The audit trail, narrowed down and from both ends.

use conclave_protocol::engine::{AuditFilter, AuditPage, FailureKind};
use conclave_protocol::id::ObjectId;
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

fn page(w: &World, id: NodeId, from: u64, limit: usize, filter: &AuditFilter) -> AuditPage {
    w.engine(id).audit_page(from, limit, filter).expect("a member")
}

/// All that a filter lets through, page by page.
fn all(w: &World, id: NodeId, limit: usize, filter: &AuditFilter) -> Vec<ObjectId> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = page(w, id, from, limit, filter);
        assert!(page.lines.len() <= limit);
        found.extend(page.lines.iter().map(|line| line.id));
        if !page.more {
            return found;
        }
        from = page.next;
    }
}

#[test]
fn filters_find_what_a_look_at_everything_finds() {
    let (mut w, alice, _) = team(1, &["bob", "carol"]);
    w.remove_member(alice, "carol", "department:Support");
    w.agree();
    let everything = AuditFilter::default();
    let lines = page(&w, alice, 0, 1000, &everything).lines;
    let total = lines.len();
    assert_eq!(page(&w, alice, 0, 3, &everything).total, total as u64);
    let by = |keep: &dyn Fn(&conclave_protocol::view::LogLine) -> bool| -> Vec<ObjectId> {
        lines.iter().filter(|line| keep(line)).map(|line| line.id).collect()
    };
    let id = lines[4].id.to_string();
    let filter = |change: &dyn Fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        change(&mut filter);
        filter
    };
    let cases = [
        (filter(&|_| ()), by(&|_| true)),
        (filter(&|f| f.kind = Some("member-grant".into())), by(&|l| l.kind == "member-grant")),
        (
            filter(&|f| f.agent = Some("alice".into())),
            by(&|l| l.agent.as_ref().is_some_and(|a| a.name == "alice")),
        ),
        (filter(&|f| f.state = Some("counts".into())), by(&|l| l.state == "counts")),
        (
            filter(&|f| f.text = Some("CAROL".into())),
            by(&|l| {
                l.text.contains("carol") || l.agent.as_ref().is_some_and(|a| a.name == "carol")
            }),
        ),
        (filter(&|f| f.text = Some(id.clone())), vec![lines[4].id]),
        (
            filter(&|f| {
                f.kind = Some("revoke".into());
                f.text = Some("carol".into());
            }),
            by(&|l| l.kind == "revoke" && l.text.contains("carol")),
        ),
        (filter(&|f| f.agent = Some("bob".into())), vec![]),
        (filter(&|f| f.state = Some("void".into())), by(&|l| l.state == "void")),
    ];
    let mut found = 0;
    for (mut filter, mut expected) in cases {
        found += usize::from(!expected.is_empty());
        for limit in [1, 3, 1000] {
            assert_eq!(all(&w, alice, limit, &filter), expected, "{filter:?}");
            let page = page(&w, alice, 0, limit, &filter);
            assert_eq!(page.matching, Some(expected.len() as u64), "{filter:?}");
            assert_eq!(page.total, total as u64);
        }
        filter.newest_first = true;
        expected.reverse();
        for limit in [1, 3, 1000] {
            assert_eq!(all(&w, alice, limit, &filter), expected, "{filter:?}");
        }
    }
    assert!(found >= 7, "the cases have to find something");
    for wrong in [
        filter(&|f| f.kind = Some("nonsense".into())),
        filter(&|f| f.state = Some("nonsense".into())),
    ] {
        let failed = w.engine(alice).audit_page(0, 10, &wrong).unwrap_err();
        assert_eq!(failed.kind, FailureKind::Usage);
    }
    let unknown = filter(&|f| f.agent = Some("nobody".into()));
    let failed = w.engine(alice).audit_page(0, 10, &unknown).unwrap_err();
    assert_eq!(failed.kind, FailureKind::NotFound);
}

#[test]
fn from_the_newest_on_nothing_is_seen_twice_when_more_comes() {
    let (mut w, alice, _) = team(2, &["bob"]);
    let filter = AuditFilter { newest_first: true, ..AuditFilter::default() };
    let first = page(&w, alice, 0, 3, &filter);
    w.department(alice, "Meanwhile");
    w.agree();
    let second = page(&w, alice, first.next, 1000, &filter);
    assert!(!second.more);
    assert_eq!(first.lines.len() + second.lines.len() + 1, usize::try_from(second.total).unwrap());
    assert!(first.lines.iter().all(|line| second.lines.iter().all(|other| other.id != line.id)));
}
