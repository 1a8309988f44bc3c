//! What a standard stack does when nobody sets anything.
//!
//! [`Stack::describe`](crate::stack::Stack::describe) prints it:
//!
//! ```
//! use seawall::stack::Stack;
//!
//! let stack = Stack::builder().name("orders").build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! orders
//!   total timeout    10s
//!   rate limit       none
//!   retry            3 attempts, waits 100ms x2 to 10s, full jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 10s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  2s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # Why these
//!
//! | default | because |
//! |---|---|
//! | 2 s for an attempt | ten times what most calls between services take; a service with slower ones needs a longer one |
//! | 10 s in all | three attempts and their waits fit; few callers wait longer |
//! | 3 attempts | the first repeat cures most of what repeats can cure; each further one cures less and costs as much |
//! | budget of 10 % and one a second | in an outage the service gets a tenth more calls, not three times as many |
//! | half of 20 calls in 10 s | no noise opens it; a service that fails every second call is not worth waiting for |
//! | 90 % of the newest calls | an outage shows in three seconds and not in five |
//! | open for 4 s, shortened by up to half at random | a queue of two attempts' length drains meanwhile, and clients do not come back together |
//! | 3 probes, then a ramp of 2 s | a service that has just come up gets its load in steps |
//! | 1,000 attempts at a time | bounds memory and sockets; set it by what your service is used to, see [tuning](super::tuning) |
//!
//! # What follows what
//!
//! A part that is not set follows what is set: a total timeout below 2 s shortens the attempt's;
//! an attempt timeout above lengthens the total to three times as much, and the breaker's window to
//! twice as much. What is set for both and does not fit together is refused by
//! [`build`](crate::stack::Config::build), which names the field.
