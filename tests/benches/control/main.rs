//! How long the control log takes: evaluation, ingest with signatures, one more object; and how
//! much memory an object needs.
//!
//! `cargo bench -p conclave-tests --bench control -- [OBJECTS] [ADMINS] [REVOCATIONS]`

mod company;

use std::hint::black_box;
use std::time::{Duration, Instant};

use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::id::CompanyId;
use conclave_protocol::object::{ControlObject, Genesis};
use conclave_protocol::signed::{Trust, Verified};

use company::Company;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let number = |n: usize, default| numbers.get(n).copied().unwrap_or(default);
    let (objects, admins, revocations) = (number(0, 100_000), number(1, 200), number(2, 20));
    println!("writing {objects} objects by {admins} admins, {revocations} revocations …");
    let company = Company::new(objects, admins, revocations);
    let signed = &company.objects;

    let before = resident_bytes();
    let verified: Vec<Verified<ControlObject>> = signed
        .iter()
        .map(|(id, bytes)| {
            Verified::<ControlObject>::control(bytes, company.id, Trust::StoredAs(*id))
                .expect("was signed here")
        })
        .collect();
    let mut log = empty(&company);
    let count = verified.len();
    let start = Instant::now();
    log.load(verified);
    let loading = start.elapsed();
    let grown = resident_bytes().saturating_sub(before);
    let start = Instant::now();
    log.evaluate();
    let evaluation = start.elapsed();
    let digest = log.digest();

    let mut ingested = empty(&company);
    let start = Instant::now();
    for batch in signed.chunks(1000) {
        for (_, bytes) in batch {
            let object = Verified::<ControlObject>::control(bytes, company.id, Trust::Nothing)
                .expect("was signed here");
            let added = ingested.add(object);
            assert!(matches!(added, Added::Taken(_)), "{added:?}");
        }
        black_box(ingested.refresh());
    }
    let ingest = start.elapsed();
    assert_eq!(ingested.digest(), digest, "both ways lead to one state");

    let start = Instant::now();
    for (_, bytes) in signed {
        black_box(Verified::<ControlObject>::control(bytes, company.id, Trust::Nothing))
            .expect("was signed here");
    }
    let signatures = start.elapsed();

    println!();
    println!("| what | time | goal |");
    println!("|---|---|---|");
    println!("| evaluation of {count} objects from the set | {} | 0.5 s |", seconds(evaluation));
    println!(
        "| the same with checks of form and references, as at a start | {} | |",
        seconds(loading)
    );
    println!("| ingest with signatures, one core | {} | 6 s |", seconds(ingest));
    println!("| of that, decoding and signatures | {} | |", seconds(signatures));
    let id = company.id;
    for (what, more) in company.more() {
        println!("| one more object: {what} | {} | 50 µs |", one_more(&log, id, &more));
    }
    println!("| memory per object | {} bytes | stated |", grown / count as u64);
    println!(
        "| carried, void | {}, {} | |",
        log.ids().filter(|id| log.counts(*id)).count(),
        log.ids().filter(|id| !log.counts(*id)).count()
    );
}

fn empty(company: &Company) -> ControlLog {
    let mut log = ControlLog::new(company.id);
    let genesis = Verified::<Genesis>::genesis(&company.genesis, Trust::Nothing);
    log.add_genesis(genesis.expect("was signed here"));
    log
}

/// Median and largest time to add one object to the full log and to derive what follows.
fn one_more(log: &ControlLog, company: CompanyId, more: &[Vec<u8>]) -> String {
    let mut log = log.clone();
    let mut times: Vec<Duration> = more
        .iter()
        .map(|bytes| {
            let object = Verified::<ControlObject>::control(bytes, company, Trust::Nothing)
                .expect("was signed here");
            let start = Instant::now();
            let added = log.add(object);
            black_box(log.refresh());
            let took = start.elapsed();
            assert!(matches!(added, Added::Taken(_)), "{added:?}");
            took
        })
        .collect();
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    let last = times.last().copied().unwrap_or_default();
    format!("{:.1} µs, at most {:.1} µs", micros(middle), micros(last))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Memory of this process that is in use, by the kernel's account; 0 where it gives none.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
