//! The state as a stream of events.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::data::Data;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::time::{Clock, Instant, Timer};

/// What all streams share: one look at the state serves them all.
pub(super) struct Board {
    look: Look,
    clock: Clock,
    kept: Mutex<Option<Kept>>,
    streams: AtomicUsize,
}

type Look = Box<dyn Fn() -> Data + Send + Sync>;

/// The state as it was when somebody looked last.
struct Kept {
    at: Instant,
    data: Data,
    /// How often it had changed until then.
    edition: u64,
    event: Bytes,
}

impl Board {
    /// `look` is how to look at the state.
    pub(super) fn new(look: impl Fn() -> Data + Send + Sync + 'static, clock: Clock) -> Self {
        let (kept, streams) = (Mutex::new(None), AtomicUsize::new(0));
        Self { look: Box::new(look), clock, kept, streams }
    }

    pub(super) fn data(&self) -> Data {
        (self.look)()
    }

    /// A new stream; none if there are as many as there may be.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Events> {
        // Nothing is published by the count.
        let take = |streams| (streams < MAX_STREAMS).then_some(streams + 1);
        self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        let now = self.clock.now();
        Some(Events {
            board: Arc::clone(self),
            timer: Timer::idle(),
            edition: None,
            next: now,
            beat: now + BEAT,
            ends: now + LIFE,
        })
    }

    /// The state as an event, and its edition. It was looked at no longer ago than `age`.
    fn event(&self, now: Instant, age: Duration) -> (u64, Bytes) {
        let mut kept = self.kept.lock();
        if let Some(kept) = &*kept
            && now.since(kept.at) < age
        {
            return (kept.edition, kept.event.clone());
        }
        let data = self.data();
        let kept = match kept.take() {
            Some(known) if known.data == data => kept.insert(Kept { at: now, ..known }),
            known => kept.insert(Kept {
                at: now,
                edition: known.map_or(0, |known| known.edition + 1),
                event: event(&data),
                data,
            }),
        };
        (kept.edition, kept.event.clone())
    }
}

