//! Who holds the server's connections, and who has to go when there are too many.
//!
//! | when a connection comes                       | one goes                                       |
//! |-----------------------------------------------|------------------------------------------------|
//! | its peer holds a quarter of all places        | the peer's own oldest                          |
//! | all places are taken, some peer holds many    | the oldest of the peer that holds the most     |
//! | all places are taken, all peers hold few      | the oldest of all                              |
//!
//! So a flood from one address pushes out nobody else, and one from many addresses pushes out its
//! own before it reaches a probe, which lives for a millisecond. Connections that were granted a
//! longer life go last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::sync::oneshot;

use crate::sync::{Arc, Mutex};

/// As many connections as an honest peer may need at once: an orchestrator has three probes, and a
/// load balancer may probe from several processes behind one address.
const FEW: usize = 4;
/// As many connections may live longer than the limit, whatever the cap is.
const PROLONGED: usize = 16;

/// The places of a server.
#[derive(Clone, Debug)]
pub(super) struct Table {
    core: Arc<Mutex<Core<oneshot::Sender<()>>>>,
}

/// A place in the table. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    table: Table,
    id: u64,
}

impl Table {
    /// Room for `places` connections.
    pub(super) fn new(places: usize) -> Self {
        Self { core: Arc::new(Mutex::new(Core::new(places))) }
    }

    /// Takes a place for a connection from `ip`; for this another connection may have to go. The
    /// receiver ends when it is this one's turn.
    pub(super) fn admit(&self, ip: IpAddr) -> (Place, oneshot::Receiver<()>) {
        let (evict, evicted) = oneshot::channel();
        let id = self.core.lock().admit(Network::of(ip), evict);
        (Place { table: self.clone(), id }, evicted)
    }
}

impl Place {
    /// Asks to stay for longer than the limit. Whether it may.
    pub(super) fn prolong(&self) -> bool {
        self.table.core.lock().prolong(self.id)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.core.lock().remove(self.id);
    }
}

/// Who is one peer: an IPv4 address, or the 64 bits that one IPv6 customer has at the least.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Network {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Network {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) if ip == Ipv6Addr::LOCALHOST => Self::V4(Ipv4Addr::LOCALHOST),
            // All of one link share the network part; a load balancer probes from such an address.
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::V6(ip),
            IpAddr::V6(ip) => Self::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        }
    }
}

/// The table itself. `H` is dropped when its connection has to go.
#[derive(Debug)]
struct Core<H> {
    places: usize,
    next: u64,
    /// By age: the first is the oldest.
    entries: BTreeMap<u64, Entry<H>>,
    /// The connections of each peer, by age.
    peers: HashMap<Network, BTreeSet<u64>>,
    /// The peers by how many connections they hold: the last holds the most.
    ranks: BTreeSet<(usize, Network)>,
    prolonged: usize,
}

#[derive(Debug)]
struct Entry<H> {
    network: Network,
    prolonged: bool,
    _handle: H,
}

impl<H> Core<H> {
    fn new(places: usize) -> Self {
        Self {
            places: places.max(1),
            next: 0,
            entries: BTreeMap::new(),
            peers: HashMap::new(),
            ranks: BTreeSet::new(),
            prolonged: 0,
        }
    }

    /// Each call evicts at most one, since each adds only one.
    fn admit(&mut self, network: Network, handle: H) -> u64 {
        if let Some(victim) = self.victim(network) {
            self.remove(victim);
        }
        let id = self.next;
        self.next += 1;
        self.entries.insert(id, Entry { network, prolonged: false, _handle: handle });
        self.change(network, |ids| ids.insert(id));
        id
    }

    fn prolong(&mut self, id: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        // A quarter at the most, so that there always is one that can go.
        if !entry.prolonged && self.prolonged < PROLONGED.min(self.places / 4) {
            entry.prolonged = true;
            self.prolonged += 1;
        }
        entry.prolonged
    }

