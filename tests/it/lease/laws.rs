//! The laws, under random faults, stalls, releases and breaks.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use proptest::prelude::*;
use seawall::lease::{Epoch, Fault, Fence, InMemory, Leadership, Lease};
use seawall::telemetry::Environment;
use seawall::time::{Clock, Instant};

use super::node::{Node, poll};

#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    let node = 0..NODES;
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::LostAnswer),
        1 => Just(Fault::Silent),
        2 => (1..2_500_u64).prop_map(|ms| Fault::Slow(Duration::from_millis(ms))),
        2 => (1..2_500_u64).prop_map(|ms| Fault::SlowAnswer(Duration::from_millis(ms))),
    ];
    prop_oneof![
        24 => (1..200_u64).prop_map(Op::Pass),
        2 => (node.clone(), 1..3_000_u64).prop_map(|(node, ms)| Op::Stop(node, ms)),
        6 => (node.clone(), fault).prop_map(|(node, fault)| Op::Fault(node, fault)),
        1 => node.clone().prop_map(Op::Release),
        2 => node.clone().prop_map(Op::Campaign),
        1 => node.clone().prop_map(Op::Break),
        8 => (node, 0..2_000_u64).prop_map(|(node, ms)| Op::Write(node, ms)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_laws_hold(ops in prop::collection::vec(op(), 1..300), seed: u64) {
        let mut world = World::new(seed);
        for op in ops {
            world.apply(op);
        }
        world.heal();
    }
}

/// Some candidates, their store, and what they protect.
struct World {
    clock: Clock,
    nodes: Vec<Node>,
    stopped_until: Vec<Instant>,
    store: InMemory,
    /// The last epoch that was seen, and who led in which.
    newest: Epoch,
    led: BTreeMap<Epoch, usize>,
    ledger: Ledger,
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone()).seed(seed);
        let store = InMemory::new_in(&environment);
        let config = Leadership::builder().duration(LEASE);
        let nodes = (0..NODES).map(|_| Node::new(&store, &config, &environment)).collect();
        Self {
            clock,
            nodes,
            stopped_until: vec![Instant::default(); NODES],
            store,
            newest: Epoch::NONE,
            led: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Pass(ms) => self.pass(Duration::from_millis(ms)),
            Op::Stop(node, ms) => {
                self.stopped_until[node] = self.clock.now() + Duration::from_millis(ms);
            }
            Op::Fault(node, fault) => self.nodes[node].line.fault(fault),
            Op::Release(node) => drop(self.nodes[node].leadership.release()),
            Op::Campaign(node) => self.nodes[node].leadership.campaign(),
            Op::Break(node) => {
                let line = self.nodes[node].line.clone();
                // Whether anybody is left to answer does not matter.
                let _ = poll(pin!(line.break_off()));
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
            self.clock.advance(TICK.min(until.since(self.clock.now())));
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
            self.nodes[node].line.fault(Fault::None);
            self.nodes[node].leadership.campaign();
            self.stopped_until[node] = Instant::default();
        }
        // What is still on its way may arrive as late as the slowest line was.
        self.pass(Duration::from_millis(2_500));
        self.pass(LEASE + LEASE / 3 + Duration::from_millis(1));
        let leads = self.nodes.iter().any(|node| node.leadership.term().is_some());
        assert!(leads, "nobody leads: {:?}", self.store);
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
const LEASE: Duration = Duration::from_millis(1_000);
const TICK: Duration = Duration::from_millis(10);
