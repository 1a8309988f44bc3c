//! What was reserved and given back, until it is of no use.

use std::collections::BTreeMap;

/// A stretch of the limiter's units that belongs to one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Stretches between those of calls that still wait: their own callers have given up.
///
/// They do not overlap, touch each other or reach beyond what is reserved. There are never more
/// than [`MAX_GAPS`]; the first is forgotten then, which costs a call its earlier turn and lets
/// nobody in too soon.
#[derive(Debug)]
pub(super) struct Gaps {
    /// Ends by starts.
    spans: BTreeMap<u64, u64>,
}

impl Gaps {
    pub(super) const fn new() -> Self {
        Self { spans: BTreeMap::new() }
    }

    /// Adds what was given back at `now`.
    pub(super) fn add(&mut self, span: Span, now: u64) {
        self.forget_before(now);
        let Span { mut start, mut end } = span;
        if let Some((&before, &touching)) = self.spans.range(..start).next_back()
            && touching == start
        {
            self.spans.remove(&before);
            start = before;
        }
        if let Some(after) = self.spans.remove(&end) {
            end = after;
        }
        self.spans.insert(start, end);
        if self.spans.len() > MAX_GAPS {
            self.spans.pop_first();
        }
    }

    /// The first stretch of `need` units that begins at `now` or later.
    pub(super) fn find(&mut self, need: u64, now: u64) -> Option<Span> {
        self.forget_before(now);
        self.spans.iter().find_map(|(&start, &end)| {
            let start = start.max(now);
            let last = start.checked_add(need)?;
            (last <= end).then_some(Span { start, end: last })
        })
    }

    /// Takes out a span that was [found](Self::find).
    pub(super) fn take(&mut self, span: Span) {
        let Some((&start, &end)) = self.spans.range(..=span.start).next_back() else { return };
        self.spans.remove(&start);
        // What is left before it has begun in the past.
        if span.end < end {
            self.spans.insert(span.end, end);
        }
    }

    /// Takes out the stretch that ends at `end`, and returns its start.
    pub(super) fn take_ending_at(&mut self, end: u64) -> Option<u64> {
        let (&start, &last) = self.spans.range(..end).next_back()?;
        if last != end {
            return None;
        }
        self.spans.remove(&start);
        Some(start)
    }

    pub(super) fn clear(&mut self) {
        self.spans.clear();
    }

    fn forget_before(&mut self, now: u64) {
        while let Some(first) = self.spans.first_entry()
            && *first.get() <= now
        {
            first.remove();
        }
    }
}

const MAX_GAPS: usize = 1_024;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_become_one() {
        let mut gaps = Gaps::new();
        for (start, end) in [(10, 20), (30, 40), (20, 30)] {
            gaps.add(Span { start, end }, 0);
        }

        assert_eq!(gaps.find(30, 0), Some(Span { start: 10, end: 40 }));
    }

    #[test]
    fn their_number_is_bounded() {
        let mut gaps = Gaps::new();
        for n in 0..10_000 {
            gaps.add(Span { start: 3 * n + 1, end: 3 * n + 2 }, 0);
        }

        assert_eq!(gaps.spans.len(), MAX_GAPS);
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Add(usize),
        Take(usize),
        TakeEnding(usize),
        Pass(usize),
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Beside a list of flags, one for each unit.
        #[test]
        fn keeps_what_a_naive_model_keeps(ops in proptest::collection::vec(op(), 0..100)) {
            let mut gaps = Gaps::new();
            let mut model = Model { free: vec![false; UNITS] };
            let mut now = 0;
            for op in ops {
                match op {
                    Op::Add(unit) if !model.free[unit] => {
                        gaps.add(span(unit..unit + 1), as_units(now));
                        model.forget_before(now);
                        model.free[unit] = true;
                    }
                    Op::Take(need) => {
                        let found = gaps.find(as_units(need), as_units(now));
                        model.forget_before(now);
                        let first = (now..=UNITS - need)
                            .find(|start| model.free[*start..start + need].iter().all(|free| *free));
                        prop_assert_eq!(found, first.map(|start| span(start..start + need)));
                        if let (Some(found), Some(start)) = (found, first) {
                            gaps.take(found);
                            let begin = model.run_that_ends_at(start + need).start;
                            model.free[begin..start + need].fill(false);
                        }
                    }
                    Op::TakeEnding(end) => {
                        let is_end = model.free[end - 1] && model.free.get(end) != Some(&true);
                        let run = is_end.then(|| model.run_that_ends_at(end));
                        let start = gaps.take_ending_at(as_units(end));
                        prop_assert_eq!(start, run.clone().map(|run| as_units(run.start)));
                        if let Some(run) = run {
                            model.free[run].fill(false);
                        }
                    }
                    Op::Pass(units) => now = (now + units).min(UNITS - 1),
                    Op::Add(_) => {}
                }
                let kept: Vec<_> = gaps.spans.iter().map(|(&start, &end)| Span { start, end }).collect();
                prop_assert_eq!(kept, model.runs().into_iter().map(span).collect::<Vec<_>>());
            }
        }
    }

    const UNITS: usize = 48;

    struct Model {
        free: Vec<bool>,
    }

    impl Model {
        fn runs(&self) -> Vec<Range<usize>> {
            let mut runs: Vec<Range<usize>> = Vec::new();
            for unit in (0..UNITS).filter(|unit| self.free[*unit]) {
                match runs.last_mut() {
                    Some(run) if run.end == unit => run.end = unit + 1,
                    _ => runs.push(unit..unit + 1),
                }
            }
            runs
        }

        fn run_that_ends_at(&self, end: usize) -> Range<usize> {
            let start = (0..end).rev().find(|unit| !self.free[*unit]).map_or(0, |unit| unit + 1);
            start..end
        }

        fn forget_before(&mut self, now: usize) {
            for run in self.runs() {
                if run.end <= now {
                    self.free[run].fill(false);
                }
            }
        }
    }

    fn span(units: Range<usize>) -> Span {
        Span { start: as_units(units.start), end: as_units(units.end) }
    }

    fn as_units(units: usize) -> u64 {
        units.try_into().unwrap()
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..UNITS).prop_map(Op::Add),
            2 => (1..5_usize).prop_map(Op::Take),
            1 => (1..=UNITS).prop_map(Op::TakeEnding),
            1 => (0..4_usize).prop_map(Op::Pass),
        ]
    }
}
