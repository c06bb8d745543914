//! What the store costs: a commit, bytes on disk, a start, a page, memory.
//!
//! `cargo bench -p conclave-tests --bench store -- [MESSAGES]`

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_node::store::{Store, StoreNews};
use conclave_protocol::engine::{Batch, BatchId, Reader, Table, Write};

/// A signed envelope with a text of 256 bytes.
const ENVELOPE_BYTES: usize = 552;
const ROOM: [u8; 32] = [7; 32];
/// What is written last and not in the index when a node is killed.
const UNINDEXED: u64 = 20_000;

fn main() {
    if let Some(folder) = std::env::var_os("STORE_BENCH_FOLDER") {
        return fill_and_die(Path::new(&folder));
    }
    let messages = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    lone_commits();
    for batches in [1, 32, 256] {
        streams(100_000, batches);
    }
    large(messages);
}

fn batch(id: u64, messages: std::ops::Range<u64>) -> Batch {
    let mut writes = Vec::new();
    for arrival in messages {
        let key = [&ROOM[..], &arrival.to_be_bytes()].concat();
        let mut value = vec![0; ENVELOPE_BYTES];
        // Signed bytes cannot be made smaller.
        blake3::Hasher::new().update(&arrival.to_be_bytes()).finalize_xof().fill(&mut value);
        writes.push(Write { table: Table::Messages, key: key.clone(), value: Some(value) });
        writes.push(Write { table: Table::Marks, key, value: Some(vec![1]) });
    }
    Batch { id: BatchId(id), writes }
}

fn lone_commits() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, mut news) = store.writer().unwrap();
    let mut times = Vec::new();
    for id in 1..=2000 {
        let batch = batch(id, id..id + 1);
        let start = Instant::now();
        writer.write(batch).unwrap();
        assert_eq!(news.blocking_recv(), Some(StoreNews::Durable(BatchId(id))));
        times.push(start.elapsed());
    }
    times.sort();
    let plain = appends(folder.path());
    println!("a lone commit: p50 {:?}, p99 {:?}; ", times[1000], times[1980]);
    println!("a bare append with fdatasync: p50 {:?}, p99 {:?}", plain[1000], plain[1980]);
}

fn appends(folder: &Path) -> Vec<Duration> {
    use std::io::Write as _;
    let mut file = fs::File::create(folder.join("bare")).unwrap();
    let mut times: Vec<Duration> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[5; ENVELOPE_BYTES + 100]).unwrap();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn streams(messages: u64, per_batch: u64) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, mut news) = store.writer().unwrap();
    let batches: Vec<Batch> = (0..messages / per_batch)
        .map(|id| batch(id + 1, id * per_batch..(id + 1) * per_batch))
        .collect();
    let last = batches.len() as u64;
    let (start, cpu) = (Instant::now(), cpu_time());
    let (mut durable, mut commits) = (0, 0);
    for batch in batches {
        // As the driver does: no more than so many batches ahead.
        while batch.id.0 > durable + 256 {
            durable = next(&mut news);
            commits += 1;
        }
        writer.write(batch).unwrap();
    }
    while durable < last {
        durable = next(&mut news);
        commits += 1;
    }
    let (took, cpu) = (start.elapsed(), cpu_time() - cpu);
    writer.stop();
    let count = per_batch * last;
    println!(
        "{count} messages in batches of {per_batch}: {took:.2?}, {commits} commits, {:.1} µs CPU \
         and {} bytes on disk each",
        cpu.as_secs_f64() * 1e6 / count as f64,
        bytes_in(folder.path()) / count
    );
}

fn next(news: &mut tokio::sync::mpsc::UnboundedReceiver<StoreNews>) -> u64 {
    match news.blocking_recv() {
        Some(StoreNews::Durable(batch)) => batch.0,
        other => panic!("{other:?}"),
    }
}

fn large(messages: u64) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Store::open(folder.path()).unwrap();
    for id in 0..messages / 1000 {
        store.write_now(batch(id, id * 1000..(id + 1) * 1000).writes).unwrap();
        if id % 16 == 15 {
            // A writer does this by itself.
            tick(&store);
        }
    }
    println!("{messages} messages: memory after writing {} KiB", resident());
    let store = Arc::new(store);
    store.writer().unwrap().0.stop();
    drop(store);
    println!("{} bytes on disk each", bytes_in(folder.path()) / messages);

    let before = resident();
    let start = Instant::now();
    let store = Store::open(folder.path()).unwrap();
    let opened = start.elapsed();
    let page = |from: u64| {
        let start = Instant::now();
        for arrival in from..from + 50 {
            let key = [&ROOM[..], &arrival.to_be_bytes()].concat();
            assert_eq!(store.get(Table::Messages, &key).unwrap().len(), ENVELOPE_BYTES);
        }
        start.elapsed()
    };
    let (newest, middle) = (page(messages - 50), page(messages / 2));
    println!("start after a clean stop {opened:?}; 50 newest {newest:?}, 50 old {middle:?}");
    println!("memory {before} KiB before the start, {} KiB after the pages", resident());
    let start = Instant::now();
    let mut seen = 0;
    store.scan(Table::Messages, &[], &mut |_, value| {
        seen += u64::from(value.len() == ENVELOPE_BYTES);
    });
    println!("all {seen} read in {:?}; memory {} KiB", start.elapsed(), resident());
    drop(store);

    let mut dying = std::process::Command::new(std::env::current_exe().unwrap());
    dying.env("STORE_BENCH_FOLDER", folder.path()).status().unwrap();
    let start = Instant::now();
    let store = Store::open(folder.path()).unwrap();
    println!("start after a kill with {UNINDEXED} messages to go: {:?}", start.elapsed());
    drop(store);

    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let start = Instant::now();
    let store = Store::open(folder.path()).unwrap();
    println!("index made again in {:?}; memory {} KiB", start.elapsed(), resident());
    drop(store);
}

/// Lets the index follow, as a writer does.
fn tick(store: &Store) {
    store.catch_up_index().unwrap();
}

/// Writes what no index knows, and ends like a process that was killed.
fn fill_and_die(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let first = 1 << 40;
    for id in 0..UNINDEXED / 1000 {
        store.write_now(batch(id, first + id * 1000..first + (id + 1) * 1000).writes).unwrap();
    }
    std::process::abort();
}

fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::metadata(&path).unwrap();
        bytes += if meta.is_dir() { bytes_in(&path) } else { meta.blocks() * 512 };
    }
    bytes
}

fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
