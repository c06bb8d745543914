//! What a room with a million messages costs: memory, a start, one more message, a page.
//!
//! `cargo bench -p conclave-tests --bench room`, with the number of messages if another is wanted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use conclave_protocol::control::Standing;
use conclave_protocol::crypt::EpochKey;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::room::RoomLog;
use conclave_protocol::sync::{Bound, answer_ranges};
use conclave_tests::forge;

const MESSAGES: u64 = 1_000_000;
/// Devices that write, and how many write at the same time.
const AUTHORS: u64 = 200;
const AT_ONCE: u64 = 2;

fn main() {
    let wanted = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let count: u64 = wanted.unwrap_or(MESSAGES);
    println!("{count} messages by {AUTHORS} devices, {AT_ONCE} at a height\n");
    println!("| what | figure |\n|---|---|");
    let (mut log, chunks) = grow(count);
    page(&log);
    unread(&mut log);
    changes(&mut log, count);
    lowest_first(&mut log, count);
    let text: usize = chunks.iter().map(Vec::len).sum();
    row("index on disk, bytes per message", format!("{:.0}", text as f64 / count as f64));
    start(&chunks, count);
}

fn row(what: &str, figure: String) {
    println!("| {what} | {figure} |");
}

fn each(took: Duration, times: u64) -> String {
    format!("{:.2} us", took.as_secs_f64() * 1e6 / times as f64)
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

fn id_of(n: u64) -> ObjectId {
    ObjectId(blake3::hash(&n.to_be_bytes()).into())
}

/// Under which all is encrypted.
const EPOCH: MessageId = ObjectId([0xee; 32]);

/// A log that can read everything.
fn empty_log() -> RoomLog {
    let mut log = RoomLog::default();
    log.epochs.load_key(EPOCH, EpochKey::new([0xee; 32]));
    log
}

fn live(device: DeviceId) -> Standing {
    Standing { agent: Some(AgentId(device.0)), live: true, ways: Vec::new() }
}

fn message(n: u64, parents: &[(MessageId, u64)]) -> Envelope {
    let device = DeviceId(id_of(n % AUTHORS).0);
    let mut envelope = forge::envelope(CompanyId([1; 32]), RoomId([2; 32]), device, parents);
    envelope.seq = n / AUTHORS + 1;
    envelope.epoch = Some(EPOCH);
    envelope.claimed_time.0 = 1_700_000_000_000 + n;
    envelope
}

/// A log that comes message by message, with the rows of its index.
fn grow(count: u64) -> (RoomLog, Vec<Vec<u8>>) {
    let mut log = empty_log();
    let mut chunks = Vec::new();
    let before = held();
    let (mut above, mut now) = (Vec::new(), Vec::new());
    let mut took = Duration::ZERO;
    for n in 0..count {
        if n % AT_ONCE == 0 {
            above = std::mem::take(&mut now);
            above.sort_unstable();
        }
        let id = id_of(n + (1 << 40));
        let envelope = message(n, &above);
        now.push((id, envelope.height));
        let standing = live(envelope.device);
        let start = Instant::now();
        let arrival = log.next_arrival();
        black_box(log.insert(id, &envelope, standing, arrival));
        took += start.elapsed();
        if let Some(chunk) = log.take_chunk() {
            chunks.push(chunk.value);
        }
    }
    let rows: usize = chunks.iter().map(Vec::capacity).sum();
    let bytes = held().saturating_sub(before + rows) as f64 / count as f64;
    row("memory per message, grown one by one", format!("{bytes:.0} bytes"));
    row("insert and accept, one after the other", each(took, count));
    let start = Instant::now();
    black_box(log.summary());
    row("first summary", ms(start.elapsed()));
    let bytes = held().saturating_sub(before + rows) as f64 / count as f64;
    row("memory per message with fingerprints", format!("{bytes:.0} bytes"));
    (log, chunks)
}

fn page(log: &RoomLog) {
    let start = Instant::now();
    let last: Vec<_> = log
        .order()
        .newest_first()
        .filter(|(_, id)| log.get(*id).is_some_and(|entry| entry.is_accepted()))
        .take(50)
        .collect();
    row("newest 50", each(start.elapsed(), 1));
    let middle = last.last().map_or(1, |(height, _)| height / 2);
    let start = Instant::now();
    black_box(log.order().before((middle, ObjectId([0; 32]))).take(50).count());
    row("50 from the middle", each(start.elapsed(), 1));
}

/// What the room list asks of the room, and what marks cost that a reader makes.
fn unread(log: &mut RoomLog) {
    let me = Some(AgentId([9; 32]));
    let start = Instant::now();
    let all = log.unread_of(me);
    row("unread, asked first, nothing read", ms(start.elapsed()));
    let start = Instant::now();
    black_box((log.unread_of(me), log.newest()));
    row("unread, asked again", each(start.elapsed(), 1));
    let middle = (all.first.map_or(0, |(height, _)| height) + log.parents().1) / 2;
    let start = Instant::now();
    black_box(log.mark_read(Some((middle, ObjectId([0; 32]))), me));
    row("read up to the middle", ms(start.elapsed()));
    let page: Vec<_> = log.order().from((middle, ObjectId([0; 32]))).take(50).collect();
    let start = Instant::now();
    for place in &page {
        black_box(log.mark_read(Some(*place), me));
    }
    row("read one more", each(start.elapsed(), page.len() as u64));
    let start = Instant::now();
    for (_, id) in &page {
        black_box(log.clock_note(*id));
    }
    row("clock of a message", each(start.elapsed(), page.len() as u64));
    let start = Instant::now();
    black_box(log.mark_read(None, me));
    row("read everything", each(start.elapsed(), 1));
}

fn changes(log: &mut RoomLog, count: u64) {
    let (parents, height) = log.parents();
    let on: Vec<(MessageId, u64)> = parents.into_iter().map(|id| (id, height)).collect();
    let times = 10_000;
    let (mut inserted, mut summed) = (Duration::ZERO, Duration::ZERO);
    let mut on = on;
    for n in 0..times {
        let envelope = message(count + n, &on);
        let id = id_of(count + n + (1 << 40));
        on = vec![(id, envelope.height)];
        let (standing, arrival) = (live(envelope.device), log.next_arrival());
        let start = Instant::now();
        black_box(log.insert(id, &envelope, standing, arrival));
        inserted += start.elapsed();
        let start = Instant::now();
        black_box(log.summary());
        summed += start.elapsed();
    }
    row("insert into the full log", each(inserted, times));
    row("summary after it", each(summed, times));
    let start = Instant::now();
    black_box(answer_ranges(log.shared(), Bound::MIN, Bound::MAX));
    row("parts of the whole", each(start.elapsed(), 1));
    let start = Instant::now();
    black_box(log.digest());
    row("digest after a change", ms(start.elapsed()));
    let start = Instant::now();
    let other = |device| Standing { agent: None, ..live(device) };
    black_box(log.rejudge(other));
    row("judge all", ms(start.elapsed()));
    let start = Instant::now();
    black_box(log.summary());
    row("summary after that, nothing changed", each(start.elapsed(), 1));
}

/// What a peer brings that was away: a branch beside all that is here.
fn lowest_first(log: &mut RoomLog, count: u64) {
    let branch = count / 10;
    let mut on: Vec<(MessageId, u64)> = Vec::new();
    let mut took = Duration::ZERO;
    for n in 0..branch {
        let envelope = message(n, &on);
        let id = id_of(n + (1 << 50));
        on = vec![(id, envelope.height)];
        let (standing, arrival) = (live(envelope.device), log.next_arrival());
        let start = Instant::now();
        black_box(log.insert(id, &envelope, standing, arrival));
        took += start.elapsed();
    }
    row(&format!("{branch} into the middle, lowest first"), each(took, branch));
    let start = Instant::now();
    black_box(log.summary());
    row("summary after them", ms(start.elapsed()));
}

fn start(chunks: &[Vec<u8>], count: u64) {
    let before = held();
    let start = Instant::now();
    let mut log = empty_log();
    for chunk in chunks {
        assert!(log.load_chunk(chunk), "a row of the index");
    }
    let read = start.elapsed();
    assert!(log.finish_chunks(), "they fit together");
    let built = start.elapsed();
    log.find_pending(DeviceId(id_of(1).0));
    log.rejudge(live);
    let judged = start.elapsed();
    black_box(log.summary());
    let summed = start.elapsed();
    row("start: rows read", ms(read));
    row("start: log made", ms(built));
    row("start: judged, able to send", ms(judged));
    row("start: first summary", ms(summed));
    let bytes = held().saturating_sub(before) as f64 / count as f64;
    row("memory per message after a start", format!("{bytes:.0} bytes"));
}

/// Bytes of this process in memory; 0 where that cannot be found out.
fn held() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
