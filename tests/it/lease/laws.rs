//! The laws, under random faults, stalls, releases and breaks.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use seawall::lease::{Epoch, Fault, Fence, InMemory, Leadership, Lease};
use seawall::telemetry::Environment;
use seawall::time::{Clock, Instant};

use super::node::{Node, poll};

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Time passes, and whoever is not stopped runs.
    Pass(u64),
    /// A process is stopped for some time, as by SIGSTOP.
    Stop(usize, u64),
    Fault(usize, Fault),
    Release(usize),
    Campaign(usize),
    Break(usize),
    /// Whoever thinks to lead sends a write that takes this long.
    Write(usize, u64),
}

/// Times are in milliseconds for a lease of one second, and `scale` times that for longer ones.
pub(crate) fn op(scale: u64) -> impl Strategy<Value = Op> {
    let node = 0..NODES;
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::LostAnswer),
        1 => Just(Fault::Silent),
        2 => (1..2_500_u64).prop_map(move |ms| Fault::Slow(Duration::from_millis(ms * scale))),
        2 => (1..2_500_u64).prop_map(move |ms| Fault::SlowAnswer(Duration::from_millis(ms * scale))),
    ];
    prop_oneof![
        24 => (1..200_u64).prop_map(move |ms| Op::Pass(ms * scale)),
        2 => (node.clone(), 1..3_000_u64).prop_map(move |(node, ms)| Op::Stop(node, ms * scale)),
        6 => (node.clone(), fault).prop_map(|(node, fault)| Op::Fault(node, fault)),
        1 => node.clone().prop_map(Op::Release),
        2 => node.clone().prop_map(Op::Campaign),
        1 => node.clone().prop_map(Op::Break),
        8 => (node, 0..2_000_u64).prop_map(move |(node, ms)| Op::Write(node, ms * scale)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_laws_hold(ops in prop::collection::vec(op(1), 1..300), seed: u64) {
        World::live(&ops, seed, LEASE, |environment, _| {
            let store = InMemory::new_in(environment);
            move || Line::of(store.line())
        });
    }
}

/// A way to the store, with faults of its own.
pub(crate) struct Line {
    pub(crate) lease: Arc<dyn Lease>,
    pub(crate) fault: Box<dyn Fn(Fault)>,
}

impl Line {
    fn of(line: InMemory) -> Self {
        Self { lease: Arc::new(line.clone()), fault: Box::new(move |fault| line.fault(fault)) }
    }
}

/// Some candidates, their store, and what they protect.
pub(crate) struct World {
    clock: Clock,
    lease: Duration,
    nodes: Vec<Node>,
    lines: Vec<Line>,
    stopped_until: Vec<Instant>,
    /// The last epoch that was seen, and who led in which.
    newest: Epoch,
    led: BTreeMap<Epoch, usize>,
    ledger: Ledger,
}

impl World {
    /// Does all of `ops` over the store that `store` makes lines to, and checks that it heals.
    pub(crate) fn live<L>(
        ops: &[Op],
        seed: u64,
        lease: Duration,
        store: impl FnOnce(&Environment, &Clock) -> L,
    ) where
        L: FnMut() -> Line,
    {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone()).seed(seed);
        let mut line = store(&environment, &clock);
        let lines: Vec<_> = (0..NODES).map(|_| line()).collect();
        let config = Leadership::builder().duration(lease);
        let node = |line: &Line| Node::new(Arc::clone(&line.lease), &config, &environment);
        let mut world = Self {
            clock,
            lease,
            nodes: lines.iter().map(node).collect(),
            lines,
            stopped_until: vec![Instant::default(); NODES],
            newest: Epoch::NONE,
            led: BTreeMap::new(),
            ledger: Ledger::default(),
        };
        for op in ops {
            world.apply(op);
        }
        world.heal();
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Pass(ms) => self.pass(Duration::from_millis(ms)),
            Op::Stop(node, ms) => {
                self.stopped_until[node] = self.clock.now() + Duration::from_millis(ms);
            }
            Op::Fault(node, fault) => (self.lines[node].fault)(fault),
            Op::Release(node) => drop(self.nodes[node].leadership.release()),
            Op::Campaign(node) => self.nodes[node].leadership.campaign(),
            Op::Break(node) => {
                // Whether anybody is left to answer does not matter.
                let _ = poll(pin!(self.lines[node].lease.break_off()));
            }
            Op::Write(node, ms) => {
                if let Some(term) = self.nodes[node].leadership.term() {
                    self.ledger.send(
                        node,
                        term.epoch(),
                        self.clock.now() + Duration::from_millis(ms),
                    );
                }
            }
        }
        self.look();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        while self.clock.now() < until {
            self.clock.advance((self.lease / 100).min(until.since(self.clock.now())));
            let now = self.clock.now();
            self.ledger.receive(now);
            for node in 0..NODES {
                if self.stopped_until[node] <= now {
                    self.nodes[node].run();
                    self.look();
                }
            }
        }
    }

    /// What must hold at every moment.
    fn look(&mut self) {
        let terms = self.nodes.iter().map(|node| node.leadership.term()).enumerate();
        let leaders: Vec<_> = terms.filter_map(|(node, term)| Some((node, term?))).collect();
        assert!(leaders.len() <= 1, "{leaders:?} at {:?}", self.clock.now());
        for (node, term) in leaders {
            let led_before = self.led.insert(term.epoch(), node);
            match led_before {
                Some(other) => assert_eq!(other, node, "two led in {}", term.epoch()),
                None => assert!(term.epoch() > self.newest, "{} is not new", term.epoch()),
            }
            self.newest = self.newest.max(term.epoch());
        }
        assert_eq!(self.ledger.lost(), 0, "an acknowledged write is gone");
    }

    /// Once all is well again, somebody leads within a lease and the time between two questions.
    fn heal(&mut self) {
        for node in 0..NODES {
            (self.lines[node].fault)(Fault::None);
            self.nodes[node].leadership.campaign();
            self.stopped_until[node] = Instant::default();
        }
        // What is still on its way may arrive as late as the slowest line was.
        self.pass(self.lease * 5 / 2);
        // The last of them may have begun another lease just then.
        self.pass(self.lease + self.lease / 3 + self.lease / 100);
        let leads = self.nodes.iter().any(|node| node.leadership.term().is_some());
        let errors = self.nodes.iter().map(|node| node.leadership.last_error());
        assert!(leads, "nobody leads: {:?}", errors.collect::<Vec<_>>());
    }
}

