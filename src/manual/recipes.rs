//! Short answers to common wishes.
//!
//! # Call something that is not a tower service
//!
//! ```
//! use seawall::stack::Stack;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::builder().name("reports").build()?;
//! let rows = stack.run(|| async { Ok::<_, std::io::Error>(42) }).await?;
//! assert_eq!(rows, 42);
//! # Ok(())
//! # }
//! ```
//!
//! # Share one retry budget between two stacks
//!
//! Two clients of one service, of which neither may double its load:
//!
//! ```
//! use seawall::budget::Budget;
//! use seawall::retry::Retry;
//! use seawall::telemetry::Environment;
//!
//! let budget = Budget::builder().ratio(0.1).build()?;
//! let environment = Environment::new();
//! let reads = Retry::builder().name("reads").build_sharing(&budget, &environment)?;
//! let writes = Retry::builder().name("writes").build_sharing(&budget, &environment)?;
//! # let _ = (reads, writes);
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # Cut a service off by hand
//!
//! ```
//! use seawall::circuit_breaker::{CircuitBreaker, State};
//!
//! let breaker = CircuitBreaker::builder().name("orders").build()?;
//!
//! breaker.isolate();
//! assert!(breaker.enter().is_err());
//!
//! breaker.reset();
//! assert_eq!(breaker.state(), State::Closed);
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # Tell the service how long its caller waits
//!
//! At the bottom of the stack, ask the [context](crate::context):
//!
//! ```
//! use seawall::context;
//! use seawall::time::Clock;
//!
//! fn remaining_millis(clock: &Clock) -> Option<u128> {
//!     context::deadline(clock).map(|deadline| deadline.since(clock.now()).as_millis())
//! }
//! # assert_eq!(remaining_millis(&Clock::default()), None);
//! ```
//!
//! # Take the context to another task
//!
//! ```
//! use seawall::context;
//! use seawall::time::Clock;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tokio::task::JoinError> {
//! let context = context::capture(&Clock::default());
//! tokio::spawn(context.scope(async { /* knows the caller's deadline */ })).await?;
//! # Ok(())
//! # }
//! ```
