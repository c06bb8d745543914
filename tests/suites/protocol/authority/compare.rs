//! Two states side by side: what differs, and by how few objects.

use std::fmt::{Debug, Write};

use conclave_tests::reference::State;

use super::{Arrivals, keep_whole};

/// The lines of a pretty-printed state that only one of two has; nothing if they are equal.
pub fn difference(one: &State, two: &State) -> String {
    let mut text = String::new();
    macro_rules! compare {
        ($($field:ident),*) => {$(
            compare_field(stringify!($field), &one.$field, &two.$field, &mut text);
        )*};
    }
    compare!(
        sound,
        carried,
        in_force,
        effective,
        powerless,
        reconciled,
        recovered_twice,
        root_keys,
        agents,
        devices,
        disputed,
        uncountersigned,
        units,
        rooms,
        memberships,
        permits,
        equivocations
    );
    text
}

fn compare_field<T: Debug + PartialEq>(name: &str, one: &T, two: &T, text: &mut String) {
    if one == two {
        return;
    }
    let [one, two] = [one, two].map(|value| format!("{value:#?}"));
    let only = |left: &str, right: &str| -> Vec<String> {
        let has = |line: &&str| !right.lines().any(|other| other == *line);
        left.lines().filter(has).map(|line| line.trim().to_owned()).collect()
    };
    let (left, right) = (only(&one, &two), only(&two, &one));
    _ = writeln!(text, "{name}: first {left:?}, second {right:?}");
}

#[track_caller]
pub fn assert_same(one: &State, two: &State, what: &str) {
    if one != two {
        panic!("{what}:\n{}", difference(one, two));
    }
}

/// What is left of some objects when all are taken out that a failure does not need, described
/// one a line. `fails` gives the failure, if there still is one.
pub fn reduced(arrivals: &Arrivals, fails: impl Fn(&Arrivals) -> Option<String>) -> String {
    let mut least = arrivals.clone();
    let Some(mut failure) = fails(&least) else { return String::new() };
    let mut n = least.objects.len();
    while n > 0 {
        n -= 1;
        let mut fewer = least.clone();
        if n < fewer.objects.len() {
            fewer.objects.remove(n);
            keep_whole(&mut fewer);
            if let Some(still) = fails(&fewer) {
                (least, failure) = (fewer, still);
            }
        }
    }
    let mut text = failure;
    for (id, object, _) in &least.objects {
        let (header, payload) = (&object.header, &object.payload);
        _ = writeln!(
            text,
            "{id:?} by {:?} seq {} prev {:?} under {:?} height {}:\n    {payload:?}",
            header.author, header.seq, header.prev, header.authority, header.height
        );
    }
    text
}
