use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use seawall::http::ResponseBody;
use seawall::time::Clock;
use seawall::{Error, Reason};
use tokio::sync::mpsc;
use tokio_test::{assert_pending, assert_ready, task};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_body_that_stalls_ends_at_the_deadline_and_not_before() {
    let clock = Clock::manual();
    let (sender, source) = channel();
    let mut body = late(source, &clock);
    sender.send("one").unwrap();
    assert_eq!(next(&mut body), Poll::Ready(Some(Ok("one".into()))));

    let mut read = task::spawn(body.frame());
    assert_pending!(read.poll());
    clock.advance(Duration::from_nanos(999_999_999));
    assert!(!read.is_woken());
    assert_pending!(read.poll());
    clock.advance(Duration::from_nanos(1));
    assert!(read.is_woken());
    let error = assert_ready!(read.poll()).unwrap().unwrap_err();
    drop(read);

    let Error::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!((rejection.policy(), rejection.reason()), ("orders", Reason::TimedOut));
    assert!(sender.is_closed(), "the connection is let go of");
    assert_eq!(next(&mut body), Poll::Ready(None));
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[test]
fn a_body_that_drips_ends_at_the_deadline() {
    let clock = Clock::manual();
    let (sender, source) = channel();
    let mut body = late(source, &clock);

    for _ in 0..10 {
        sender.send("drip").unwrap();
        assert!(matches!(next(&mut body), Poll::Ready(Some(Ok(_)))));
        clock.advance(SECOND / 10);
    }
    sender.send("drip").unwrap();

    assert_eq!(next(&mut body), Poll::Ready(Some(Err(Reason::TimedOut))));
}

#[test]
fn a_body_that_is_always_ready_ends_at_the_deadline() {
    let clock = Clock::manual();
    let mut body = late(Endless, &clock);
    assert!(matches!(next(&mut body), Poll::Ready(Some(Ok(_)))));

    clock.advance(SECOND);

    assert_eq!(next(&mut body), Poll::Ready(Some(Err(Reason::TimedOut))));
}

#[test]
fn a_body_that_ends_in_time_ends_well() {
    let clock = Clock::manual();
    let (sender, source) = channel();
    let mut body = late(source, &clock);
    assert_eq!(next(&mut body), Poll::Pending);

    drop(sender);

    assert_eq!(next(&mut body), Poll::Ready(None));
}

#[test]
fn without_deadline_a_body_is_passed_through() {
    let mut body = ResponseBody::new(Full::new(Bytes::from("answer")));

    assert_eq!(body.size_hint().exact(), Some(6));
    assert!(!body.is_end_stream());
    assert_eq!(next(&mut body), Poll::Ready(Some(Ok("answer".into()))));
    assert!(body.is_end_stream());
    assert_eq!(next(&mut body), Poll::Ready(None));
}

#[test]
fn an_error_of_the_body_stays_what_it_is() {
    let mut read = task::spawn(ResponseBody::new(Failing).collect());

    let Poll::Ready(Err(error)) = read.poll() else { panic!("no error") };

    assert_eq!(error, Error::Service("reset"));
}

#[test]
fn what_is_held_is_given_back_when_the_body_is_over_however_it_ends() {
    let clock = Clock::manual();
    let held = Arc::new(());
    let another = || Arc::clone(&held);

    // Known to be over with its last frame, before anybody asks for one more.
    let mut body = ResponseBody::new(Full::new(Bytes::from("answer"))).hold(another());
    assert_eq!(Arc::strong_count(&held), 2);
    assert!(next(&mut body).is_ready());
    assert_eq!(Arc::strong_count(&held), 1);

    let (sender, source) = channel();
    let mut body = ResponseBody::new(source).hold(another());
    sender.send("one").unwrap();
    assert!(next(&mut body).is_ready());
    assert!(next(&mut body).is_pending());
    assert_eq!(Arc::strong_count(&held), 2);
    drop(sender);
    assert_eq!(next(&mut body), Poll::Ready(None));
    assert_eq!(Arc::strong_count(&held), 1);

    let mut body = late(Endless, &clock).hold(another());
    clock.advance(SECOND);
    assert!(next(&mut body).is_ready());
    assert_eq!(Arc::strong_count(&held), 1);

    let mut failing = ResponseBody::new(Failing).hold(another());
    let mut read = task::spawn(failing.frame());
    assert!(read.poll().is_ready());
    assert_eq!(Arc::strong_count(&held), 1);

    drop(ResponseBody::new(Endless).hold(another()));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn debug_output_tells_nothing_of_the_body() {
    let body = ResponseBody::new(Full::new(Bytes::from("password")));

    assert!(!format!("{body:?}").contains("password"));
}

fn late<B>(body: B, clock: &Clock) -> ResponseBody<B> {
    ResponseBody::new(body).deadline("orders", clock.now() + SECOND, clock)
}

/// The next frame, or the reason of the rejection in its place.
fn next<B, G>(body: &mut ResponseBody<B, G>) -> Poll<Option<Result<Bytes, Reason>>>
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
    G: Unpin,
{
    task::spawn(body.frame()).poll().map(|frame| {
        frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.into_data().unwrap()),
            Err(Error::Rejected(rejection)) => Err(rejection.reason()),
            Err(error) => panic!("{error:?}"),
        })
    })
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(Some(Ok(Frame::data("on and on".into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

struct Failing;

impl Body for Failing {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(Some(Err("reset")))
    }
}

fn channel() -> (mpsc::UnboundedSender<&'static str>, Channel) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Channel(receiver))
}

struct Channel(mpsc::UnboundedReceiver<&'static str>);

impl Body for Channel {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data.into()))))
    }
}
