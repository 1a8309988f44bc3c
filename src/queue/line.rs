//! Who waits, in order.

use std::task::Waker;

/// A line of wakers: first in, first out, and anyone may leave it from anywhere.
///
/// A place is an index that stays its owner's until it gives it back with
/// [`collect`](Self::collect) or [`leave`](Self::leave), also after its turn has come. All steps
/// are O(1). Wakers are handed out and never woken or dropped here: their code is not ours, and
/// the line is under a lock.
#[derive(Debug)]
pub(crate) struct Line {
    nodes: Vec<Node>,
    free: Index,
    first: Index,
    last: Index,
    taken: usize,
}

/// Someone's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place(u32);

/// How someone left.
#[derive(Debug)]
pub(crate) struct Left {
    /// Whether the turn had come already, so that what was handed over must be passed on.
    pub(crate) was_called: bool,
    /// To be dropped outside of the lock.
    pub(crate) waker: Option<Waker>,
}

#[derive(Debug)]
struct Node {
    waker: Option<Waker>,
    state: State,
    next: Index,
    before: Index,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Free,
    Waiting,
    Called,
}

type Index = Option<u32>;

impl Line {
    /// An empty line.
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: None, first: None, last: None, taken: 0 }
    }

    /// Joins at the end.
    ///
    /// Allocates when more wait than ever before since the line was last empty.
    pub(crate) fn join(&mut self, waker: Waker) -> Place {
        let node =
            Node { waker: Some(waker), state: State::Waiting, next: None, before: self.last };
        let index = if let Some(index) = self.free {
            self.free = self.node(index).next;
            *self.node(index) = node;
            index
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("fewer wait than a `u32` counts")
        };
        match self.last {
            Some(last) => self.node(last).next = Some(index),
            None => self.first = Some(index),
        }
        self.last = Some(index);
        self.taken += 1;
        Place(index)
    }

    /// Calls the first: its turn has come, and it is in the line no longer. Returns whom to wake.
    pub(crate) fn call_first(&mut self) -> Option<Waker> {
        let index = self.first?;
        self.unlink(index);
        let node = self.node(index);
        node.state = State::Called;
        node.waker.take()
    }

    /// Whether the turn of `place` has come. If so, the place is given back.
    #[must_use]
    pub(crate) fn collect(&mut self, place: Place) -> bool {
        let is_called = self.node(place.0).state == State::Called;
        if is_called {
            self.release(place.0);
        }
        is_called
    }

    /// Wakes someone else for `place` from now on. Returns the waker that is of no use now, which
    /// must be dropped outside of the lock.
    #[must_use]
    pub(crate) fn rewake(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        let node = self.node(place.0);
        match &node.waker {
            Some(known) if known.will_wake(waker) => None,
            _ => node.waker.replace(waker.clone()),
        }
    }

    /// Leaves the line, and gives the place back.
    pub(crate) fn leave(&mut self, place: Place) -> Left {
        let was_called = self.node(place.0).state == State::Called;
        if !was_called {
            self.unlink(place.0);
        }
        let waker = self.release(place.0);
        Left { was_called, waker }
    }

    fn unlink(&mut self, index: u32) {
        let Node { next, before, .. } = *self.node(index);
        match before {
            Some(before) => self.node(before).next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => self.node(next).before = before,
            None => self.last = before,
        }
    }

    fn release(&mut self, index: u32) -> Option<Waker> {
        let free = self.free.replace(index);
        let node = self.node(index);
        node.state = State::Free;
        node.next = free;
        let waker = node.waker.take();
        self.taken -= 1;
        if self.taken == 0 && self.nodes.len() > KEPT {
            // A rush is over: its memory goes back.
            *self = Self::new();
        }
        waker
    }

    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }
}

/// An empty line keeps the memory of so many places.
const KEPT: usize = 32;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_memory_of_a_rush_is_given_back() {
        let mut line = Line::new();
        let places: Vec<_> = (0..1_000).map(|_| line.join(Waker::noop().clone())).collect();
        for place in places {
            assert!(!line.leave(place).was_called);
        }

        assert_eq!(line.nodes.capacity(), 0);
    }

    #[test]
    fn the_memory_of_a_few_is_kept_for_the_next_ones() {
        let mut line = Line::new();
        let places: Vec<_> = (0..KEPT).map(|_| line.join(Waker::noop().clone())).collect();
        for place in places {
            assert!(!line.leave(place).was_called);
        }

        assert_eq!(line.nodes.len(), KEPT);
    }

    #[test]
    fn who_moved_to_another_task_is_woken_there() {
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut line = Line::new();
        let place = line.join(Arc::clone(&old).into());

        assert!(line.rewake(place, &Arc::clone(&new).into()).is_some());
        assert!(line.rewake(place, &Arc::clone(&new).into()).is_none());
        line.call_first().unwrap().wake();

        assert_eq!((old.woken(), new.woken()), (0, 1));
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Join,
        Call,
        Collect(usize),
        Leave(usize),
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// The line beside a queue of numbers, each with a waker that counts.
        #[test]
        fn waits_like_a_naive_model(ops in proptest::collection::vec(op(), 0..300)) {
            let mut line = Line::new();
            let mut waiting = VecDeque::new();
            let mut alive: Vec<(Place, Arc<Count>, bool)> = Vec::new();
            for op in ops {
                match op {
                    Op::Join => {
                        let count = Arc::new(Count::default());
                        let place = line.join(Arc::clone(&count).into());
                        prop_assert!(alive.iter().all(|(other, ..)| *other != place));
                        waiting.push_back(place);
                        alive.push((place, count, false));
                    }
                    Op::Call => {
                        let woken = line.call_first();
                        prop_assert_eq!(woken.is_some(), !waiting.is_empty());
                        let Some(first) = waiting.pop_front() else { continue };
                        woken.unwrap().wake();
                        let who = alive.iter_mut().find(|(place, ..)| *place == first).unwrap();
                        prop_assert_eq!(who.1.woken(), 1);
                        who.2 = true;
                    }
                    Op::Collect(nth) if nth < alive.len() => {
                        let (place, _, is_called) = alive[nth];
                        prop_assert_eq!(line.collect(place), is_called);
                        if is_called {
                            alive.swap_remove(nth);
                        }
                    }
                    Op::Leave(nth) if nth < alive.len() => {
                        let (place, count, is_called) = alive.swap_remove(nth);
                        prop_assert_eq!(line.leave(place).was_called, is_called);
                        waiting.retain(|other| *other != place);
                        prop_assert_eq!(count.woken(), u64::from(is_called));
                    }
                    Op::Collect(_) | Op::Leave(_) => {}
                }
                prop_assert_eq!(line.taken, alive.len());
            }
        }
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => Just(Op::Join),
            2 => Just(Op::Call),
            2 => (0..50_usize).prop_map(Op::Collect),
            2 => (0..50_usize).prop_map(Op::Leave),
        ]
    }

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Count {
        fn woken(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
