//! A gate for each key: each host, each tenant.
//!
//! # Example
//!
//! ```
//! use seawall::bulkhead::Bulkhead;
//! use seawall::error::BoxError;
//! use seawall::gate::Keyed;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! struct Request {
//!     host: &'static str,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let hosts = Keyed::new(Bulkhead::builder().name("hosts").max_calls(1).build()?);
//!
//! let service = ServiceBuilder::new()
//!     .layer(hosts.layer(|request: &Request| request.host))
//!     .service(service_fn(|_: Request| async { Ok::<_, BoxError>(()) }));
//!
//! // The only place of one host is taken; the other has its own.
//! let _permit = hosts.gate(&"a.example").enter()?;
//! assert!(service.clone().oneshot(Request { host: "a.example" }).await.is_err());
//! assert!(service.oneshot(Request { host: "b.example" }).await.is_ok());
//! assert_eq!(hosts.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Where one of many may fail or be flooded alone, and the others are to notice nothing. Keys may
//! come from outside: their number is bounded. Rejections and events carry the name of the policy
//! and never a key, so they stay few and tell nothing.
//!
//! # How it decides
//!
//! The first call with a key makes its gate: a [sibling](Sibling) of the one that was given, with
//! the same settings and a state of its own. When there are as many keys as may be, the gate that
//! was not used for longest of those that are [idle](Sibling::is_idle) makes room. One that is in
//! use, or whose state still matters, stays. If there is none to be given up, calls with new keys
//! share one gate, the *overflow*, until there is: so a flood of made-up keys can neither make the
//! table grow nor wash out the state of the keys that are in use.
//!
//! From 128 keys on the table has several parts, each with its own order of use, and *the longest*
//! is then that of one part.
//!
//! # Cost
//!
//! A hash of the key, a lock held for a few dozen nanoseconds (one of up to 16), and two clones of
//! the gate's handle, about 60 ns in all. For each key: the key, 48 bytes, and what the gate
//! keeps.

#[cfg(any(test, fuzzing))]
mod model;
mod table;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::iter;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

#[cfg(fuzzing)]
pub use self::model::check as check_core;
use self::table::Table;
use super::{Gate, GateLayer, Waitable};
use crate::error::Rejection;
use crate::sync::Mutex;

/// A gate of which there can be many.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::gate::Sibling;
///
/// let one = Bulkhead::builder().max_calls(1).build()?;
/// let other = one.sibling();
///
/// let _permit = one.enter()?;
/// assert!(one.enter().is_err());
/// assert!(other.enter().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sibling: Clone {
    /// A gate with the same settings, clock and name, and with a new state of its own.
    ///
    /// It is compact and frees its memory with its last handle, which makes it a little slower
    /// than one that was built.
    #[must_use]
    fn sibling(&self) -> Self;

    /// Whether nothing would be lost if this gate were forgotten.
    ///
    /// It must say no while there is any other handle to the gate, a permit, or a call that waits,
    /// and as long as its state differs from that of a new one in what matters. It must not call
    /// back: it is asked under a lock.
    fn is_idle(&self) -> bool;

    /// The gate has been forgotten, to make room for another.
    fn evicted(&self) {}
}

/// A family of gates, one for each key.
///
/// A cheap handle: clones are the same family. See the [module](self) for an example.
pub struct Keyed<K, G> {
    shared: Arc<Shared<K, G>>,
}

struct Shared<K, G> {
    template: G,
    overflow: G,
    max_keys: usize,
    /// Keys in the table and keys about to be.
    keys: AtomicUsize,
    shards: Box<[Shard<K, G>]>,
    hasher: RandomState,
}

#[repr(align(64))]
struct Shard<K, G>(Mutex<Table<K, G>>);

