//! A bounded map that forgets what was not used for longest.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// At most `capacity` values by key. Every operation takes O(1).
///
/// The nodes are a doubly linked list by index, from the one used last to the one not used for
/// longest. What goes out is returned, so that it can be dropped when no lock is held.
#[derive(Debug)]
pub(super) struct Lru<K, V, H> {
    places: HashMap<K, usize, H>,
    nodes: Vec<Node<K, V>>,
    newest: usize,
    oldest: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

/// No node has this index.
const NONE: usize = usize::MAX;

impl<K, V, H> Lru<K, V, H>
where
    K: Clone + Eq + Hash,
    H: BuildHasher,
{
    pub(super) fn new(capacity: usize, hasher: H) -> Self {
        let places = HashMap::with_hasher(hasher);
        Self { places, nodes: Vec::new(), newest: NONE, oldest: NONE, capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The value of `key`, which is thereby used.
    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        self.touch(place);
        Some(&self.nodes[place].value)
    }

    /// Sets the value of `key`, which is thereby used. Returns what had to go.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if let Some(&place) = self.places.get(&key) {
            self.touch(place);
            return Some((key, std::mem::replace(&mut self.nodes[place].value, value)));
        }
        if self.nodes.len() < self.capacity {
            let place = self.nodes.len();
            self.nodes.push(Node { key: key.clone(), value, newer: NONE, older: NONE });
            self.push_newest(place);
            self.places.insert(key, place);
            return None;
        }
        let place = self.oldest;
        let node = self.nodes.get_mut(place)?;
        let old_key = std::mem::replace(&mut node.key, key.clone());
        let old_value = std::mem::replace(&mut node.value, value);
        self.touch(place);
        self.places.remove(&old_key);
        self.places.insert(key, place);
        Some((old_key, old_value))
    }

    fn touch(&mut self, place: usize) {
        if self.newest != place {
            self.unlink(place);
            self.push_newest(place);
        }
    }

    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.nodes[place].newer, self.nodes[place].older);
        match self.nodes.get_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn push_newest(&mut self, place: usize) {
        let next = self.newest;
        self.nodes[place].newer = NONE;
        self.nodes[place].older = next;
        match self.nodes.get_mut(next) {
            Some(node) => node.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::RandomState;

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let mut lru = Lru::new(2, RandomState::new());
        lru.insert("a", 1);
        lru.insert("b", 2);
        lru.get(&"a");

        assert_eq!(lru.insert("c", 3), Some(("b", 2)));

        assert_eq!(lru.get(&"a"), Some(&1));
        assert_eq!(lru.len(), 2);
    }

    #[test]
    fn one_place_holds_one_key() {
        let mut lru = Lru::new(1, RandomState::new());

        assert_eq!(lru.insert("a", 1), None);
        assert_eq!(lru.insert("a", 2), Some(("a", 1)));
        assert_eq!(lru.insert("b", 3), Some(("a", 2)));
        assert_eq!(lru.get(&"a"), None);
        assert_eq!(lru.get(&"b"), Some(&3));
    }

    proptest! {
        #[test]
        fn it_does_what_a_list_in_order_of_use_does(
            capacity in 1_usize..6,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..9), 0..200),
        ) {
            let mut lru = Lru::new(capacity, RandomState::new());
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (number, (inserts, key)) in steps.into_iter().enumerate() {
                let known = model.iter().position(|(known, _)| *known == key);
                let used = known.map(|index| model.remove(index));
                if inserts {
                    lru.insert(key, number);
                    model.insert(0, (key, number));
                    model.truncate(capacity);
                } else {
                    prop_assert_eq!(lru.get(&key).copied(), used.map(|(_, value)| value));
                    model.splice(0..0, used);
                }
                prop_assert_eq!(lru.len(), model.len());
            }
            for (key, value) in model {
                prop_assert_eq!(lru.get(&key).copied(), Some(value));
            }
        }
    }
}