    fn remove(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            self.prolonged -= usize::from(entry.prolonged);
            self.change(entry.network, |ids| ids.remove(&id));
        }
    }

    /// Who has to go so that one more of `network` finds its place.
    fn victim(&self, network: Network) -> Option<u64> {
        let own = self.peers.get(&network);
        if own.is_some_and(|ids| ids.len() >= self.share()) {
            return own.and_then(|ids| self.oldest(ids.iter()).or(ids.first().copied()));
        }
        if self.entries.len() < self.places {
            return None;
        }
        let heaviest = self.ranks.last().filter(|(held, _)| *held > FEW);
        heaviest
            .and_then(|(_, network)| self.peers.get(network))
            .and_then(|ids| self.oldest(ids.iter()))
            .or_else(|| self.oldest(self.entries.keys()))
    }

    /// What one peer may hold.
    fn share(&self) -> usize {
        (self.places / 4).max(1)
    }

    /// The first of `ids` that may go.
    fn oldest<'a>(&self, mut ids: impl Iterator<Item = &'a u64>) -> Option<u64> {
        ids.find(|id| self.entries.get(*id).is_some_and(|entry| !entry.prolonged)).copied()
    }

    fn change(&mut self, network: Network, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let ids = self.peers.entry(network).or_default();
        self.ranks.remove(&(ids.len(), network));
        change(ids);
        if ids.is_empty() {
            self.peers.remove(&network);
        } else {
            self.ranks.insert((ids.len(), network));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Core, Network, Table};

    #[test]
    fn a_peer_at_its_share_pushes_out_its_own_oldest() {
        let mut table = Core::new(16);
        let other = table.admit(peer(1), ());
        let first = table.admit(peer(2), ());
        for _ in 0..3 {
            table.admit(peer(2), ());
        }

        table.admit(peer(2), ());

        assert!(!table.entries.contains_key(&first));
        assert!(table.entries.contains_key(&other));
        assert_eq!(table.entries.len(), 5);
    }

    #[test]
    fn a_full_table_loses_the_oldest_of_the_peer_that_holds_the_most() {
        let mut table = Core::new(32);
        let honest: Vec<_> = (0..3).map(|_| table.admit(peer(1), ())).collect();
        let first = table.admit(peer(2), ());
        for _ in 1..8 {
            table.admit(peer(2), ());
        }
        for other in 3..24 {
            table.admit(peer(other), ());
        }
        assert_eq!(table.entries.len(), 32);

        table.admit(peer(30), ());

        assert!(!table.entries.contains_key(&first));
        assert!(honest.iter().all(|id| table.entries.contains_key(id)));
        assert_eq!(table.entries.len(), 32);
    }

    #[test]
    fn a_full_table_of_peers_that_hold_few_loses_the_oldest_of_all() {
        let mut table = Core::new(8);
        let oldest = table.admit(peer(1), ());
        let pair = [table.admit(peer(2), ()), table.admit(peer(2), ())];
        for other in 3..8 {
            table.admit(peer(other), ());
        }

        table.admit(peer(9), ());

        assert!(!table.entries.contains_key(&oldest));
        assert!(pair.iter().all(|id| table.entries.contains_key(id)));
    }

    #[test]
    fn a_flood_from_any_number_of_peers_leaves_the_newest() {
        let mut table = Core::new(64);
        for flood in 0..10_000 {
            let id = table.admit(peer(flood % 977), ());
            assert!(table.entries.contains_key(&id));
            assert!(table.entries.len() <= 64);
        }
        assert_eq!(table.ranks.len(), table.peers.len());
        assert_eq!(table.peers.values().map(std::collections::BTreeSet::len).sum::<usize>(), 64);
    }

    #[test]
    fn what_was_granted_a_longer_life_goes_last() {
        let mut table = Core::new(8);
        let stream = table.admit(peer(1), ());
        assert!(table.prolong(stream));
        assert!(table.prolong(stream), "asked again, it counts once");
        let second = table.admit(peer(1), ());
        assert_eq!(table.entries.len(), 2);

        table.admit(peer(1), ());
        assert!(table.entries.contains_key(&stream));
        assert!(!table.entries.contains_key(&second));

        for other in 2..40 {
            table.admit(peer(other), ());
        }
        assert!(table.entries.contains_key(&stream));
    }

    #[test]
    fn at_most_a_quarter_and_sixteen_live_longer() {
        for (places, granted) in [(3, 0), (4, 1), (40, 10), (256, 16)] {
            let mut table = Core::new(places);
            let ids: Vec<_> = (0..20).map(|other| table.admit(peer(other), ())).collect();
            let count = ids.iter().filter(|id| table.prolong(**id)).count();
            assert_eq!(count, granted, "{places}");

            for id in ids {
                table.remove(id);
            }
            assert_eq!(table.prolonged, 0);
            assert!(table.ranks.is_empty());
        }
    }

    #[test]
    fn a_place_is_free_when_it_is_dropped() {
        let table = Table::new(1);
        let (first, mut evicted) = table.admit(Ipv4Addr::LOCALHOST.into());
        assert!(evicted.try_recv().is_err_and(|error| error.to_string().contains("empty")));

        let (second, mut kept) = table.admit(Ipv4Addr::new(127, 0, 0, 2).into());
        assert!(evicted.try_recv().is_err_and(|error| error.to_string().contains("closed")));
        drop(first);
        assert_eq!(table.core.lock().entries.len(), 1);
        assert!(kept.try_recv().is_err_and(|error| error.to_string().contains("empty")));

        drop(second);
        assert!(table.core.lock().entries.is_empty());
    }

    #[test]
    fn one_customer_is_one_peer() {
        let network = |text: &str| Network::of(text.parse().unwrap());

        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("fe80::1"), network("fe80::2"));
        assert_eq!(network("::1"), network("127.0.0.1"));
    }

    fn peer(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)))
    }
}