impl<K, G> Keyed<K, G>
where
    K: Eq + Hash,
    G: Sibling,
{
    /// A family of siblings of `gate`, for 10,000 keys at most.
    pub fn new(gate: G) -> Self {
        Self::bounded(gate, MAX_KEYS)
    }

    /// A family of siblings of `gate`, for so many keys at most.
    ///
    /// # Example
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    ///
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let tenants = Keyed::bounded(Bulkhead::builder().build()?, NonZeroUsize::MIN);
    /// for tenant in 0..1_000 {
    ///     tenants.gate(&tenant).enter()?;
    /// }
    /// assert_eq!(tenants.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded(gate: G, max_keys: NonZeroUsize) -> Self {
        let max_keys = max_keys.get().min(u32::MAX as usize);
        // A small table is one, so that the order of use is exact.
        let shards = (max_keys / KEYS_PER_SHARD).clamp(1, MAX_SHARDS);
        Self {
            shared: Arc::new(Shared {
                overflow: gate.sibling(),
                template: gate,
                max_keys,
                keys: AtomicUsize::new(0),
                shards: (0..shards).map(|_| Shard(Mutex::new(Table::new()))).collect(),
                hasher: RandomState::new(),
            }),
        }
    }

    /// The gate for `key`, which is made if there is none.
    ///
    /// It is the overflow when there is no room. The gate is not given up while this handle is
    /// kept.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let hosts: Keyed<String, _> = Keyed::new(Bulkhead::builder().build()?);
    /// let _permit = hosts.gate("a.example").enter()?;
    ///
    /// assert_eq!(hosts.gate("a.example").in_flight(), 1);
    /// assert_eq!(hosts.gate("").in_flight(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gate<Q>(&self, key: &Q) -> G
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.shared.hash(key);
        match self.shared.known(hash, key) {
            Some(gate) => gate,
            None => self.shared.make(hash, key.to_owned()),
        }
    }

    /// The gate for `key`, if there is one. A look: it does not count as a use.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let hosts: Keyed<String, _> = Keyed::new(Bulkhead::builder().build()?);
    /// assert!(hosts.get("a.example").is_none());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Option<G>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hash = self.shared.hash(key);
        self.shared.shard(hash).0.lock().peek(hash, key).cloned()
    }

    /// All keys with their gates, as they are now.
    ///
    /// Takes one lock after the other, and clones what is behind each.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let tenants: Keyed<u32, _> = Keyed::new(Bulkhead::builder().build()?);
    /// let _permit = tenants.gate(&7).enter()?;
    ///
    /// for (tenant, bulkhead) in tenants.snapshot() {
    ///     assert_eq!((tenant, bulkhead.in_flight()), (7, 1));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<(K, G)>
    where
        K: Clone,
    {
        let mut all = Vec::new();
        for shard in &self.shared.shards {
            let table = shard.0.lock();
            all.extend(table.iter().map(|(key, gate)| (key.clone(), gate.clone())));
        }
        all
    }

    /// Does something to every gate of the family: those that are there, the overflow, and the one
    /// that further ones will be siblings of. To reload them all, above all.
    ///
    /// A gate that is made meanwhile may have been a sibling of the one before.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let config = Bulkhead::builder().max_calls(8);
    /// let tenants: Keyed<u32, _> = Keyed::new(config.build()?);
    /// let seven = tenants.gate(&7);
    ///
    /// let config = config.max_calls(16);
    /// tenants.for_each(|bulkhead| bulkhead.reload(&config).expect("it was built from it before"));
    ///
    /// assert_eq!(seven.max_calls(), 16);
    /// assert_eq!(tenants.gate(&8).max_calls(), 16);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn for_each(&self, mut f: impl FnMut(&G)) {
        // The template first: what is made from now on is right already.
        f(&self.shared.template);
        f(&self.shared.overflow);
        for shard in &self.shared.shards {
            // Cloned out of the lock: what follows is not our code.
            let gates: Vec<_> = shard.0.lock().iter().map(|(_, gate)| gate.clone()).collect();
            gates.iter().for_each(&mut f);
        }
    }

    /// How many keys there are.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let tenants: Keyed<u32, _> = Keyed::new(Bulkhead::builder().build()?);
    /// assert_eq!(tenants.len(), 0);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    /// Whether there is no key.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::Keyed;
    ///
    /// let tenants: Keyed<u32, _> = Keyed::new(Bulkhead::builder().build()?);
    /// assert!(tenants.is_empty());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A gate that asks `key` which of the family a request belongs to.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::gate::{Gate, Keyed};
    /// use seawall::queue::QueueLayer;
    ///
    /// let tenants = Keyed::new(Bulkhead::builder().max_calls(8).build()?);
    /// let gate = tenants.by(|(tenant, _): &(u32, String)| *tenant);
    ///
    /// let permit = gate.enter(&(7, "hello".into()))?;
    /// assert_eq!(tenants.gate(&7).in_flight(), 1);
    ///
    /// // To wait in the line of the tenant's bulkhead, instead of being turned away:
    /// let layer = QueueLayer::new(gate);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by<F, Request>(&self, key: F) -> KeyedBy<K, G, F>
    where
        F: Fn(&Request) -> K,
    {
        KeyedBy { keyed: self.clone(), key }
    }

    /// A layer that asks `key` which gate of the family a request belongs to.
    pub fn layer<F, Request>(&self, key: F) -> GateLayer<KeyedBy<K, G, F>>
    where
        F: Fn(&Request) -> K,
    {
        GateLayer::new(self.by(key))
    }
}

