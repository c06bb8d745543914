//! Homes with far more in them than anybody would write in a test.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use conclave_node::identity::Home;
use conclave_node::store::Store;
use conclave_protocol::engine::{Command, CommandId, Effect, Engine, EngineConfig, Input, Outcome};
use conclave_protocol::id::MessageId;
use conclave_protocol::time::Timestamp;

/// Messages that are made durable at once.
const WRITTEN_AT_ONCE: u64 = 500;
/// Messages of which the ids are kept.
const SOME: u64 = 100;
/// Messages after which the index is brought up to date.
const INDEXED_EVERY: u64 = 20_000;

/// Writes messages into a room as the device of a home whose node is off: its engine, driven
/// without network; signed, judged and stored as ever. Gives some of them, from all over.
///
/// # Panics
/// If the home is in use, has no keys, or may not write there.
#[must_use]
pub fn write(
    home: &Path,
    room: &str,
    messages: u64,
    text: impl Fn(u64) -> String,
) -> Vec<MessageId> {
    let home = Home::open(home).expect("a home");
    let _lock = home.lock().expect("nobody else uses it");
    let store = Arc::new(Store::open(&home.db_path()).expect("a store"));
    let secrets = home.device_secrets(None).expect("reads").expect("keys");
    let config = EngineConfig {
        keys: secrets.keys(),
        vault: secrets.vault(),
        seed: [7; 32],
        reader: store.clone(),
        join: None,
        copied: false,
    };
    let mut engine = Engine::new(config, now());
    let (mut writes, mut some, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=messages {
        let command = Command::Send { room: room.to_owned(), text: text(number) };
        engine.handle(now(), Input::Command { id: CommandId(number), command });
        let last = number == messages;
        loop {
            while let Some(effect) = engine.poll() {
                match effect {
                    Effect::Seal(job) => sealed.push(job.run()),
                    Effect::Persist(batch) => writes.extend(batch.writes),
                    Effect::Answer { id, result } => {
                        let Ok(Outcome::Message(message)) = result else {
                            panic!("it was not sent: {result:?}");
                        };
                        if id.0 % (messages / SOME).max(1) == 0 {
                            some.push(message.id);
                        }
                    }
                    _ => {}
                }
            }
            if writes.is_empty() || !(last || number % WRITTEN_AT_ONCE == 0) {
                break;
            }
            store.write_now(std::mem::take(&mut writes)).expect("writes");
            if last || number % INDEXED_EVERY == 0 {
                store.catch_up_index().expect("writes the index");
            }
            engine.handle(now(), Input::Persisted { batch: engine.last_batch() });
            for input in sealed.drain(..) {
                engine.handle(now(), input);
            }
        }
    }
    some
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
