//! What a puppet may do with an honest answer before it gives it.

use conclave_protocol::id::{ObjectId, RoomId};
use conclave_protocol::limits::IDS_FRAME_MAX;
use conclave_protocol::sync::{Blob, Bound, Response, RoomSummary};

use super::puppet::Puppet;

/// How a puppet answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// As it should.
    #[default]
    None,
    /// Lists and answers lack their second half.
    Truncated,
    /// It has a million things, none of which it hands out.
    MillionClaims,
    /// Other objects come than were asked for.
    WrongIds,
    /// Other objects come, of whatever room or log.
    OtherScopes,
    /// Nothing ever comes.
    Silence,
    /// Bytes that are no frame.
    Garbage,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Truncated,
        Self::MillionClaims,
        Self::WrongIds,
        Self::OtherScopes,
        Self::Silence,
        Self::Garbage,
    ];

    /// Bends an answer.
    pub(super) fn bend(self, puppet: &Puppet, honest: Response) -> Option<Vec<u8>> {
        let response = match self {
            Self::None => honest,
            Self::Silence => return None,
            Self::Garbage => return Some(vec![0x9f; 40]),
            Self::Truncated => truncated(honest),
            Self::MillionClaims => million(honest),
            Self::WrongIds => others(puppet, honest, 0),
            Self::OtherScopes => others(puppet, honest, 7),
        };
        Some(response.encode())
    }
}

fn truncated(honest: Response) -> Response {
    match honest {
        Response::Ids { mut ids, .. } => {
            ids.truncate(ids.len().div_ceil(2));
            Response::Ids { ids, more: false }
        }
        Response::Objects { mut objects, done } => {
            objects.truncate(objects.len() / 2);
            Response::Objects { objects, done }
        }
        other => other,
    }
}

fn invented(n: u64) -> ObjectId {
    ObjectId(blake3::derive_key("conclave tests invented", &n.to_be_bytes()))
}

fn million(honest: Response) -> Response {
    let claim = |room: RoomId| RoomSummary { room, count: 1_000_000, fingerprint: invented(1) };
    match honest {
        Response::Summary { control, rooms, .. } => Response::Summary {
            control: claim(control.room),
            waiting: rooms.iter().map(|summary| claim(summary.room)).collect(),
            rooms: rooms.into_iter().map(|summary| claim(summary.room)).collect(),
        },
        Response::Parts { mut parts } => {
            for part in &mut parts {
                (part.count, part.fingerprint) = (1_000_000, invented(2));
            }
            Response::Parts { parts }
        }
        Response::Ids { ids, .. } => {
            let height = ids.first().map_or(1, |bound| bound.height);
            let mut ids: Vec<Bound> = (0..IDS_FRAME_MAX as u64)
                .map(|n| Bound { height, id: invented(n + height * 10_000) })
                .collect();
            ids.sort_unstable();
            Response::Ids { ids, more: true }
        }
        Response::Objects { done, .. } => Response::Objects { objects: Vec::new(), done },
        other => other,
    }
}

fn others(puppet: &Puppet, honest: Response, skip: usize) -> Response {
    let Response::Objects { objects, done } = honest else { return honest };
    let wrong = puppet.bytes.values().skip(skip).take(objects.len().max(3));
    Response::Objects { objects: wrong.cloned().map(Blob).collect(), done }
}
