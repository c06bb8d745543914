//! Two connections with one peer: which of them counts.

use std::time::Duration;

/// How long a dial may take, up to the end of the handshakes.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a new connection replaces the one that stands. Both sides must come to the same
/// answer, and a peer whose old connection is dead must get through. `lower` says whether our
/// `PeerId` is the lower one.
///
/// - Dialled by the same side: the newer one.
/// - Dialled by each side: the one of the lower `PeerId`; normally both have dialled at once. But
///   a dial cannot take longer than [`DIAL_TIMEOUT`], so if the peer's new connection comes
///   later than that, the peer no longer has the old one.
pub(super) fn replaces(
    lower: bool,
    old_outbound: bool,
    new_outbound: bool,
    old_age: Duration,
) -> bool {
    let dialled_by_lower = lower == new_outbound;
    old_outbound == new_outbound || dialled_by_lower || (!new_outbound && old_age > DIAL_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_the_same_of_two_connections() {
        // `x` is dialled by the lower peer, `y` by the other; each side may see either first.
        let young = Duration::from_millis(5);
        for first_at_lower in ["x", "y"] {
            for first_at_higher in ["x", "y"] {
                let kept = |lower: bool, first: &str| {
                    let outbound = |name: &str| (name == "x") == lower;
                    let second = if first == "x" { "y" } else { "x" };
                    let new_wins = replaces(lower, outbound(first), outbound(second), young);
                    if new_wins { second.to_owned() } else { first.to_owned() }
                };
                assert_eq!(kept(true, first_at_lower), "x");
                assert_eq!(kept(false, first_at_higher), "x");
            }
        }
    }

    #[test]
    fn a_peer_that_comes_back_replaces_a_dead_connection() {
        let old = DIAL_TIMEOUT + Duration::from_secs(1);
        for lower in [true, false] {
            for old_outbound in [true, false] {
                assert!(replaces(lower, old_outbound, false, old));
            }
        }
        // Our own dial that ends while we are connected is no sign of a dead connection.
        assert!(!replaces(false, false, true, old));
    }
}
