//! What is known of one set of scopes, and what to do next: no clock, no runtime, no lock.
//!
//! ```text
//!          a call finds no token            answered
//!   empty ───────────────────────▶ asking ───────────▶ fresh ──── due, and used ───▶ asking
//!     ▲                              │ failed            ▲                              │
//!     │          no token            ▼      token left   │       failed, or the same    │
//!     └───────────────────────── cooling ◀───────────────┴──────────────────────────────┘
//! ```
//!
//! Two times run here. A token ends by the wall clock, since that is how its issuer says it; rests
//! run by the clock that never goes back.

use std::sync::Arc;
use std::time::Duration;

use azure_core::Error;
use azure_core::credentials::AccessToken;

use crate::backoff::{Schedule, portion};
use crate::time::{Instant, nanos};

/// A moment by the wall clock: nanoseconds since 1970.
pub(super) type Wall = i128;

/// Checked settings.
#[derive(Debug)]
pub(super) struct Params {
    /// How long before a token's end the next is asked for, at least.
    pub(super) ahead: Duration,
    /// By how much earlier still, at most.
    pub(super) spread: Duration,
    /// The rests after failures. The shortest is also the least time between two background tries.
    pub(super) rest: Schedule,
    /// The longest rest that an answer may ask for.
    pub(super) max_retry_after: Duration,
}

/// What a token brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Landed {
    /// It lives longer than the one before.
    Renewed,
    /// It is no better than the one that is there.
    Unchanged,
    /// It has ended already, so it is not kept.
    Expired,
}

/// What is to be done in the background.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Ask now.
    Ask,
    /// Nothing for so long.
    Rest(Duration),
    /// Nothing until somebody asks.
    Nothing,
}

/// How it stands with one set of scopes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nobody has asked, or the token has ended and nobody has asked since.
    Idle,
    /// A token is there, and the last try went well.
    Fresh,
    /// A token is there, but so many tries have failed since.
    Stale(u32),
    /// No token is there, and so many tries have failed.
    Failed(u32),
    /// What is issued has ended already.
    Useless,
}

impl Standing {
    /// How many tries have failed since one went well.
    pub(super) fn failures(self) -> u64 {
        match self {
            Self::Stale(failures) | Self::Failed(failures) => failures.into(),
            Self::Idle | Self::Fresh | Self::Useless => 0,
        }
    }
}

/// One set of scopes.
#[derive(Debug, Default)]
pub(super) struct Core {
    token: Option<AccessToken>,
    /// When it came.
    came: Instant,
    /// When to ask for the next one.
    due: Wall,
    /// Whether the token was asked for since it came. If not, nobody needs the next one.
    used: bool,
    /// The last failure, if nothing went well since.
    failure: Option<Arc<Error>>,
    failures: u32,
    /// The rest after the last failure, which the next one grows from.
    rest: Duration,
    /// No try before this.
    resume: Instant,
    /// The last answer was a token that had ended.
    useless: bool,
}

impl Core {
    /// The token, if it has not ended.
    pub(super) fn token(&mut self, wall: Wall) -> Option<AccessToken> {
        self.used = true;
        self.token.clone().filter(|token| !left(token, wall).is_zero())
    }

    /// Why no try may be made for a call now, if that is so.
    pub(super) fn cooling(&self, now: Instant) -> Option<Arc<Error>> {
        self.failure.clone().filter(|_| now < self.resume)
    }

    /// The last failure, if nothing went well since.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.as_deref()
    }

    /// What to do without being asked.
    pub(super) fn next(&self, now: Instant, wall: Wall) -> Next {
        if !self.used || self.left(wall).is_zero() {
            return Next::Nothing;
        }
        let wait = until(self.due, wall).max(self.resume.since(now));
        if wait.is_zero() { Next::Ask } else { Next::Rest(wait) }
    }

    /// Takes a token in.
    pub(super) fn answered(
        &mut self,
        token: &AccessToken,
        now: Instant,
        wall: Wall,
        chance: u64,
        params: &Params,
    ) -> Landed {
        self.failure = None;
        self.failures = 0;
        self.rest = Duration::ZERO;
        self.resume = now + params.rest.interval(0);
        let life = left(token, wall);
        self.useless = life.is_zero() && self.left(wall).is_zero();
        if life > self.left(wall) {
            let spread = Duration::from_nanos(portion(nanos(params.spread), chance));
            let ahead = params.ahead.saturating_add(spread).min(life / 2);
            self.due = wall + in_nanos(life.saturating_sub(ahead));
            // Who waited for it uses it; what came in the background has yet to be asked for.
            self.used = self.used && self.left(wall).is_zero();
            self.token = Some(token.clone());
            self.came = now;
            return Landed::Renewed;
        }
        // What is wrapped keeps tokens itself, and brings a new one when the old is almost over.
        let again = (self.left(wall) / 4).clamp(SOONEST, LATEST);
        self.due = wall + in_nanos(again);
        if life.is_zero() { Landed::Expired } else { Landed::Unchanged }
    }

    /// Takes a failure in, and rests: for as long as the answer asks to, or longer each time.
    pub(super) fn failed(
        &mut self,
        error: Arc<Error>,
        retry_after: Option<Duration>,
        now: Instant,
        chance: u64,
        params: &Params,
    ) {
        self.rest = params.rest.wait(self.failures, self.rest, chance);
        let asked = retry_after.unwrap_or_default().min(params.max_retry_after);
        self.resume = now + self.rest.max(asked);
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(error);
        self.useless = false;
    }

    /// How it stands.
    pub(super) fn standing(&self, wall: Wall) -> Standing {
        match (&self.failure, self.left(wall).is_zero()) {
            (Some(_), true) => Standing::Failed(self.failures),
            (Some(_), false) => Standing::Stale(self.failures),
            (None, true) if self.useless => Standing::Useless,
            (None, true) => Standing::Idle,
            (None, false) => Standing::Fresh,
        }
    }

    /// How long ago its token came, if that has not ended.
    pub(super) fn age(&self, now: Instant, wall: Wall) -> Option<Duration> {
        let is_there = !self.left(wall).is_zero();
        is_there.then(|| now.since(self.came))
    }

    /// How long its token lasts.
    pub(super) fn left(&self, wall: Wall) -> Duration {
        self.token.as_ref().map_or(Duration::ZERO, |token| left(token, wall))
    }
}

