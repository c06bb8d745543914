//! A pull from a peer that answers what the bytes say: no panic, and an end. Once the peer is
//! honest the pull ends soon; was it honest all along, nothing is missing in the end.

use conclave_protocol::id::ObjectId;
use conclave_protocol::limits::{IDS_FRAME_MAX, RANGE_PARTS, UNSUPPLIED_MAX};
use conclave_protocol::sync::{
    Bound, Items, Need, Part, Pull, PullStep, Request, Response, Scope, answer_list, answer_ranges,
};

use super::reader::Reader;
use crate::reference::fingerprint;

/// Answers that a peer may make up; after these it is honest.
const LIES_MAX: usize = 40;
/// Each lie leaves at most so many ranges, and each range costs an honest peer a few answers.
const ASKED_MAX: usize = 200 * LIES_MAX;

/// Plays the peer.
pub fn run(data: &[u8]) {
    let mut reader = Reader::new(data);
    let (mut ours, theirs) = (items(&mut reader), items(&mut reader));
    let mut pull = if reader.byte() & 1 == 0 {
        Pull::new(Scope::Control)
    } else {
        Pull::of(Scope::Control, theirs.iter().map(|(_, id)| id))
    };
    let (mut asked, mut lies) = (0, 0);
    // The objects themselves never come here, only the news that they are in place.
    let mut fetched = 0;
    loop {
        let request = match pull.next(&ours, |_| Need::Missing) {
            PullStep::Ask(request) => request,
            PullStep::Done => break,
            PullStep::Failed => {
                assert!(fetched > UNSUPPLIED_MAX, "failed after {asked} requests");
                return;
            }
        };
        asked += 1;
        assert!(asked <= ASKED_MAX, "asked {asked} times after {lies} lies");
        check_request(&request);
        let honest = lies >= LIES_MAX || reader.is_empty() || reader.byte() & 3 == 0;
        let response = if honest { honest_answer(&request, &theirs) } else { lie(&mut reader) };
        lies += usize::from(!honest);
        // Objects that were asked for arrive if the peer has them.
        if let (Request::Get { ids, .. }, Response::Objects { .. }) = (&request, &response) {
            fetched += ids.len();
            ours.extend(theirs.iter().filter(|(_, id)| ids.contains(id)));
        }
        let fits = pull.answer(&response, &ours);
        assert!(fits || !honest, "an honest answer was refused: {request:?}");
        if !fits {
            return;
        }
    }
    assert!(lies > 0 || theirs.iter().all(|place| ours.contains(&place)), "something is missing");
}

fn check_request(request: &Request) {
    match request {
        Request::Ranges { lower, upper, .. } | Request::List { lower, upper, .. } => {
            assert!(lower <= upper, "a range the wrong way round");
        }
        Request::Get { ids, .. } => assert!((1..=IDS_FRAME_MAX).contains(&ids.len())),
        other => panic!("a pull asks {other:?}"),
    }
    assert_eq!(Request::decode(&request.encode()).as_ref(), Ok(request));
}

fn honest_answer(request: &Request, theirs: &Items) -> Response {
    match request {
        Request::Ranges { lower, upper, .. } => answer_ranges(theirs, *lower, *upper),
        Request::List { lower, upper, .. } => answer_list(theirs, *lower, *upper),
        Request::Get { ids, .. } => {
            Response::Objects { objects: Vec::new(), done: ids.len() as u64 }
        }
        _ => Response::Refused,
    }
}

fn items(reader: &mut Reader<'_>) -> Items {
    // Many objects from few bytes: both sets are taken from one sequence.
    let (from, count) = (u64::from(reader.byte()), u64::from(reader.byte()) * 2);
    (from..from + count).map(|n| (n / 3, id(n))).collect()
}

fn id(n: u64) -> ObjectId {
    ObjectId(blake3::hash(&n.to_be_bytes()).into())
}

fn bound(reader: &mut Reader<'_>) -> Bound {
    match reader.byte() {
        0 => Bound::MIN,
        255 => Bound::MAX,
        254 => Bound { height: u64::from(reader.byte()), id: ObjectId([255; 32]) },
        n => {
            let n = u64::from(n) * 3 + u64::from(reader.byte() % 3);
            Bound { height: n / 3, id: id(n) }
        }
    }
}

fn lie(reader: &mut Reader<'_>) -> Response {
    match reader.byte() % 6 {
        0 | 1 => {
            let count = usize::from(reader.byte()) % (RANGE_PARTS + 1);
            let part = |reader: &mut Reader<'_>| {
                let n = reader.byte();
                let known: Vec<_> = (0..u64::from(n)).map(|n| (n / 3, id(n))).collect();
                let fingerprint = if n < 8 { fingerprint(&known) } else { ObjectId([n; 32]) };
                Part { upper: bound(reader), count: u64::from(reader.byte()) * 4, fingerprint }
            };
            let mut parts: Vec<Part> = (0..count).map(|_| part(reader)).collect();
            if reader.byte() & 1 == 0 {
                parts.sort_by_key(|part| part.upper);
                parts.dedup_by_key(|part| part.upper);
            }
            Response::Parts { parts }
        }
        2 | 3 => {
            let count = reader.byte();
            let mut ids: Vec<Bound> = (0..count % 32).map(|_| bound(reader)).collect();
            if count & 32 == 0 {
                ids.sort_unstable();
                ids.dedup();
            }
            Response::Ids { ids, more: count & 64 == 0 }
        }
        4 => {
            let done = match reader.byte() {
                255 => u64::MAX,
                n => u64::from(n),
            };
            Response::Objects { objects: Vec::new(), done }
        }
        _ => Response::Ack,
    }
}
