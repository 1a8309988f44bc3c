//! How to find numbers for one service.
//!
//! # Timeouts
//!
//! Choose the share of good calls that you are willing to cut, a tenth of a percent say, and set
//! the attempt's timeout to that percentile of the latency, here p99.9, measured at the client under
//! its usual load. Add nothing for waits: the total timeout is for these. Set the total timeout to
//! what the caller can bear.
//!
//! # Breaker
//!
//! | setting | too low | too high |
//! |---|---|---|
//! | `failure_rate` | opens on noise | leaves callers with a service that fails half of the time |
//! | `min_calls` | two failures at night open it | never opens on a service with little traffic |
//! | `time_window` | forgets slow failures before they are enough | reacts late |
//! | `open_for` | probes meet a service that is still starting | calls are turned away that would work |
//! | slow threshold | counts the usual tail as slow | a service that hangs is found by its timeouts only |
//!
//! # Bulkhead
//!
//! By Little's law calls in flight are rate × latency. At 200 calls/s of 50 ms that is 10; allow a
//! few times as many, so that a service that is three times slower still gets its calls, and one
//! that hangs does not get all of your memory.
//!
//! # Retry and budget
//!
//! Three attempts are almost always enough. The budget's ratio is the extra load that the service
//! can take on its worst day: 10 % to 20 %. Its floor keeps a client with little traffic able to
//! repeat at all.
//!
//! # What to watch
//!
//! | figure | says |
//! |---|---|
//! | attempts per call | above 1.1 for minutes: something is failing below |
//! | `rejected` by reason | what protects the service at this moment |
//! | the budget's balance near zero | repeats are no longer made |
//! | state of the breaker, and how often it changes | flapping: the open time is too short, or one host of many fails |
//! | calls in flight against the bulkhead's limit | the service is slower than it was |
