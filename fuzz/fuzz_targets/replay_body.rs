//! Several readers of one body, in any order, each get all of it or are told why not.

#![no_main]

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use libfuzzer_sys::fuzz_target;
use seawall::http::ReplayBody;
use seawall::http::body::BodyError;
use seawall::replay::NotReplayable;

/// The cap, whether the body knows its size, its frames, and what is done with its readers.
type Input = (u16, bool, Vec<u8>, Vec<u8>);

fuzz_target!(|input: Input| {
    let (cap, is_sized, frames, ops) = input;
    let script = Script::new(&frames, is_sized);
    let whole = script.whole();
    let fails = script.fails();
    let mut readers = vec![(ReplayBody::new(script, cap.into()), Vec::new(), false)];
    let mut spilled = false;
    for op in ops {
        let at = usize::from(op >> 2) % readers.len();
        match op & 3 {
            0 if readers.len() < 8 => match readers[at].0.again() {
                Ok(reader) => readers.push((reader, Vec::new(), false)),
                Err(NotReplayable::BodyTooLarge) => assert!(whole.len() + 9 > cap.into()),
                Err(NotReplayable::BodyFailed) => assert!(fails),
                Err(other) => panic!("{other:?}"),
            },
            1 if readers.len() > 1 => drop(readers.swap_remove(at)),
            kind => {
                let (reader, read, done) = &mut readers[at];
                let times = if kind == 3 { 100 } else { 1 };
                for _ in 0..times {
                    if *done {
                        break;
                    }
                    let hint = reader.size_hint();
                    match Pin::new(&mut *reader).poll_frame(&mut Context::from_waker(Waker::noop()))
                    {
                        Poll::Pending => {}
                        Poll::Ready(Some(Ok(frame))) => {
                            if let Ok(data) = frame.into_data() {
                                read.extend_from_slice(&data);
                            }
                        }
                        Poll::Ready(Some(Err(error))) => {
                            *done = true;
                            match error {
                                BodyError::Source(_) => assert!(fails),
                                BodyError::NotReplayable(NotReplayable::BodyTooLarge) => {
                                    spilled = true;
                                }
                                BodyError::NotReplayable(_) => assert!(fails),
                            }
                        }
                        Poll::Ready(None) => {
                            *done = true;
                            assert!(!fails);
                            assert_eq!(*read, whole, "ended early");
                            assert_eq!(hint.lower(), 0);
                        }
                    }
                }
                assert!(whole.starts_with(read), "other bytes than the body's");
            }
        }
    }
    assert!(!spilled || whole.len() + 9 > cap.into(), "did not record what fits");
});

/// A body that gives out what it was told to.
struct Script {
    steps: VecDeque<Step>,
    is_sized: bool,
}

#[derive(Clone)]
enum Step {
    Data(Bytes),
    Wait,
    Trailers,
    Fail,
}

impl Script {
    fn new(frames: &[u8], is_sized: bool) -> Self {
        let mut steps = VecDeque::new();
        for frame in frames.iter().take(64) {
            let size = usize::from(frame >> 3);
            let next = |steps: &VecDeque<Step>| steps.len() as u8;
            let step = match frame & 7 {
                0 => Step::Wait,
                1 => Step::Trailers,
                2 if frame >> 3 == 7 => Step::Fail,
                // So many chunks that the record merges them.
                3 => {
                    for _ in 0..size * 16 {
                        steps.push_back(Step::Data(Bytes::from(vec![next(&steps)])));
                    }
                    continue;
                }
                _ => Step::Data(Bytes::from(vec![next(&steps); size])),
            };
            let is_last = matches!(step, Step::Trailers | Step::Fail);
            steps.push_back(step);
            if is_last {
                break;
            }
        }
        Self { steps, is_sized }
    }

    fn whole(&self) -> Vec<u8> {
        let data = self.steps.iter().filter_map(|step| match step {
            Step::Data(data) => Some(&data[..]),
            Step::Wait | Step::Trailers | Step::Fail => None,
        });
        data.collect::<Vec<_>>().concat()
    }

    fn fails(&self) -> bool {
        matches!(self.steps.back(), Some(Step::Fail))
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Fail) => Poll::Ready(Some(Err("reset"))),
            Some(Step::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("checksum", HeaderValue::from_static("1"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_sized {
            SizeHint::with_exact(self.whole().len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
