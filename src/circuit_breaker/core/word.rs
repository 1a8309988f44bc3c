//! The breaker's state in one word.

/// The state, unpacked from `tag:3 | generation:21 | payload:40`.
///
/// Tags are in the order of how often they matter: a word below [`CLOSED_END`] is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word {
    /// Grows with every term of office, and is never zero. A ramp and the closed state that it
    /// ends in are one term.
    pub(super) generation: u64,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Failures in a row; counted only when there is a limit for them.
    Closed {
        failures: u64,
    },
    ForcedClosed,
    /// Places given out and not given back, and probes that passed.
    HalfOpen {
        admitted: u64,
        passed: u64,
    },
    Isolated,
    MetricsOnly,
    /// The end, in microseconds and modulo 2^40 (12 days): waits are a day at most.
    Open {
        until_micros: u64,
    },
    /// The part of a call that is due to be let in, in units of 2^-20.
    Recovering {
        credit: u64,
    },
}

/// Words of the closed state are below this.
pub(super) const CLOSED_END: u64 = 1 << TAG_SHIFT;

/// A payload of so many bits.
pub(super) const PAYLOAD_BITS: u32 = 40;
pub(super) const PAYLOAD: u64 = (1 << PAYLOAD_BITS) - 1;

/// The most probes that fit.
pub(in crate::circuit_breaker) const MAX_PLACES: u64 = HALF;
/// The most failures in a row that fit.
pub(in crate::circuit_breaker) const MAX_IN_A_ROW: u64 = PAYLOAD;

const TAG_SHIFT: u32 = 61;
const GENERATION: u64 = (1 << 21) - 1;
const HALF_BITS: u32 = 20;
const HALF: u64 = (1 << HALF_BITS) - 1;

impl Word {
    /// The first term: closed.
    pub(super) const FIRST: Self = Self { generation: 1, phase: Phase::Closed { failures: 0 } };

    /// The same term, changed.
    pub(super) const fn stay(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// The next term.
    pub(super) fn advance(self, phase: Phase) -> Self {
        let next = (self.generation + 1) & GENERATION;
        Self { generation: next.max(1), phase }
    }

    pub(super) const fn pack(self) -> u64 {
        let (tag, payload) = match self.phase {
            Phase::Closed { failures } => (0, failures),
            Phase::MetricsOnly => (1, 0),
            Phase::ForcedClosed => (2, 0),
            Phase::Recovering { credit } => (3, credit),
            Phase::HalfOpen { admitted, passed } => (4, (admitted << HALF_BITS) | passed),
            Phase::Open { until_micros } => (5, until_micros & PAYLOAD),
            Phase::Isolated => (6, 0),
        };
        (tag << TAG_SHIFT) | (self.generation << PAYLOAD_BITS) | payload
    }

    #[inline]
    pub(super) const fn unpack(word: u64) -> Self {
        let payload = word & PAYLOAD;
        Self {
            generation: generation_of(word),
            phase: match word >> TAG_SHIFT {
                0 => Phase::Closed { failures: payload },
                1 => Phase::MetricsOnly,
                2 => Phase::ForcedClosed,
                3 => Phase::Recovering { credit: payload },
                4 => Phase::HalfOpen { admitted: payload >> HALF_BITS, passed: payload & HALF },
                5 => Phase::Open { until_micros: payload },
                _ => Phase::Isolated,
            },
        }
    }
}

#[inline]
pub(super) const fn generation_of(word: u64) -> u64 {
    (word >> PAYLOAD_BITS) & GENERATION
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_as_it_was_packed() {
        for generation in [1, 2, GENERATION - 1, GENERATION] {
            for (tag, payload, phase) in [
                (0, 0, Phase::Closed { failures: 0 }),
                (0, MAX_IN_A_ROW, Phase::Closed { failures: MAX_IN_A_ROW }),
                (1, 0, Phase::MetricsOnly),
                (2, 0, Phase::ForcedClosed),
                (3, 1 << 20, Phase::Recovering { credit: 1 << 20 }),
                (4, (1 << 20) | 7, Phase::HalfOpen { admitted: 1, passed: 7 }),
                (4, PAYLOAD, Phase::HalfOpen { admitted: MAX_PLACES, passed: MAX_PLACES }),
                (5, 0x12_3456_789A, Phase::Open { until_micros: 0x12_3456_789A }),
                (6, 0, Phase::Isolated),
            ] {
                let word = Word { generation, phase };

                let packed = word.pack();

                assert_eq!(packed, (tag << 61) | (generation << 40) | payload, "{word:?}");
                assert_eq!(Word::unpack(packed), word);
                assert_eq!(generation_of(packed), generation);
                assert_eq!(packed < CLOSED_END, matches!(phase, Phase::Closed { .. }));
            }
        }
    }

    #[test]
    fn the_halves_are_as_wide_as_they_are_said_to_be() {
        assert_eq!((PAYLOAD, MAX_IN_A_ROW), (0xFF_FFFF_FFFF, 0xFF_FFFF_FFFF));
        assert_eq!((MAX_PLACES, GENERATION), (0xF_FFFF, 0x1F_FFFF));
    }

    #[test]
    fn an_open_time_of_any_length_leaves_the_rest_of_the_word_alone() {
        let word = Word { generation: 1, phase: Phase::Open { until_micros: PAYLOAD + 6 } };

        let expected = Word { generation: 1, phase: Phase::Open { until_micros: 5 } };
        assert_eq!(Word::unpack(word.pack()), expected);
    }

    #[test]
    fn no_term_has_the_number_zero() {
        let mut word = Word { generation: GENERATION - 1, ..Word::FIRST };
        let mut generations = Vec::new();
        for _ in 0..3 {
            word = word.advance(Phase::Isolated);
            generations.push(word.generation);
        }

        assert_eq!(generations, [GENERATION, 1, 2]);
        assert_eq!(word.phase, Phase::Isolated);
        assert_eq!(
            word.stay(Phase::MetricsOnly),
            Word { generation: 2, phase: Phase::MetricsOnly }
        );
    }
}
