//! What encryption costs: one message, and a new key for a room of a thousand devices.
//!
//! `cargo bench -p conclave-tests --bench encryption`, with the number of devices if another is
//! wanted.

mod company;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_protocol::crypt::EpochKey;
use conclave_protocol::engine::{
    Command, CommandId, Effect, Engine, EngineConfig, Input, SealJob, Table,
};
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId};
use conclave_protocol::time::Timestamp;
use conclave_protocol::vault::Vault;
use conclave_tests::forge;
use conclave_tests::world::disk::Disk;

use company::Company;

const DEVICES: usize = 1_000;
/// How many have left the room's unit before.
const LEFT: usize = 100;
const MESSAGES: u32 = 20_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn main() {
    let wanted = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let devices: usize = wanted.unwrap_or(DEVICES);
    println!("a room of {devices} devices, {LEFT} have left before\n");
    println!("| what | figure |\n|---|---|");
    one_message();
    a_new_key(devices);
}

fn row(what: &str, took: Duration, times: u32) {
    let each = took / times;
    let figure = match each {
        each if each < Duration::from_millis(1) => format!("{:.2} us", each.as_secs_f64() * 1e6),
        each => format!("{:.1} ms", each.as_secs_f64() * 1e3),
    };
    println!("| {what} | {figure} |");
}

/// A text of 256 bytes, encrypted and decrypted.
fn one_message() {
    let key = EpochKey::new([1; 32]);
    let text = "x".repeat(256);
    let parents = [(ObjectId([3; 32]), 9), (ObjectId([4; 32]), 9)];
    let (company, room) = (CompanyId([1; 32]), RoomId([2; 32]));
    let mut draft: Envelope = forge::envelope(company, room, DeviceId([5; 32]), &parents);
    draft.epoch = Some(ObjectId([6; 32]));
    let start = Instant::now();
    for n in 0..MESSAGES {
        draft.seq = u64::from(n) + 1;
        draft.seal_text(black_box(&key), black_box(&text));
    }
    row("encrypt a text of 256 bytes", start.elapsed(), MESSAGES);
    let start = Instant::now();
    for _ in 0..MESSAGES {
        assert!(black_box(&draft).text(&key).is_some());
    }
    row("decrypt it", start.elapsed(), MESSAGES);
}

fn a_new_key(devices: usize) {
    let company = Company::new(devices, LEFT);
    let disk = Arc::new(Disk::new(false));
    for (table, key, value) in &company.rows {
        disk.put(*table, key, value);
    }
    let config = EngineConfig {
        keys: company.founder.clone(),
        vault: Vault::new(&[1; 32]),
        seed: [1; 32],
        reader: disk.clone(),
        join: None,
        copied: false,
    };
    let mut engine = Engine::new(config, NOW);
    carry_out(&mut engine, &disk);
    let room = company.room.to_string();
    let (took, jobs) = send(&mut engine, &disk, &room, 1);
    row("the engine sends a message that needs a new key, sealing apart", took, 1);
    let job = jobs.into_iter().next().expect("a key to be sealed");
    let start = Instant::now();
    let sealed = job.run();
    row("seal the key for all, on another thread", start.elapsed(), 1);
    let start = Instant::now();
    engine.handle(NOW, sealed);
    row("the engine posts the sealed keys", start.elapsed(), 1);
    carry_out(&mut engine, &disk);
    let (mut took, mut begun) = (Duration::ZERO, 0);
    for n in 0..1_000 {
        let (each, jobs) = send(&mut engine, &disk, &room, n + 2);
        (took, begun) = (took + each, begun + jobs.len());
    }
    assert_eq!(begun, 0, "one key is enough");
    row("the engine sends a message after that, signature and all", took, 1_000);
    assert!(disk.count(Table::Messages) > 1_000);
}

fn send(engine: &mut Engine, disk: &Disk, room: &str, n: u64) -> (Duration, Vec<SealJob>) {
    let (room, text) = (room.to_owned(), "x".repeat(256));
    let command = Command::Send { room, text };
    let start = Instant::now();
    engine.handle(NOW, Input::Command { id: CommandId(n), command });
    (start.elapsed(), carry_out(engine, disk))
}

/// Makes everything durable; gives the keys to be sealed.
fn carry_out(engine: &mut Engine, disk: &Disk) -> Vec<SealJob> {
    let mut jobs = Vec::new();
    while let Some(effect) = engine.poll() {
        match effect {
            Effect::Persist(batch) => {
                let id = batch.id;
                disk.write(batch);
                disk.make_durable(id);
                engine.handle(NOW, Input::Persisted { batch: id });
            }
            Effect::Seal(job) => jobs.push(job),
            Effect::Answer { result, .. } => assert!(result.is_ok(), "{result:?}"),
            _ => {}
        }
    }
    jobs
}
