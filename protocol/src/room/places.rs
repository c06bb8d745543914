//! Which places in its own chain a device has used in a room: two envelopes at one place prove that
//! its key is in two hands.

use std::collections::BTreeMap;

/// Sequence numbers, as runs: first → last. An honest chain is one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(BTreeMap<u64, u64>);

impl Places {
    /// Whether a number is used.
    pub(super) fn has(&self, seq: u64) -> bool {
        self.0.range(..=seq).next_back().is_some_and(|(_, last)| *last >= seq)
    }

    /// Notes that a number is used.
    pub(super) fn insert(&mut self, seq: u64) {
        self.insert_run(seq, seq);
    }

    /// Notes that all numbers of a run are used.
    pub(super) fn insert_run(&mut self, mut first: u64, mut last: u64) {
        if last < first {
            return;
        }
        // Whatever touches it becomes one run with it.
        let touches = |start: u64, end: u64, first: u64, last: u64| {
            start <= last.saturating_add(1) && end.saturating_add(1) >= first
        };
        while let Some((start, end)) = self
            .0
            .range(..=last.saturating_add(1))
            .next_back()
            .map(|(start, end)| (*start, *end))
            .filter(|(start, end)| touches(*start, *end, first, last))
        {
            self.0.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.0.insert(first, last);
    }

    /// The runs, ascending.
    pub(super) fn runs(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn runs_are_as_a_set_says() {
        for seed in 0..200_u64 {
            let (mut places, mut set) = (Places::default(), BTreeSet::new());
            for n in 0..60_u64 {
                let hash = blake3::hash(&[seed.to_be_bytes(), n.to_be_bytes()].concat());
                let seq = u64::from(hash.as_bytes()[0]) % 64;
                assert_eq!(places.has(seq), set.contains(&seq));
                places.insert(seq);
                set.insert(seq);
                let numbers: Vec<u64> = places.runs().flat_map(|(a, b)| a..=b).collect();
                assert!(numbers.iter().eq(set.iter()), "seed {seed}");
                let apart = places.runs().zip(places.runs().skip(1));
                assert!(apart.into_iter().all(|(a, b)| a.1 + 1 < b.0), "runs that touch are one");
            }
        }
        let mut all = Places::default();
        all.insert(u64::MAX);
        all.insert(0);
        all.insert_run(1, u64::MAX - 1);
        assert_eq!(all.runs().collect::<Vec<_>>(), [(0, u64::MAX)]);
    }
}
