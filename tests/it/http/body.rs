use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use seawall::http::body::{BodyError, DEFAULT_CAP, ReplayBody};
use seawall::replay::NotReplayable;
use tokio::sync::mpsc;
use tokio_test::task;

#[tokio::test]
async fn every_reader_gets_identical_bytes_and_trailers() {
    let body = Script::new([data("one "), Step::Yield, data("two "), data("three"), trailers()]);
    let first = ReplayBody::new(body, DEFAULT_CAP);
    let second = first.again().unwrap();

    for body in [first, second.again().unwrap(), second] {
        let read = body.collect().await.unwrap();
        assert_eq!(read.trailers(), Some(&checksum()));
        assert_eq!(read.to_bytes(), "one two three");
    }
}

#[tokio::test]
async fn a_reader_that_is_dropped_half_way_leaves_everything_to_the_next() {
    let body = Script::new([data("one "), data("two "), data("three")]);
    let mut first = ReplayBody::new(body, DEFAULT_CAP);
    let second = first.again().unwrap();
    assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");

    drop(first);

    assert_eq!(second.collect().await.unwrap().to_bytes(), "one two three");
}

#[tokio::test]
async fn the_chunks_of_the_body_are_shared_and_not_copied() {
    let chunk = Bytes::from(vec![7; 1000]);
    let mut first = ReplayBody::new(Full::new(chunk.clone()), DEFAULT_CAP);
    let mut second = first.again().unwrap();

    for body in [&mut first, &mut second] {
        let read = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(read.as_ptr(), chunk.as_ptr());
    }
}

#[tokio::test]
async fn a_body_of_just_the_cap_is_kept_and_one_byte_more_is_not() {
    let fits = ReplayBody::new(Script::new([data("12"), data("34")]), 4);
    let spare = fits.again().unwrap();
    assert_eq!(fits.collect().await.unwrap().to_bytes(), "1234");
    assert_eq!(spare.replayable(), Ok(()));
    assert_eq!(spare.collect().await.unwrap().to_bytes(), "1234");

    let exceeds = ReplayBody::new(Script::new([data("12"), data("345"), trailers()]), 4);
    let spare = exceeds.again().unwrap();
    let sent = exceeds.collect().await.unwrap();
    assert_eq!(sent.trailers(), Some(&checksum()));
    assert_eq!(sent.to_bytes(), "12345");
    assert_eq!(spare.replayable(), Err(TOO_LARGE));
    assert_eq!(spare.again().unwrap_err(), TOO_LARGE);
    let error = spare.collect().await.unwrap_err();
    assert!(matches!(error, BodyError::NotReplayable(TOO_LARGE)));
}

#[tokio::test]
async fn a_body_that_is_known_to_exceed_the_cap_is_passed_through() {
    let body = ReplayBody::new(Full::new(Bytes::from("12345")), 4);

    assert_eq!(body.replayable(), Err(TOO_LARGE));
    assert_eq!(body.again().unwrap_err(), TOO_LARGE);
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "12345");
}

#[tokio::test]
async fn trailers_that_exceed_the_cap_are_sent_once() {
    let body = ReplayBody::new(Script::new([data("1234"), trailers()]), 4);
    let spare = body.again().unwrap();

    assert_eq!(body.collect().await.unwrap().trailers(), Some(&checksum()));
    assert_eq!(spare.replayable(), Err(TOO_LARGE));
}

