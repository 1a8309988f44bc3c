//! The law of the limiter, counted out: no interval sees more calls than a burst and what it pays
//! for, whoever waits and whoever gives up.

use std::time::Duration;

use super::core::{Core, Refusal};
use super::gaps::Gaps;
use super::scale::Scale;
use crate::time::{Instant, nanos};

/// Does what `bytes` say with a core, and counts.
///
/// # Panics
///
/// When the law is broken, or a refusal names a wait that is not enough.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzer reaches it"))]
pub fn check(bytes: &[u8]) {
    let [limit, per_high, per_low, burst, skew, ops @ ..] = bytes else { return };
    let limit = u32::from(*limit) + 1;
    let per = (u64::from(*per_high) << (per_low & 0x1F)).max(limit.into()) + u64::from(*per_low);
    let burst = u32::from(*burst) % 8 + 1;
    let scale = Scale::new(limit, per, burst);
    let (core, mut gaps) = (Core::new(scale), Gaps::new());
    let mut now = u64::from(*skew) << 40;
    let (mut begun, mut waiting) = (Vec::new(), Vec::new());
    for op in ops.chunks_exact(2).take(MAX_CALLS) {
        let (kind, passed) = (op[0], u64::from(op[1]));
        // From nothing to a few bursts.
        now += per / u64::from(limit) * passed / 16;
        let at = Instant::from_nanos(now);
        let weight = u32::from(kind >> 2) % burst + 1;
        match kind & 0x03 {
            0 => match core.enter_now(weight, at) {
                Ok(()) => begun.push((now, weight)),
                Err(Refusal::Later(wait)) => {
                    assert!(
                        !core.enter(weight, || at + wait - Duration::from_nanos(1)),
                        "too long"
                    );
                    assert!(core.enter(weight, || at + wait), "not enough");
                    begun.push((now + nanos(wait), weight));
                }
                Err(Refusal::TooHeavy) => panic!("{weight} is no more than {burst}"),
            },
            1 | 2 => {
                let max_wait = Duration::from_nanos(per);
                match core.reserve(weight, at, max_wait, &mut gaps) {
                    Ok(turn) => {
                        assert!(turn.at >= at && turn.at.since(at) <= max_wait, "out of reach");
                        waiting.push((turn, weight));
                    }
                    Err(Refusal::Later(more)) => {
                        let then = at + more;
                        let turn = core.reserve(weight, then, max_wait, &mut gaps);
                        let turn = turn.expect("the wait that it was told is enough");
                        waiting.push((turn, weight));
                    }
                    Err(Refusal::TooHeavy) => panic!("{weight} is no more than {burst}"),
                }
            }
            _ if waiting.is_empty() => {}
            _ => {
                let (turn, _) = waiting.swap_remove(usize::from(kind >> 2) % waiting.len());
                core.give_back(turn, at, &mut gaps);
            }
        }
    }
    begun.extend(waiting.iter().map(|(turn, weight)| (turn.at.as_nanos(), *weight)));
    begun.sort_unstable();
    for (first, (start, _)) in begun.iter().enumerate() {
        let mut sum = 0_u128;
        for (end, weight) in &begun[first..] {
            sum += u128::from(*weight);
            // Instants are whole: each end may be off by one, however long it lasts.
            let paid = u128::from(end - start + 2) * u128::from(limit) / u128::from(per);
            assert!(sum <= u128::from(burst) + paid, "{sum} calls in {start}..={end}");
        }
    }
}

const MAX_CALLS: usize = 80;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_law_holds(bytes in proptest::collection::vec(any::<u8>(), 5..170)) {
            check(&bytes);
        }
    }
}
