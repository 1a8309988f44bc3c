//! The last good answer to each key.

use std::fmt;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::lru::Lru;
use super::{Answer, Config, FallbackLayer, Substitute};
use crate::sync::Mutex;
use crate::time::{Clock, Instant};

/// The last good answer to each of a bounded number of keys, with its age.
///
/// A cheap clone; clones are the same store, so that several services can share it, and a program
/// can fill it at its start. In front of a service it learns from every good answer, and stands in
/// for a bad one with an earlier answer to the same key that is not too old. Answers must be cheap
/// to clone (`Bytes`, an `Arc`); it holds as many as its capacity, however long each of them is.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use seawall::error::BoxError;
/// use seawall::fallback::LastGood;
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// static DOWN: AtomicBool = AtomicBool::new(false);
/// let price = service_fn(async |product: &'static str| match DOWN.load(Ordering::Relaxed) {
///     false => Ok::<_, BoxError>(product.len() as u32),
///     true => Err("down".into()),
/// });
///
/// let last_good: LastGood<&str, u32> = LastGood::builder().build()?;
/// let mut price = last_good.layer(|product: &&'static str| *product).layer(price);
///
/// assert_eq!(price.ready().await?.call("salt").await?, 4);
/// DOWN.store(true, Ordering::Relaxed);
/// assert_eq!(price.ready().await?.call("salt").await?, 4);
/// assert!(price.ready().await?.call("pepper").await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct LastGood<K, T> {
    store: Arc<Store<K, T>>,
}

struct Store<K, T> {
    /// By the keys' hash, so that calls of different keys seldom meet.
    shards: Box<[Mutex<Shard<K, T>>]>,
    hasher: RandomState,
    clock: Clock,
    max_age: Duration,
}

type Shard<K, T> = Lru<K, Kept<T>, RandomState>;

struct Kept<T> {
    answer: T,
    since: Instant,
}

// Of no keys and answers in particular: `LastGood::builder()` then needs no types.
impl LastGood<(), ()> {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }
}

impl<K, T> LastGood<K, T>
where
    K: Clone + Eq + Hash,
{
    pub(super) fn new(capacity: usize, max_age: Duration, clock: Clock) -> Self {
        let shards = (capacity / KEYS_OF_A_SHARD).clamp(1, SHARDS);
        let hasher = RandomState::new();
        // The shards' parts add up to the capacity.
        let part = |index| capacity / shards + usize::from(index < capacity % shards);
        let shards =
            (0..shards).map(|index| Mutex::new(Lru::new(part(index), hasher.clone()))).collect();
        Self { store: Arc::new(Store { shards, hasher, clock, max_age }) }
    }

    /// The last good answer to `key` and its age, if there is one that is not too old.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::fallback::LastGood;
    /// use seawall::telemetry::Environment;
    /// use seawall::time::Clock;
    ///
    /// let clock = Clock::manual();
    /// let environment = Environment::new().clock(clock.clone());
    /// let last_good: LastGood<&str, u32> = LastGood::builder().build_in(&environment)?;
    ///
    /// last_good.put("salt", 4);
    /// clock.advance(Duration::from_secs(9));
    ///
    /// assert_eq!(last_good.get(&"salt"), Some((4, Duration::from_secs(9))));
    /// assert_eq!(last_good.get(&"pepper"), None);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn get(&self, key: &K) -> Option<(T, Duration)>
    where
        T: Clone,
    {
        let now = self.store.clock.coarse();
        let mut shard = self.shard(key).lock();
        let kept = shard.get(key)?;
        let age = now.since(kept.since);
        (age <= self.store.max_age).then(|| (kept.answer.clone(), age))
    }

    /// Sets the last good answer to `key`.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::fallback::LastGood;
    ///
    /// let last_good: LastGood<&str, u32> = LastGood::builder().capacity(1).build()?;
    /// last_good.put("salt", 4);
    /// last_good.put("pepper", 6);
    ///
    /// assert_eq!(last_good.len(), 1);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn put(&self, key: K, answer: T) {
        let since = self.store.clock.coarse();
        let shard = self.shard(&key);
        // What has to go is dropped when the lock is free.
        let gone = shard.lock().insert(key, Kept { answer, since });
        drop(gone);
    }

    /// The number of answers held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether it holds no answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A layer that answers from this store when a service fails, by the key that `key` makes of a
    /// request.
    ///
    /// [`FallbackLayer::mark`] shows on an answer that it is an earlier one. What is too old is not
    /// given any more, and keeps its place until a good answer or another key takes it.
    pub fn layer<F>(&self, key: F) -> FallbackLayer<LastGoodBy<F, K, T>> {
        FallbackLayer::substitute(LastGoodBy { key, last_good: self.clone(), mark: None })
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, T>> {
        let shards = &self.store.shards;
        let hash = self.store.hasher.hash_one(key);
        // The high half: the map in the shard goes by the low one.
        let index = (hash >> 32) as usize % shards.len();
        &shards[index]
    }
}

impl<K, T> Clone for LastGood<K, T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store) }
    }
}

impl<K, T> fmt::Debug for LastGood<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither keys nor answers: they are the user's.
        f.debug_struct("LastGood").field("max_age", &self.store.max_age).finish_non_exhaustive()
    }
}

/// Stands in with the last good answer to the same key. Made by [`LastGood::layer`].
///
/// # Example
///
/// ```
/// use seawall::fallback::{FallbackLayer, LastGood, LastGoodBy};
///
/// let last_good: LastGood<u64, u32> = LastGood::builder().build()?;
///
/// let layer: FallbackLayer<LastGoodBy<fn(&u64) -> u64, u64, u32>> = last_good.layer(|id| *id);
/// # let _ = layer;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub struct LastGoodBy<F, K, T> {
    key: F,
    last_good: LastGood<K, T>,
    mark: Option<Arc<Mark<T>>>,
}

/// Shows on an earlier answer how old it is.
type Mark<T> = dyn Fn(T, Duration) -> T + Send + Sync;

impl<F, K, T> LastGoodBy<F, K, T> {
    pub(super) fn mark(mut self, mark: impl Fn(T, Duration) -> T + Send + Sync + 'static) -> Self {
        self.mark = Some(Arc::new(mark));
        self
    }
}

impl<F, K, T, Request, E> Substitute<Request, T, E> for LastGoodBy<F, K, T>
where
    F: Fn(&Request) -> K,
    K: Clone + Eq + Hash,
    T: Clone,
{
    type Kept = K;
    type Future = Ready<Answer<T, E>>;

    fn keep(&self, request: &Request) -> K {
        (self.key)(request)
    }

    fn learn(&self, key: K, response: &T) {
        self.last_good.put(key, response.clone());
    }

    fn substitute(&self, key: K, failed: Result<T, E>) -> Self::Future {
        let Some((answer, age)) = self.last_good.get(&key) else {
            return ready(Answer::none(failed));
        };
        let answer = match &self.mark {
            Some(mark) => mark(answer, age),
            None => answer,
        };
        ready(Answer::stale(answer, age))
    }
}

impl<F, K, T> Clone for LastGoodBy<F, K, T>
where
    F: Clone,
{
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), last_good: self.last_good.clone(), mark: self.mark.clone() }
    }
}

impl<F, K, T> fmt::Debug for LastGoodBy<F, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastGoodBy").field("last_good", &self.last_good).finish_non_exhaustive()
    }
}

const SHARDS: usize = 16;

/// Below this many keys the order of use is exact, for there is one shard.
const KEYS_OF_A_SHARD: usize = 256;