/// The time that is left of a token.
fn left(token: &AccessToken, wall: Wall) -> Duration {
    until(token.expires_on.unix_timestamp_nanos(), wall)
}

/// The time until `then`: nothing if that is over, and at most 584 years.
fn until(then: Wall, wall: Wall) -> Duration {
    let nanos = then.saturating_sub(wall).max(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn in_nanos(duration: Duration) -> Wall {
    Wall::from(nanos(duration))
}

/// The bounds of the time after which a token that has not changed is asked for again.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use azure_core::error::ErrorKind;
    use azure_core::time::OffsetDateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::backoff::Backoff;

    const SECOND: Wall = 1_000_000_000;

    fn params() -> Params {
        Params {
            ahead: Duration::from_secs(900),
            spread: Duration::from_secs(180),
            rest: Backoff::decorrelated(Duration::from_secs(1))
                .max(Duration::from_secs(15))
                .schedule()
                .unwrap(),
            max_retry_after: Duration::from_secs(300),
        }
    }

    fn token(end: i64) -> AccessToken {
        AccessToken::new("secret", OffsetDateTime::from_unix_timestamp(end).unwrap())
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn error() -> Arc<Error> {
        Arc::new(Error::with_message(ErrorKind::Credential, "no"))
    }

    /// One that was asked for, and got a token.
    fn asked(end: i64, chance: u64) -> Core {
        let mut core = Core::default();
        assert!(core.token(0).is_none());
        assert_eq!(core.answered(&token(end), at(0), 0, chance, &params()), Landed::Renewed);
        core
    }

    #[test]
    fn the_next_token_is_asked_for_ahead_of_time_and_no_two_processes_at_once() {
        let rest = |chance| asked(3_600, chance).next(at(0), 0);

        assert_eq!(rest(0), Next::Rest(Duration::from_secs(2_700)));
        assert_eq!(rest(u64::MAX), Next::Rest(Duration::from_secs(2_520)));
        assert_eq!(asked(3_600, 0).next(at(2_700), 2_700 * SECOND), Next::Ask);
    }

    #[test]
    fn a_short_life_is_used_to_its_half() {
        assert_eq!(asked(60, u64::MAX).next(at(0), 0), Next::Rest(Duration::from_secs(30)));
        // Not more often than once a second, however short.
        let moment = asked(1, 0).next(at(0), 0);
        assert_eq!(moment, Next::Rest(Duration::from_secs(1)));
    }

    #[test]
    fn a_token_is_given_out_until_its_end_and_not_after() {
        let mut core = asked(60, 0);

        assert!(core.token(60 * SECOND - 1).is_some());
        assert!(core.token(60 * SECOND).is_none());
        assert!(core.token(61 * SECOND).is_none());
        assert_eq!(core.next(at(60), 60 * SECOND), Next::Nothing);
    }

    #[test]
    fn a_token_that_nobody_asks_for_is_not_renewed() {
        let mut core = asked(3_600, 0);
        let renewed = core.answered(&token(6_300), at(2_700), 2_700 * SECOND, 0, &params());
        assert_eq!(renewed, Landed::Renewed);
        assert_eq!(core.next(at(5_400), 5_400 * SECOND), Next::Nothing);

        core.token(5_400 * SECOND);

        assert_eq!(core.next(at(5_400), 5_400 * SECOND), Next::Ask);
    }

    #[test]
    fn the_same_token_once_more_is_no_failure_and_is_asked_for_again_later() {
        let mut core = asked(3_600, 0);
        core.failed(error(), None, at(2_700), 0, &params());

        let landed = core.answered(&token(3_600), at(2_702), 2_702 * SECOND, 0, &params());

        assert_eq!(landed, Landed::Unchanged);
        assert_eq!(core.standing(2_702 * SECOND), Standing::Fresh);
        assert_eq!(core.next(at(2_702), 2_702 * SECOND), Next::Rest(Duration::from_secs(30)));
        // Closer to its end it is asked for more often, and never more than once a second.
        core.answered(&token(3_600), at(3_560), 3_560 * SECOND, 0, &params());
        assert_eq!(core.next(at(3_560), 3_560 * SECOND), Next::Rest(Duration::from_secs(10)));
        core.answered(&token(3_600), at(3_599), 3_599 * SECOND, 0, &params());
        assert_eq!(core.next(at(3_599), 3_599 * SECOND), Next::Rest(Duration::from_secs(1)));
    }

    #[test]
    fn a_token_that_ends_sooner_does_not_replace_a_better_one() {
        let mut core = asked(3_600, 0);

        let landed = core.answered(&token(1_000), at(5), 5 * SECOND, 0, &params());

        assert_eq!(landed, Landed::Unchanged);
        assert_eq!(core.left(0), Duration::from_secs(3_600));
    }

    #[test]
    fn a_token_that_has_ended_is_not_kept_and_is_told_of() {
        let mut core = Core::default();
        core.token(100 * SECOND);

        let landed = core.answered(&token(100), at(0), 100 * SECOND, 0, &params());

        assert_eq!(landed, Landed::Expired);
        assert!(core.token(100 * SECOND).is_none());
        assert_eq!(core.standing(100 * SECOND), Standing::Useless);
        // The wall clock may be set right: it was no failure, and needs no rest.
        assert!(core.cooling(at(0)).is_none());
        // Not even where the clock has gone back since.
        assert!(core.token(99 * SECOND).is_none());
        core.answered(&token(200), at(1), 100 * SECOND, 0, &params());
        assert_eq!(core.standing(100 * SECOND), Standing::Fresh);
    }

    #[test]
    fn after_a_failure_it_rests_as_long_as_the_answer_asks_to_and_within_bounds() {
        let params = params();
        let rests = |retry_after: Option<u64>| {
            let mut core = Core::default();
            core.failed(error(), retry_after.map(Duration::from_secs), at(10), 0, &params);
            core.resume.since(at(10))
        };

        assert_eq!(rests(None), Duration::from_secs(1));
        assert_eq!(rests(Some(0)), Duration::from_secs(1));
        assert_eq!(rests(Some(60)), Duration::from_secs(60));
        assert_eq!(rests(Some(7_200)), Duration::from_secs(300));
    }

    #[test]
    fn rests_grow_and_end_with_the_first_success() {
        let mut core = asked(3_600, 0);
        for failures in 1..20 {
            core.failed(error(), None, at(0), u64::MAX, &params());
            assert_eq!(core.standing(0), Standing::Stale(failures));
        }
        assert_eq!(core.resume, at(15));
        assert!(core.cooling(at(14)).is_some());
        assert!(core.cooling(at(15)).is_none());
        assert_eq!(core.standing(3_600 * SECOND), Standing::Failed(19));

        core.answered(&token(7_200), at(15), 0, 0, &params());

        assert!(core.cooling(at(15)).is_none());
        assert_eq!(core.standing(0), Standing::Fresh);
        core.failed(error(), None, at(20), 0, &params());
        assert_eq!(core.resume, at(21));
    }

    proptest! {
        #[test]
        fn no_times_make_it_panic_or_ask_too_often(
            end in -377_705_116_800_i64..253_402_300_799,
            wall in any::<i128>(),
            now in any::<u64>(),
            chance in any::<u64>(),
            hint in any::<Option<u64>>(),
        ) {
            let (params, now) = (params(), Instant::from_nanos(now));
            // Years that a wall clock can show, and some that it can not.
            let wall = wall >> 32;
            let mut core = Core::default();
            core.token(wall);
            let landed = core.answered(&token(end), now, wall, chance, &params);
            let valid = i128::from(end) * SECOND > wall;
            prop_assert_eq!(landed == Landed::Renewed, valid);
            prop_assert_eq!(core.token(wall).is_some(), valid);
            if let Next::Rest(wait) = core.next(now, wall) {
                prop_assert!(wait >= Duration::from_secs(1) || now > Instant::from_nanos(u64::MAX - 2));
            } else {
                prop_assert!(!valid || now > Instant::from_nanos(u64::MAX - 2_000_000_000));
            }
            core.failed(error(), hint.map(Duration::from_secs), now, chance, &params);
            let rest = core.resume.since(now);
            prop_assert!(rest <= Duration::from_secs(300));
        }
    }
}