#[tokio::test]
async fn an_empty_body_stays_empty() {
    let body = ReplayBody::new(Empty::<Bytes>::new(), 0);

    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.again().unwrap().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn sizes_and_ends_are_told_right_to_the_first_reader_and_to_the_next() {
    let mut first = ReplayBody::new(Script::sized([data("12"), data("345")]), DEFAULT_CAP);
    let mut second = first.again().unwrap();

    assert_eq!(first.size_hint().exact(), Some(5));
    first.frame().await.unwrap().unwrap();
    assert_eq!(first.size_hint().exact(), Some(3));
    assert_eq!(second.size_hint().exact(), Some(5));
    assert!(!first.is_end_stream());
    first.frame().await.unwrap().unwrap();
    assert_eq!(first.size_hint().exact(), Some(0));
    assert!(first.is_end_stream());
    assert!(!second.is_end_stream());
    second.frame().await.unwrap().unwrap();
    assert_eq!(second.size_hint().exact(), Some(3));
    second.frame().await.unwrap().unwrap();
    assert!(second.is_end_stream());
    assert!(second.frame().await.is_none());
}

#[tokio::test]
async fn a_reader_is_not_at_its_end_before_the_trailers() {
    let mut body = ReplayBody::new(Script::new([data("1"), trailers()]), DEFAULT_CAP);
    let mut spare = body.again().unwrap();
    while body.frame().await.is_some() {}

    spare.frame().await.unwrap().unwrap();

    assert!(!spare.is_end_stream());
    assert!(spare.frame().await.unwrap().unwrap().is_trailers());
    assert!(spare.is_end_stream());
}

#[tokio::test]
async fn a_body_of_unknown_size_gets_an_exact_one_once_it_is_recorded() {
    let body = ReplayBody::new(Script::new([data("12"), data("345")]), DEFAULT_CAP);
    let spare = body.again().unwrap();
    assert_eq!(body.size_hint().upper(), None);

    body.collect().await.unwrap();

    assert_eq!(spare.size_hint().exact(), Some(5));
}

#[tokio::test]
async fn a_body_that_fails_is_not_sent_again() {
    let body = ReplayBody::new(Script::new([data("1"), Step::Fail]), DEFAULT_CAP);
    let spare = body.again().unwrap();

    let error = body.collect().await.unwrap_err();

    assert!(matches!(&error, BodyError::Source(source) if source.to_string() == "disk gone"));
    assert_eq!(error.to_string(), "disk gone");
    assert_eq!(spare.replayable(), Err(NotReplayable::BodyFailed));
    let error = spare.collect().await.unwrap_err();
    assert!(matches!(error, BodyError::NotReplayable(NotReplayable::BodyFailed)));
}

#[test]
fn a_body_that_panics_ends_the_other_readers_and_hangs_none() {
    let body = ReplayBody::new(Script::new([data("1"), Step::Panic]), DEFAULT_CAP);
    let mut spare = task::spawn(body.again().unwrap().collect());
    let mut body = task::spawn(body.collect());

    let panicked = catch_unwind(AssertUnwindSafe(|| body.poll()));

    assert!(panicked.is_err());
    let Poll::Ready(Err(error)) = spare.poll() else { panic!("the other reader hangs") };
    assert!(matches!(error, BodyError::NotReplayable(NotReplayable::BodyGone)));
}

#[tokio::test]
async fn two_readers_at_once_are_both_woken() {
    let (sender, source) = channel();
    let first = ReplayBody::new(source, DEFAULT_CAP);
    let mut second = task::spawn(first.again().unwrap().collect());
    let mut first = task::spawn(first.collect());
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());

    sender.send(Bytes::from("one")).unwrap();
    assert!(first.is_woken() && second.is_woken());
    assert!(second.poll().is_pending());
    assert!(first.poll().is_pending());
    drop(sender);

    assert!(first.is_woken() && second.is_woken());
    for reader in [&mut first, &mut second] {
        let Poll::Ready(read) = reader.poll() else { panic!("a reader hangs") };
        assert_eq!(read.unwrap().to_bytes(), "one");
    }
}

#[tokio::test]
async fn a_reader_is_woken_when_the_one_that_polled_last_is_gone() {
    let (sender, source) = channel();
    let first = ReplayBody::new(source, DEFAULT_CAP);
    let mut second = task::spawn(first.again().unwrap().collect());
    let mut first = task::spawn(first.collect());
    assert!(second.poll().is_pending());
    assert!(first.poll().is_pending());

    drop(first);
    sender.send(Bytes::from("one")).unwrap();
    drop(sender);

    assert!(second.is_woken());
    let Poll::Ready(read) = second.poll() else { panic!("the reader hangs") };
    assert_eq!(read.unwrap().to_bytes(), "one");
}

#[tokio::test]
async fn a_reader_is_woken_by_what_another_one_read() {
    let body = ReplayBody::new(Script::new([Step::Stall, data("1")]), DEFAULT_CAP);
    let mut second = task::spawn(body.again().unwrap().collect());
    let mut first = task::spawn(body.collect());
    assert!(first.poll().is_pending());

    // The source is ready by now and owes nobody a wake-up.
    assert!(second.poll().is_ready());

    assert!(first.is_woken());
    assert!(first.poll().is_ready());
}

#[tokio::test]
async fn the_reader_that_exceeds_the_cap_goes_on_alone() {
    let (sender, source) = channel();
    let first = ReplayBody::new(source, 4);
    let mut second = task::spawn(first.again().unwrap().collect());
    let mut first = task::spawn(first.collect());
    sender.send(Bytes::from("123")).unwrap();
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());

    sender.send(Bytes::from("45")).unwrap();
    assert!(second.poll().is_pending());
    let Poll::Ready(Err(error)) = first.poll() else { panic!("the other reader hangs") };
    drop(sender);

    assert!(matches!(error, BodyError::NotReplayable(TOO_LARGE)));
    let Poll::Ready(read) = second.poll() else { panic!("the reader hangs") };
    assert_eq!(read.unwrap().to_bytes(), "12345");
}

#[tokio::test]
async fn tiny_and_empty_chunks_are_recorded_whole() {
    let bytes: Bytes = (0..=u8::MAX).cycle().take(10_000).collect();
    let steps =
        bytes.chunks(1).flat_map(|byte| [data(""), Step::Data(Bytes::copy_from_slice(byte))]);
    let mut first = ReplayBody::new(Script::new(steps), DEFAULT_CAP);
    let late = first.again().unwrap();
    let mut beside = first.again().unwrap();

    let mut read = [BytesMut::new(), BytesMut::new()];
    read_into(&mut read[1], beside.frame().await.unwrap().unwrap());
    read_into(&mut read[1], beside.frame().await.unwrap().unwrap());
    // The second reader stands inside of what is merged meanwhile.
    for _ in 0..1000 {
        read_into(&mut read[0], first.frame().await.unwrap().unwrap());
    }
    for _ in 0..30_000 {
        for (body, read) in [&mut first, &mut beside].into_iter().zip(&mut read) {
            if let Some(frame) = body.frame().await {
                read_into(read, frame.unwrap());
            }
        }
    }

    assert_eq!(read[0], bytes);
    assert_eq!(read[1], bytes);
    assert_eq!(late.collect().await.unwrap().to_bytes(), bytes);
}