impl<K, G> Shared<K, G>
where
    K: Eq + Hash,
    G: Sibling,
{
    fn hash<Q>(&self, key: &Q) -> u64
    where
        Q: Hash + ?Sized,
    {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> &Shard<K, G> {
        &self.shards[self.place(hash)]
    }

    /// The upper bits choose the shard, the lower ones the place in it.
    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash >> 40).unwrap_or(0) % self.shards.len()
    }

    fn known<Q>(&self, hash: u64, key: &Q) -> Option<G>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.shard(hash).0.lock().get(hash, key).cloned()
    }

    /// The gate for `key`, which was not there a moment ago.
    #[cold]
    fn make(&self, hash: u64, key: K) -> G {
        if !self.is_room_for_one_more(hash) {
            return self.overflow.clone();
        }
        // Made outside of the lock.
        let made = self.template.sibling();
        let mut table = self.shard(hash).0.lock();
        if let Some(gate) = table.get(hash, &key) {
            // Someone else was faster.
            let gate = gate.clone();
            drop(table);
            self.keys.fetch_sub(1, Ordering::Relaxed);
            return gate;
        }
        table.insert(hash, key, made.clone());
        made
    }

    /// Counts one more key, after one that is idle was given up if need be.
    fn is_room_for_one_more(&self, hash: u64) -> bool {
        let one_more = |keys| (keys < self.max_keys).then_some(keys + 1);
        if self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
            return true;
        }
        let own = self.place(hash);
        let places = (own..self.shards.len()).chain(0..own);
        let looks = iter::once(OWN_LOOKS).chain(iter::repeat(LOOKS));
        for (place, looks) in places.zip(looks) {
            let evicted = self.shards[place].0.lock().evict(looks, G::is_idle);
            if let Some((_key, gate)) = evicted {
                // Its count is the new key's.
                gate.evicted();
                return true;
            }
        }
        false
    }
}

impl<K, G> Clone for Keyed<K, G> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, G> fmt::Debug for Keyed<K, G>
where
    G: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No keys: they may be nobody's business, and there are many.
        f.debug_struct("Keyed")
            .field("template", &self.shared.template)
            .field("keys", &self.shared.keys)
            .finish_non_exhaustive()
    }
}

/// A [`Keyed`] family together with how to tell the key of a request. Made by [`Keyed::by`].
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::gate::{Gate, Keyed, KeyedBy};
///
/// let tenants = Keyed::new(Bulkhead::builder().build()?);
/// let gate: KeyedBy<u32, _, _> = tenants.by(|tenant: &u32| *tenant);
///
/// assert!(gate.enter(&7).is_ok());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub struct KeyedBy<K, G, F> {
    keyed: Keyed<K, G>,
    key: F,
}

impl<K, G, F> KeyedBy<K, G, F>
where
    K: Eq + Hash,
    G: Sibling,
{
    fn gate<Request>(&self, request: &Request) -> G
    where
        F: Fn(&Request) -> K,
    {
        let key = (self.key)(request);
        let shared = &self.keyed.shared;
        let hash = shared.hash(&key);
        match shared.known(hash, &key) {
            Some(gate) => gate,
            None => shared.make(hash, key),
        }
    }
}

