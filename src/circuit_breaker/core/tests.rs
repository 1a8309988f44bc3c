//! Laws of the core, as tables, as a comparison with the model, and under loom.

#[cfg(not(seawall_loom))]
mod sequential {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::model::check;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn does_what_the_model_does(bytes in vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }
    }
}
