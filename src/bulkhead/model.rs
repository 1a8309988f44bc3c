//! The same room, as naive as can be: a list of those inside and a list of those who wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};

use super::core::Full;
use super::room::Room;
use crate::queue::line::Place;

/// Does what `bytes` say with a room and with the model.
///
/// # Panics
///
/// When they differ.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzer reaches it"))]
pub fn check(bytes: &[u8]) {
    let room = Room::new(2);
    let mut model =
        Model { max_calls: 2, running: 0, waiting: VecDeque::new(), called: Vec::new() };
    let mut inside = 0;
    let mut visitors: Vec<Visitor> = Vec::new();
    for (id, byte) in bytes.iter().enumerate() {
        let pick = |visitors: &[Visitor]| {
            (!visitors.is_empty()).then(|| usize::from(byte >> 3) % visitors.len())
        };
        match byte & 0x07 {
            0 => {
                let entered = room.enter().is_ok();
                assert_eq!(entered, model.enter(), "enter");
                inside += u32::from(entered);
            }
            1 if inside > 0 => {
                room.exit();
                model.exit();
                inside -= 1;
            }
            2 | 3 => {
                let woken = Arc::new(Woken::default());
                match room.join(MAX_WAITING, &Waker::from(Arc::clone(&woken))) {
                    Ok(None) => {
                        assert!(model.enter(), "joined and was let in");
                        inside += 1;
                    }
                    Ok(Some(place)) => {
                        assert!(model.join(id), "joined the line");
                        visitors.push(Visitor { id, place, woken });
                    }
                    Err(Full) => assert!(!model.enter() && !model.join(id), "found all full"),
                }
            }
            4 => {
                let Some(at) = pick(&visitors) else { continue };
                let visitor = &visitors[at];
                let has_come =
                    room.has_come(visitor.place, &Waker::from(Arc::clone(&visitor.woken)));
                assert_eq!(has_come, model.collect(visitor.id), "turn");
                if has_come {
                    visitors.swap_remove(at);
                    inside += 1;
                }
            }
            5 => {
                let Some(at) = pick(&visitors) else { continue };
                let visitor = visitors.swap_remove(at);
                let had_come = room.leave(visitor.place);
                assert_eq!(had_come, model.leave(visitor.id), "turn of who leaves");
                if had_come {
                    room.exit();
                    model.exit();
                }
            }
            6 => {
                let max_calls = 1 + u32::from(byte >> 3) % 4;
                room.set_max_calls(max_calls);
                model.max_calls = max_calls;
                model.call();
            }
            _ => {}
        }
        assert_eq!(room.running(), model.running);
        assert_eq!(room.waiting() as usize, model.waiting.len());
        for visitor in &visitors {
            let expected = u32::from(model.called.contains(&visitor.id));
            assert_eq!(visitor.woken.0.load(Ordering::Relaxed), expected, "wake-ups");
        }
    }
    for visitor in visitors {
        if room.leave(visitor.place) {
            room.exit();
        }
    }
    for _ in 0..inside {
        room.exit();
    }
    assert_eq!((room.running(), room.waiting()), (0, 0), "places are lost");
}

struct Visitor {
    id: usize,
    place: Place,
    woken: Arc<Woken>,
}

struct Model {
    max_calls: u32,
    running: u32,
    waiting: VecDeque<usize>,
    called: Vec<usize>,
}

impl Model {
    fn enter(&mut self) -> bool {
        let is_free = self.waiting.is_empty() && self.running < self.max_calls;
        self.running += u32::from(is_free);
        is_free
    }

    fn exit(&mut self) {
        self.running -= 1;
        self.call();
    }

    fn join(&mut self, id: usize) -> bool {
        let fits = self.waiting.len() < MAX_WAITING as usize;
        if fits {
            self.waiting.push_back(id);
        }
        fits
    }

    fn collect(&mut self, id: usize) -> bool {
        let before = self.called.len();
        self.called.retain(|called| *called != id);
        self.called.len() < before
    }

    fn leave(&mut self, id: usize) -> bool {
        self.waiting.retain(|waiting| *waiting != id);
        self.collect(id)
    }

    fn call(&mut self) {
        while self.running < self.max_calls
            && let Some(first) = self.waiting.pop_front()
        {
            self.called.push(first);
            self.running += 1;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const MAX_WAITING: u32 = 5;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_room_does_what_its_model_does(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            check(&bytes);
        }
    }
}
