//! A hash table that knows which of its entries was used last.

use std::borrow::Borrow;
use std::num::NonZeroU32;

/// A table of at most `u32::MAX` entries, in the order of their last use.
///
/// Chained hashing over a vector of nodes, which are also the links of the list by use. All steps
/// are O(1) but growing, and [`evict`](Self::evict), which looks at as many entries as it is told
/// to. The caller hashes, outside of its lock.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    nodes: Vec<Option<Node<K, V>>>,
    /// First nodes of chains; a power of two of them.
    buckets: Vec<Index>,
    free: Vec<Id>,
    newest: Index,
    oldest: Index,
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    hash: u64,
    chained: Index,
    newer: Index,
    older: Index,
}

type Index = Option<Id>;

/// Where a node is. One more than its place, so that an [`Index`] takes no more than a `u32`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Id(NonZeroU32);

impl Id {
    fn of(place: usize) -> Self {
        let id = u32::try_from(place + 1).ok().and_then(NonZeroU32::new);
        Self(id.expect("fewer entries than a `u32` counts"))
    }

    const fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl<K, V> Table<K, V> {
    pub(super) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            buckets: Vec::new(),
            free: Vec::new(),
            newest: None,
            oldest: None,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// The value of `key`, as a look that changes nothing.
    pub(super) fn peek<Q>(&self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.find(hash, key).map(|index| &self.node(index).value)
    }

    /// The value of `key`, which is then the one that was used last.
    pub(super) fn get<Q>(&mut self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let index = self.find(hash, key)?;
        self.touch(index);
        Some(&self.node(index).value)
    }

    /// Adds an entry whose key is not there yet.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V) {
        if self.len() == self.buckets.len() {
            self.grow();
        }
        let bucket = self.bucket(hash);
        let chained = self.buckets[bucket];
        let node = Some(Node { key, value, hash, chained, newer: None, older: None });
        let index = if let Some(index) = self.free.pop() {
            self.nodes[index.place()] = node;
            index
        } else {
            let nodes = &mut self.nodes;
            if nodes.len() == nodes.capacity() {
                // By a quarter, and not to twice the size: the room is most of what a key takes here.
                nodes.reserve_exact((nodes.len() / 4).max(4));
            }
            nodes.push(node);
            Id::of(nodes.len() - 1)
        };
        self.buckets[bucket] = Some(index);
        self.link(index);
    }

    /// Takes out the entry that was not used for longest of those that are `idle`, if there is one
    /// among the `looks` oldest.
    ///
    /// The others are in use, and are treated as used just now.
    pub(super) fn evict(&mut self, looks: usize, idle: impl Fn(&V) -> bool) -> Option<(K, V)> {
        for _ in 0..looks.min(self.len()) {
            let index = self.oldest?;
            if idle(&self.node(index).value) {
                return self.remove(index);
            }
            self.touch(index);
        }
        None
    }

    /// All entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.nodes.iter().flatten().map(|node| (&node.key, &node.value))
    }

    fn find<Q>(&self, hash: u64, key: &Q) -> Index
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        if self.buckets.is_empty() {
            return None;
        }
        let mut next = self.buckets[self.bucket(hash)];
        while let Some(index) = next {
            let node = self.node(index);
            if node.hash == hash && node.key.borrow() == key {
                return Some(index);
            }
            next = node.chained;
        }
        None
    }

    fn remove(&mut self, index: Id) -> Option<(K, V)> {
        self.unlink(index);
        let Node { hash, chained, .. } = *self.node(index);
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == Some(index) {
            self.buckets[bucket] = chained;
        } else {
            let mut before = self.buckets[bucket];
            while let Some(other) = before {
                let node = self.node_mut(other);
                if node.chained == Some(index) {
                    node.chained = chained;
                    break;
                }
                before = node.chained;
            }
        }
        self.free.push(index);
        let node = self.nodes[index.place()].take()?;
        Some((node.key, node.value))
    }

    fn grow(&mut self) {
        let size = (self.buckets.len() * 2).max(8);
        self.buckets.clear();
        self.buckets.resize(size, None);
        for (place, node) in self.nodes.iter_mut().enumerate() {
            if let Some(node) = node {
                let bucket = bucket(node.hash, size);
                node.chained = self.buckets[bucket].replace(Id::of(place));
            }
        }
    }

    fn touch(&mut self, index: Id) {
        if self.newest != Some(index) {
            self.unlink(index);
            self.link(index);
        }
    }

    fn link(&mut self, index: Id) {
        let older = self.newest.replace(index);
        let node = self.node_mut(index);
        node.newer = None;
        node.older = older;
        match older {
            Some(older) => self.node_mut(older).newer = Some(index),
            None => self.oldest = Some(index),
        }
    }

    fn unlink(&mut self, index: Id) {
        let Node { newer, older, .. } = *self.node(index);
        match newer {
            Some(newer) => self.node_mut(newer).older = older,
            None => self.newest = older,
        }
        match older {
            Some(older) => self.node_mut(older).newer = newer,
            None => self.oldest = newer,
        }
    }

    fn bucket(&self, hash: u64) -> usize {
        bucket(hash, self.buckets.len())
    }

    fn node(&self, index: Id) -> &Node<K, V> {
        self.nodes[index.place()].as_ref().expect("links lead to entries")
    }

    fn node_mut(&mut self, index: Id) -> &mut Node<K, V> {
        self.nodes[index.place()].as_mut().expect("links lead to entries")
    }
}

fn bucket(hash: u64, buckets: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
    let bits = hash as usize;
    bits & (buckets - 1)
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_by_a_quarter_at_a_time() {
        let mut table = Table::new();
        let mut sizes = Vec::new();
        for n in 0..1_000_u64 {
            table.insert(n, n, ());
            sizes.push(table.nodes.capacity());
            assert!(table.nodes.capacity() <= table.len() + (table.len() / 4).max(4));
        }

        sizes.dedup();
        assert!(sizes.len() < 30, "grown {} times", sizes.len());
    }

    #[test]
    fn chains_stay_short() {
        let mut table = Table::new();
        for n in 0..1_000_u64 {
            table.insert(n, n, ());
            // Hashes are used up to a power of two, so that none of the chains stays empty.
            assert!(table.buckets.len().is_power_of_two());
            assert!(table.len() <= table.buckets.len());
            assert!(table.nodes.iter().flatten().all(|node| node.chained.is_none()));
        }

        assert_eq!(table.buckets.len(), 1_024);
    }
}