impl<K, G, F, Request> Gate<Request> for KeyedBy<K, G, F>
where
    K: Eq + Hash,
    G: Gate<Request> + Sibling,
    F: Fn(&Request) -> K,
{
    type Permit = G::Permit;

    fn enter(&self, request: &Request) -> Result<Self::Permit, Rejection> {
        self.gate(request).enter(request)
    }
}

impl<K, G, F, Request> Waitable<Request> for KeyedBy<K, G, F>
where
    K: Eq + Hash,
    G: Waitable<Request> + Sibling,
    F: Fn(&Request) -> K,
{
    type Place = KeyedPlace<G, G::Place>;

    fn poll_enter(
        &self,
        request: &Request,
        place: &mut Option<Self::Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>> {
        // Kept from the first poll on, so that the gate is not given up while the call waits.
        let KeyedPlace { place, gate } =
            place.get_or_insert_with(|| KeyedPlace { place: None, gate: self.gate(request) });
        gate.poll_enter(request, place, cx)
    }
}

impl<K, G, F> Clone for KeyedBy<K, G, F>
where
    F: Clone,
{
    fn clone(&self) -> Self {
        Self { keyed: self.keyed.clone(), key: self.key.clone() }
    }
}

impl<K, G, F> fmt::Debug for KeyedBy<K, G, F>
where
    G: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBy").field("keyed", &self.keyed).finish_non_exhaustive()
    }
}

/// A call's place in front of one gate of a [`Keyed`] family.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::{self, Bulkhead};
/// use seawall::gate::{Keyed, KeyedPlace, Waitable};
///
/// fn waits<G: Waitable<u32, Place = KeyedPlace<Bulkhead, bulkhead::Place>>>(_: &G) {}
///
/// waits(&Keyed::new(Bulkhead::builder().build()?).by(|tenant: &u32| *tenant));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
pub struct KeyedPlace<G, P> {
    // The place goes first when both are dropped.
    place: Option<P>,
    gate: G,
}

const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
const KEYS_PER_SHARD: usize = 64;
const MAX_SHARDS: usize = 16;
/// How many entries of the new key's own shard may be looked at to find an idle one: all, where
/// there is but one shard.
const OWN_LOOKS: usize = 128;
/// How many of each other shard.
const LOOKS: usize = 16;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn a_small_table_is_one_and_a_large_one_is_cut_into_no_more_than_it_gains_from() {
        for (max_keys, shards) in [(1, 1), (127, 1), (128, 2), (1_000, 15), (10_000, 16)] {
            let family = keyed(max_keys);
            assert_eq!(family.shared.shards.len(), shards, "{max_keys} keys");
        }
    }

    #[test]
    fn keys_are_spread_over_all_parts_of_a_table() {
        let family = keyed(10_000);
        for key in 0..1_000 {
            let _ = family.gate(&key);
        }

        // One part in 16 stays empty once in 10^26 runs.
        assert!(family.shared.shards.iter().all(|shard| shard.0.lock().len() > 0));
    }

    #[test]
    fn a_family_tells_its_keys_and_how_many_there_are() {
        let family = keyed(10);
        assert!(family.is_empty());
        assert!(family.snapshot().is_empty());

        for key in [1, 2, 1] {
            let _ = family.gate(&key);
        }

        let mut keys: Vec<_> = family.snapshot().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        assert_eq!((keys, family.len(), family.is_empty()), (vec![1, 2], 2, false));
    }

    fn keyed(max_keys: usize) -> Keyed<u32, Nothing> {
        Keyed::bounded(Nothing, NonZeroUsize::new(max_keys).unwrap())
    }

    /// Has no state, and so nothing to lose.
    #[derive(Clone, Debug)]
    struct Nothing;

    impl Sibling for Nothing {
        fn sibling(&self) -> Self {
            Self
        }

        fn is_idle(&self) -> bool {
            true
        }
    }
}
