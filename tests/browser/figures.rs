//! How fast the page is. `cargo test --release -p conclave --test browser -- --ignored figures::`
//! with `--nocapture`; smaller rooms with `CONCLAVE_MESSAGES`.

use std::time::{Duration, Instant};

use conclave_tests::bulk;
use conclave_tests::process::{Company, Lab};

use crate::BINARY;
use crate::people::{Desk, Office};

/// A room as it is after years.
const MESSAGES: u64 = 1_000_000;
/// What a person does not notice.
const OPENS_IN: Duration = Duration::from_millis(100);
const ARRIVES_IN: Duration = Duration::from_millis(100);
/// How often a room is opened, and how many messages are typed.
const OPENED: usize = 20;
const TYPED: usize = 200;

/// From the click on a room until the frame that shows its newest message has been painted.
const OPEN: &str = "function(words) { return new Promise((done) => {
    const begin = performance.now();
    const watch = new MutationObserver(() => {
        const lines = document.querySelectorAll('[aria-label=Conversation] :is(li, article)');
        if (![...lines].some((line) => line.textContent.includes(words))) return;
        watch.disconnect();
        requestAnimationFrame(() => {
            // A message of a channel comes after the painting that this frame asks for.
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => done(performance.now() - begin);
            port2.postMessage(null);
        });
    });
    watch.observe(document.body, { childList: true, subtree: true });
    this.click();
}); }";

/// Keeps the wall clock of when each text is first in the page, in the order in which they come.
const WATCH: &str = "(() => {
    const seen = window.conclaveTest.seen = {};
    const look = () => {
        for (const one of document.querySelectorAll('[aria-label=Conversation] :is(li, article)')) {
            const number = one.textContent.match(/typed (\\d+) of many/)?.[1];
            if (number) seen[number] ??= Date.now();
        }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
})()";

/// Presses Enter as far as the page can tell, and says when that was.
const TYPE: &str = "(async (number) => {
    const field = document.querySelector('main textarea');
    field.focus();
    field.value = `typed ${number} of many`;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    const at = Date.now();
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    return at;
})";

fn quantile(mut of: Vec<Duration>, part: f64) -> Duration {
    of.sort_unstable();
    let last = of.len() - 1;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (last as f64 * part).ceil() as usize;
    of[at.min(last)]
}

#[test]
#[ignore = "measures: run by hand, with --release"]
fn opening_a_room_of_a_million_messages() {
    let messages = std::env::var("CONCLAVE_MESSAGES").ok();
    let messages = messages.map_or(MESSAGES, |messages| messages.parse().expect("a number"));
    let lab = Lab::new(BINARY);
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    for room in [Company::EVERYONE, Company::SUPPORT] {
        alice.ok(&["room", "new", room, "--permit", "role:Agent"]);
    }
    alice.send(Company::SUPPORT, "a short one");
    alice.stop();
    let begin = Instant::now();
    let text = |number: u64| format!("message {number} of a long time {}", "x".repeat(200));
    let _ = bulk::write(alice.home(), Company::EVERYONE, messages, text);
    println!("{messages} messages written in {:?}", begin.elapsed());
    alice.up();
    let desk = Desk::at(alice);
    let mut took = Vec::new();
    for _ in 0..OPENED {
        desk.enter(Company::SUPPORT);
        desk.reads("a short one");
        let line = desk.side().find("link", Company::EVERYONE);
        let last = serde_json::json!(format!("message {messages} of"));
        let ms = line.try_call(OPEN, &[last]).expect("it opens").as_f64().expect("milliseconds");
        took.push(Duration::from_secs_f64(ms / 1e3));
    }
    let (first, middle) = (took[0], quantile(took.clone(), 0.5));
    println!("opened: first {first:?}, median {middle:?}, most {:?}", quantile(took, 1.0));
    assert!(middle <= OPENS_IN, "{middle:?}");
}

#[test]
#[ignore = "measures: run by hand, with --release"]
fn typing_until_it_is_shown_elsewhere() {
    let Office { alice, bob, carol: _carol } = Office::open();
    for desk in [&alice, &bob] {
        desk.enter(Company::EVERYONE);
    }
    bob.eval(WATCH);
    let mut typed = Vec::new();
    for number in 0..TYPED {
        typed.push(alice.eval(&format!("{TYPE}({number})")).as_f64().expect("a time"));
        let seen = format!("window.conclaveTest.seen[{number}]");
        bob.wait("it is shown elsewhere", &seen);
    }
    let seen = bob.eval("window.conclaveTest.seen");
    let took: Vec<Duration> = typed
        .iter()
        .enumerate()
        .map(|(number, typed)| {
            let seen = seen[number.to_string()].as_f64().expect("a time");
            Duration::from_secs_f64((seen - typed).max(0.0) / 1e3)
        })
        .collect();
    let (middle, most) = (quantile(took.clone(), 0.5), quantile(took, 0.99));
    println!("typing to shown elsewhere: p50 {middle:?}, p99 {most:?} of {TYPED}");
    assert!(most <= ARRIVES_IN, "{most:?}");
}
