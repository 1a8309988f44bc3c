//! Leadership: one instance of many does the work, and what it writes is kept safe.
//!
//! # When to have a leader
//!
//! For work that must not be done twice at the same time: a schedule, a migration, the decision to
//! move to another region. Not for throughput, where a queue shares the work better, and not where a
//! database's own transaction decides already.
//!
//! A leader is not enough. Between its look whether it leads and its write, a process can stand still
//! for any time: a long pause of its machine, a debugger, a network that delivers late. No clock and
//! no lease can prevent that. So there are two parts, and both are needed:
//!
//! | part | does | without it |
//! |---|---|---|
//! | the [lease](crate::lease) | there is one leader at a time, and a new one soon | work is done twice, and waits for people |
//! | the [epoch](crate::lease::Epoch), checked by the store | nothing that a former leader sends is taken | a write from before overwrites one from after |
//!
//! # In five steps
//!
//! 1. Create a container in a storage account that is outside of what is led: for leadership between
//!    two regions, in a third one, or zone-redundant in one that both reach.
//! 2. Build a `BlobLease` and a [`Leadership`](crate::lease::Leadership), with a
//!    [`holder`](crate::lease::Config::holder) that people recognise.
//! 3. Spawn the election with [`run_until`](crate::lease::Election::run_until), ended by the drain.
//! 4. Do the work in [`run_while_leading`](crate::lease::Leadership::run_while_leading).
//! 5. Send the [epoch](crate::lease::Term::epoch) with every write, to a store that checks it.
//!
//! ```
//! # #[cfg(feature = "azure-storage")]
//! # async fn example(lease: azure_storage_blob::BlobClient, ledger: azure_storage_blob::BlobClient)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use seawall::azure::lease::{BlobLease, FencedBlob};
//! use seawall::health::Phase;
//! use seawall::health::drain::{Drain, Product};
//! use seawall::lease::Leadership;
//!
//! let drain = Drain::for_products([Product::kubernetes()]).build()?;
//! let (leadership, election) =
//!     Leadership::builder().name("billing").holder("instance-3").build(BlobLease::new(lease))?;
//! tokio::spawn(election.run_until(drain.reached(Phase::Closing)));
//!
//! let ledger = FencedBlob::new(ledger);
//! loop {
//!     leadership.leading().await;
//!     let work = leadership.run_while_leading(async |term| {
//!         let (content, mut writer) = ledger.open(term.epoch()).await?;
//!         // ... and for each step:
//!         writer.write(content).await
//!     });
//!     // It has ceased to lead, or was refused: somebody else does, or this process again later.
//!     drop(work.await);
//!     # break;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where the epoch is checked
//!
//! | what is written | how |
//! |---|---|
//! | a blob | `FencedBlob`: each write is made on the condition of the last `ETag`, and the epoch is in the metadata |
//! | rows of SQL | `UPDATE … SET …, epoch = @epoch WHERE id = @id AND epoch <= @epoch`, and look how many rows it was |
//! | a document of Cosmos DB | the epoch as a field, and `If-Match` with the `_etag` of the read that showed it |
//! | something of one's own | [`Fence`](crate::lease::Fence), behind the same lock as what it protects |
//! | something that can check nothing (mail, a device) | let it ask for a number from one of the above first, and send that number once |
//!
//! A new leader writes its epoch *before* it reads what it goes on with. `FencedBlob::open` does so;
//! with SQL, update the row of the epoch first.
//!
//! # What happens when
//!
//! At the defaults: a lease of 15 s.
//!
//! | | the leader | another leads |
//! |---|---|---|
//! | it drains | gives the lease back when its work has ended | within 5 s |
//! | it crashes | | after 15 to 20 s |
//! | it is stopped, and goes on | does not lead when it goes on; what it had sent is refused | after 15 to 20 s |
//! | the store is down for less than 7 s | leads on | |
//! | the store is down for longer | steps down 12.5 s after the last renewal that worked was sent | within 20 s of its return, mostly 5 where it had said that it was down |
//! | the store takes longer than a lease to answer | steps down | when it is quick again |
//! | its store answers it too late, or lets it have the lease and write no epoch | steps down | when it has given back the lease, after the second attempt |
//! | an operator [breaks](crate::lease::Leadership::break_by_operator) the lease | steps down at its next renewal, within 5 s | when the lease would have ended, within 20 s |
//! | the wall clock is set | leads on | |
//!
//! # Setting the numbers
//!
//! - A longer [duration](crate::lease::Config::duration) rides out longer troubles of the store, and
//!   leaves everybody longer without a leader when that dies. A blob lends for 15 to 60 s.
//! - The [margin](crate::lease::Config::margin) is for what was begun before the end of a term and
//!   arrives after it: the longest time that one write takes is a good value.
//! - With hundreds of candidates, a longer [interval](crate::lease::Config::campaign_every): a blob
//!   takes 500 requests a second, and its other users want some.
//!
//! # Watching it
//!
//! [`policy::leadership`](crate::health::policy::leadership) is a check for the registry: followers
//! are as healthy as leaders, and a store that does not answer is told of. The events
//! `follower -> leader` and `leader -> follower` go where all
//! [events](crate::telemetry::Event) go; the levels `is_leader`, `epoch`, `terms`, `store_failures`
//! and `remaining` can be [read](crate::telemetry::Measure). Alert on a sum of `is_leader` over all
//! instances that is 0 for longer than a lease and a half. It is 2 only where clocks run wrong.
//!
//! # Trying it
//!
//! [`InMemory`](crate::lease::InMemory) is a lease for tests on any clock, with
//! [faults](crate::lease::Fault) to switch on: what does the application do when its store is slow,
//! silent, or loses an answer?
