use std::time::Instant;

use conclave_protocol::object::UnitKind;

use super::*;

fn view(number: usize, kind: NamedKind, name: &str) -> NameView {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    NameView { id: ObjectId(id), kind, name: name.to_owned(), live: true }
}

fn agents(names: &[&str]) -> Vec<NameView> {
    names.iter().enumerate().map(|(n, name)| view(n, NamedKind::Agent, name)).collect()
}

/// The notes of agents of these names, none as an empty text.
fn notes(names: &[&str]) -> Vec<String> {
    let marked = Names::new(agents(names)).marked();
    names
        .iter()
        .map(|name| marked.iter().find(|m| m.name == *name))
        .map(|mark| mark.map(|m| m.note.clone()).unwrap_or_default())
        .collect()
}

#[test]
fn honest_names_have_no_note() {
    let honest = [
        "alice",
        "bob",
        "Zoë",
        "O'Hara",
        "Anne-Marie",
        "Jürgen 2",
        "Bill",
        "Boll",
        "mail",
        "mall",
        "Отдел IT",
        "Иван",
        "東京チーム",
        "LINEチーム",
        "김철수",
        "Kim 철수",
        "می‌خواهم",
        "שלום",
        "Ελένη",
        "👩‍💻 Eva",
        "山田　太郎",
        "Team 1",
        "Team 2",
        "Team 10",
        "नमस्ते",
        "สมชาย",
        "Łukasz",
        "Ngô Đình",
        "µ-Labor",
        "x²",
        "Release 1.1",
        "Release 11",
    ];
    assert_eq!(notes(&honest), vec![String::new(); honest.len()]);
}

#[test]
fn look_alikes_name_each_other() {
    for (first, second) in [
        ("alice", "аlice"),
        ("alice", "AIice"),
        ("alice", "a1ice"),
        ("alice", "Alice"),
        ("bob", "b0b"),
        ("BILL", "bill"),
        ("carol", "carol."),
        ("Front Line", "front-line"),
        ("Front Line", "Front\u{a0}Line"),
        ("Front Line", "Front  Line"),
        ("modern", "modem"),
        ("dave", "ｄａｖｅ"),
        ("dave", "𝐝ave"),
        ("dave", "da\u{200d}ve"),
        ("dave", "dave\u{e0041}\u{e007f}"),
        ("dave", "dave\u{3164}"),
        ("раураl", "paypal"),
        ("сос", "coc"),
        ("eve", "eve:0a1b2c3d"),
    ] {
        let notes = notes(&[first, "somebody", second]);
        assert!(
            notes[0].contains(&format!("looks like \"{second}\" (agent)")),
            "{first}: {notes:?}"
        );
        assert!(
            notes[2].contains(&format!("looks like \"{first}\" (agent)")),
            "{second}: {notes:?}"
        );
        assert_eq!(notes[1], "");
    }
}

#[test]
fn what_a_name_hides_or_mixes_is_said() {
    for (name, note) in [
        ("al\u{200d}ice", "holds hidden characters"),
        ("bob\u{e0041}", "holds hidden characters"),
        ("\u{fffd}\u{fff9}x", "holds hidden characters"),
        ("a\u{a0}b", "holds unusual spaces"),
        ("аdam", "mixes Cyrillic and Latin"),
        ("Ωmega", "mixes Greek and Latin"),
        ("Team Оtdel", "mixes Cyrillic and Latin"),
        ("Admin", "could be taken for a word of the program"),
        ("аdmіn", "could be taken for a word of the program"),
        ("The Root Key", "could be taken for a word of the program"),
        ("Y0u", "could be taken for a word of the program"),
    ] {
        let notes = notes(&[name]);
        assert!(notes[0].contains(note), "{name}: {notes:?}");
    }
    let pile = format!("z{}", "\u{301}".repeat(30));
    assert_eq!(notes(&[&pile]), ["piles up marks on a letter"]);
    // Of rooms and units the program's words are no names of anybody.
    let room = view(1, NamedKind::Room, "Admin");
    assert_eq!(Names::new(vec![room]).marked(), []);
}