fn event(data: &Data) -> Bytes {
    let json = data.to_json();
    let mut event = Vec::with_capacity(json.len() + 32);
    event.extend_from_slice(b"event: status\ndata: ");
    event.extend_from_slice(&json);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// One stream of events, as the body of an answer reads it.
///
/// It holds no more than the state at one time: a reader that is slow misses what came in between.
pub(in crate::health) struct Events {
    board: Arc<Board>,
    timer: Timer,
    /// The one that was sent last.
    edition: Option<u64>,
    /// When to look at the state again.
    next: Instant,
    /// When to say that there is nothing to say.
    beat: Instant,
    ends: Instant,
}

impl Events {
    /// The next piece of the stream; none when it has come to its end.
    pub(in crate::health) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(sent) = self.edition else {
            // Who comes is told what holds now, and not what held when others looked.
            let (edition, event) = self.board.event(self.next, Duration::ZERO);
            self.edition = Some(edition);
            self.next += PERIOD;
            return Poll::Ready(Some([RETRY, &event].concat().into()));
        };
        loop {
            let clock = &self.board.clock;
            std::task::ready!(self.timer.poll_until(self.next, clock, cx));
            let now = clock.now();
            if now >= self.ends {
                return Poll::Ready(None);
            }
            self.next = now + PERIOD;
            let (edition, event) = self.board.event(now, PERIOD / 2);
            if edition != sent {
                self.edition = Some(edition);
                self.beat = now + BEAT;
                return Poll::Ready(Some(event));
            }
            if now >= self.beat {
                self.beat = now + BEAT;
                return Poll::Ready(Some(Bytes::from_static(QUIET)));
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.board.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("edition", &self.edition).finish_non_exhaustive()
    }
}

const MAX_STREAMS: usize = 16;
const PERIOD: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_secs(5);
/// Within what a connection to our own server may be prolonged by.
pub(super) const LIFE: Duration = Duration::from_secs(590);
const RETRY: &[u8] = b"retry: 1000\n\n";
/// An event and no comment: a script in a page is not told of comments, and could not tell a dead
/// connection from a quiet one.
const QUIET: &[u8] = b"event: beat\ndata: {}\n\n";

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::task::Waker;
    use std::time::SystemTime;

    use super::*;
    use crate::health::{Group, GroupReport, Phase, Report, Verdict};

    #[test]
    fn tells_at_once_and_then_what_changes() {
        let (state, clock, board) = board();
        let mut stream = board.stream().unwrap();

        let first = told(&mut stream).unwrap();
        assert!(first.starts_with("retry: 1000\n\nevent: status\ndata: {\"version\":1,"));
        assert!(first.contains("\"verdict\":\"healthy\"") && first.ends_with("}\n\n"));
        assert_eq!(first.lines().count(), 5, "in one line");

        state.store(1, SeqCst);
        assert_eq!(told(&mut stream), None, "not before its second is over");
        clock.advance(PERIOD);
        assert!(told(&mut stream).unwrap().contains("\"verdict\":\"down\""));

        // There and back again is no change.
        state.store(0, SeqCst);
        state.store(1, SeqCst);
        clock.advance(PERIOD);
        assert_eq!(told(&mut stream), None);
    }

    #[test]
    fn is_heard_of_while_there_is_nothing_to_say() {
        let (_, clock, board) = board();
        let mut stream = board.stream().unwrap();
        told(&mut stream).unwrap();

        let mut beats = Vec::new();
        for second in 1..=12 {
            clock.advance(PERIOD);
            if let Some(text) = told(&mut stream) {
                assert_eq!(text, "event: beat\ndata: {}\n\n");
                beats.push(second);
            }
        }

        assert_eq!(beats, [5, 10], "and the time that passes is no change");
    }

    #[test]
    fn comes_to_an_end_and_gives_its_place_back() {
        let (_, clock, board) = board();
        let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| board.stream().unwrap()).collect();
        assert!(board.stream().is_none());

        let last = streams.last_mut().unwrap();
        told(last).unwrap();
        for _ in 0..LIFE.as_secs() - 1 {
            clock.advance(PERIOD);
            drop(told(last));
        }
        clock.advance(PERIOD);
        assert!(matches!(poll(last), Poll::Ready(None)));
        drop(streams.pop());

        assert!(board.stream().is_some());
    }

    #[test]
    fn one_look_serves_all() {
        let (_, clock, board) = board();
        let looks = Arc::new(AtomicU32::new(0));
        let board = Arc::new(Board::new(
            {
                let looks = Arc::clone(&looks);
                move || {
                    looks.fetch_add(1, SeqCst);
                    board.data()
                }
            },
            clock.clone(),
        ));
        let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| board.stream().unwrap()).collect();
        for stream in &mut streams {
            assert!(told(stream).is_some());
        }
        looks.store(0, SeqCst);

        for _ in 0..10 {
            clock.advance(PERIOD);
            for stream in &mut streams {
                drop(poll(stream));
            }
        }

        assert_eq!(looks.load(SeqCst), 10);
    }

    #[test]
    fn who_is_slow_misses_what_was_in_between() {
        let (state, clock, board) = board();
        let mut stream = board.stream().unwrap();
        told(&mut stream).unwrap();

        for change in 0..10 {
            state.store(change % 2, SeqCst);
            clock.advance(10 * PERIOD);
        }

        assert!(told(&mut stream).unwrap().contains("\"verdict\":\"down\""));
        assert_eq!(told(&mut stream), None);
    }

    /// A state of one group, which is down if the number is odd, and whose time moves on by itself.
    fn board() -> (Arc<AtomicU32>, Clock, Arc<Board>) {
        let (state, looks) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
        let seen = Arc::clone(&state);
        let look = move || {
            let seconds = Duration::from_secs(looks.fetch_add(1, SeqCst).into());
            let is_down = seen.load(SeqCst) % 2 == 1;
            let group = GroupReport {
                group: Group::REGION,
                verdict: if is_down { Verdict::Down } else { Verdict::Healthy },
                reason: None,
                checks: Vec::new(),
            };
            let report = Report {
                at: SystemTime::UNIX_EPOCH + seconds,
                phase: Phase::Serving,
                groups: vec![group],
                checks: Vec::new(),
            };
            Data::of(&report, Vec::new(), 0)
        };
        let clock = Clock::manual();
        (state, clock.clone(), Arc::new(Board::new(look, clock)))
    }

    fn poll(stream: &mut Events) -> Poll<Option<Bytes>> {
        stream.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    /// What is said now, if anything.
    fn told(stream: &mut Events) -> Option<String> {
        match poll(stream) {
            Poll::Ready(Some(bytes)) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            Poll::Ready(None) => panic!("the end"),
            Poll::Pending => None,
        }
    }
}