#[tokio::test]
async fn debug_output_tells_nothing_of_the_body() {
    let mut body = ReplayBody::new(Full::new(Bytes::from("password")), DEFAULT_CAP);
    let spare = body.again().unwrap();
    body.frame().await.unwrap().unwrap();

    assert!(!format!("{body:?} {spare:?}").contains("password"));
    assert!(format!("{spare:?}").contains("recorded: 8"));
}

proptest! {
    /// Readers come, read a frame, and go, in any order: each sees a prefix of the body, and who
    /// reads to the end sees all of it or is told why not.
    #[test]
    fn readers_in_any_order_see_the_same_body(
        sizes in prop::collection::vec(0..9_usize, 0..12),
        cap in 0..60_usize,
        sized in any::<bool>(),
        with_trailers in any::<bool>(),
        moves in prop::collection::vec((0..4_usize, 0..8_u8), 0..60),
    ) {
        let mut byte = 0_u8;
        let mut steps: Vec<_> = sizes
            .iter()
            .map(|size| Step::Data((0..*size).map(|_| { byte += 1; byte }).collect()))
            .collect();
        let whole: Bytes = (1..=byte).collect();
        if with_trailers { steps.push(trailers()); }
        let script = if sized { Script::sized(steps) } else { Script::new(steps) };
        let first = ReplayBody::new(script, cap);
        let mut readers = vec![(first, BytesMut::new(), false)];

        for (index, action) in moves {
            let index = index % readers.len();
            match action {
                0 if readers.len() < 4 => {
                    if let Ok(another) = readers[index].0.again() {
                        readers.push((another, BytesMut::new(), false));
                    }
                }
                1 if readers.len() > 1 => drop(readers.remove(index)),
                _ => { step(&mut readers[index]); }
            }
        }
        for reader in &mut readers {
            while step(reader) {}
        }

        let whole_readers = readers.iter().filter(|(_, read, _)| *read == whole).count();
        for (body, read, failed) in &readers {
            if *failed {
                prop_assert_eq!(body.replayable(), Err(NotReplayable::BodyTooLarge));
                prop_assert!(whole.starts_with(read));
            } else {
                prop_assert_eq!(read, &whole);
                prop_assert!(body.is_end_stream() || body.replayable().is_err());
            }
        }
        // Whatever is dropped, some reader can go on, but for the one that exceeded the cap itself.
        prop_assert!(whole_readers > 0 || readers.iter().all(|(_, _, failed)| *failed));
        if whole.len() + 15 <= cap {
            prop_assert_eq!(whole_readers, readers.len());
        }
    }
}

/// Reads one frame. Returns whether there may be more.
fn step((body, read, failed): &mut (ReplayBody<Script>, BytesMut, bool)) -> bool {
    let frame = task::spawn(()).enter(|cx, _| Pin::new(&mut *body).poll_frame(cx));
    match frame {
        Poll::Ready(Some(Ok(frame))) => {
            read_into(read, frame);
            true
        }
        Poll::Ready(Some(Err(_))) => {
            *failed = true;
            false
        }
        Poll::Ready(None) | Poll::Pending => false,
    }
}

fn read_into(read: &mut BytesMut, frame: Frame<Bytes>) {
    if let Ok(data) = frame.into_data() {
        read.extend_from_slice(&data);
    }
}

const TOO_LARGE: NotReplayable = NotReplayable::BodyTooLarge;

#[derive(Debug)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Pending, and woken at once.
    Yield,
    /// Pending, and never woken.
    Stall,
    Fail,
    Panic,
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

fn trailers() -> Step {
    Step::Trailers(checksum())
}

fn checksum() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"sum\""))])
}

/// A body that goes by the book it is given.
#[derive(Debug)]
struct Script {
    steps: VecDeque<Step>,
    sized: bool,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), sized: false }
    }

    fn sized(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { sized: true, ..Self::new(steps) }
    }

    fn left(&self) -> usize {
        let sizes =
            self.steps.iter().map(|step| if let Step::Data(data) = step { data.len() } else { 0 });
        sizes.sum()
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Fail) => Some(Err("disk gone")),
            Some(Step::Stall) => return Poll::Pending,
            Some(Step::Panic) => panic!("the body panics"),
            Some(Step::Yield) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized { SizeHint::with_exact(self.left() as u64) } else { SizeHint::default() }
    }
}

fn channel() -> (mpsc::UnboundedSender<Bytes>, Channel) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Channel(receiver))
}

struct Channel(mpsc::UnboundedReceiver<Bytes>);

impl Body for Channel {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}