#[test]
fn kinds_are_apart_and_the_dismissed_are_marked_only() {
    let department = NamedKind::Unit(UnitKind::Department);
    let mut names = vec![
        view(1, NamedKind::Room, "Support"),
        view(2, department, "Support"),
        view(3, NamedKind::Unit(UnitKind::Group), "Support/Front Line"),
        view(4, NamedKind::Unit(UnitKind::Group), "Sales/Front Line"),
    ];
    assert_eq!(Names::new(names.clone()).marked(), []);
    // The digits that tell equal Departments apart are no part of what their Groups look like.
    let group = NamedKind::Unit(UnitKind::Group);
    let twins = vec![
        view(1, group, "Support/Front Line"),
        view(2, group, "Support:0a1b2c3d/Front Line"),
        view(3, group, "Support:0a1b2c3d/Back Office"),
    ];
    assert_eq!(Names::new(twins).marked().len(), 2);

    names.push(view(5, department, "Supp0rt"));
    let marked = Names::new(names).marked();
    let ids: Vec<u8> = marked.iter().map(|mark| mark.id.0[7]).collect();
    assert_eq!(ids, [2, 5], "{marked:?}");

    let mut names = agents(&["alice", "аlice"]);
    names[1].live = false;
    let marked = Names::new(names).marked();
    assert_eq!(marked.len(), 1, "the dismissed one, which still stands beside its messages");
    assert!(marked[0].note.contains("looks like \"alice\""), "{marked:?}");
}

#[test]
fn newcomers_are_looked_at_before_they_are_let_in() {
    let names = Names::new(agents(&["alice", "bob"]));
    assert_eq!(names.note_for_newcomer("carol"), None);
    assert_eq!(names.note_for_newcomer("alice"), None, "that it is taken is said elsewhere");
    assert_eq!(names.note_for_newcomer("b0b").as_deref(), Some("looks like \"bob\" (agent)"));
    let odd = names.note_for_newcomer("аlice\u{e0041}").unwrap_or_default();
    assert!(odd.starts_with("holds hidden characters; mixes Cyrillic and Latin; looks"), "{odd}");
}

#[test]
fn the_name_that_others_imitate_is_named() {
    let all = notes(&["𝐚lice", "AIice", "аlice", "a1ice", "alice", "Alice"]);
    for (number, note) in all.iter().enumerate().filter(|(number, _)| *number != 4) {
        assert!(note.contains("looks like \"alice\" (agent) and others"), "{number}: {note}");
    }
    assert!(all[4].contains("looks like \"Alice\" (agent) and others"), "{}", all[4]);
}

#[test]
fn many_alike_are_one_short_note() {
    let names: Vec<String> = (0..500).map(|n| format!("eve{}", "\u{200b}".repeat(n))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let notes = notes(&names);
    assert_eq!(notes[0], "looks like \"eve\u{200b}\" (agent) and others");
}

#[test]
fn thousands_alike_cost_no_more_than_others() {
    // Each would otherwise be compared with each.
    let names =
        (0..20_000).map(|n| view(n, NamedKind::Agent, if n % 2 == 0 { "l1" } else { "I1" }));
    let names: Vec<NameView> = names.collect();
    let begin = Instant::now();
    assert_eq!(Names::new(names).marked().len(), 20_000);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}

#[test]
#[allow(clippy::print_stdout, reason = "it prints what it measured")]
fn ten_thousand_names_are_looked_at_quickly() {
    let names = (0..10_000).map(|n| {
        let name = match n % 4 {
            0 => format!("agent {n}"),
            1 => format!("Агент {n}"),
            2 => format!("аgent {n}"),
            _ => format!("東京 {n}"),
        };
        view(n, NamedKind::Agent, &name)
    });
    let names: Vec<NameView> = names.collect();
    let begin = Instant::now();
    let marked = Names::new(names).marked();
    let took = begin.elapsed();
    println!("10,000 names were looked at in {took:?}");
    assert_eq!(marked.len(), 2_500, "the mixed ones");
    // Far above what it takes, also without optimisation and on a busy machine.
    assert!(took.as_secs() < 5, "{took:?}");
}