/// What leaders write: all that was there, and one line more. So a stale write would not only be
/// there, it would wipe out what others have written.
#[derive(Default)]
struct Ledger {
    fence: Fence,
    lines: Vec<u64>,
    /// What each node has read or written last, in which epoch.
    copies: [Option<(Epoch, Vec<u64>)>; NODES],
    /// At most one write of each node is under way.
    under_way: [Option<(Instant, Epoch, Vec<u64>)>; NODES],
    sent: u64,
    last: Epoch,
    acknowledged: Vec<u64>,
}

impl Ledger {
    fn send(&mut self, node: usize, epoch: Epoch, arrives: Instant) {
        if self.under_way[node].is_some() {
            return;
        }
        let copy = &mut self.copies[node];
        if copy.as_ref().is_none_or(|(read_in, _)| *read_in != epoch) {
            // A new term shows its epoch first, and then reads what it goes on with.
            if self.fence.check(epoch).is_err() {
                return;
            }
            *copy = Some((epoch, self.lines.clone()));
        }
        let mut lines = copy.as_ref().unwrap().1.clone();
        self.sent += 1;
        lines.push(self.sent);
        self.under_way[node] = Some((arrives, epoch, lines));
    }

    fn receive(&mut self, now: Instant) {
        for node in 0..NODES {
            let arrived = self.under_way[node].take_if(|(arrives, ..)| *arrives <= now);
            let Some((_, epoch, lines)) = arrived else { continue };
            if self.fence.check(epoch).is_err() {
                continue;
            }
            assert!(epoch >= self.last, "a write of {epoch} after one of {}", self.last);
            self.last = epoch;
            self.acknowledged.push(*lines.last().unwrap());
            self.lines.clone_from(&lines);
            self.copies[node] = Some((epoch, lines));
        }
    }

    fn lost(&self) -> usize {
        self.acknowledged.iter().filter(|line| !self.lines.contains(line)).count()
    }
}

const NODES: usize = 3;
const LEASE: Duration = Duration::from_secs(1);
