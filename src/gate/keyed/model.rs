//! The same table, as naive as can be: a list in the order of use.

use super::table::Table;

/// Does what `bytes` say with a table and with the model.
///
/// # Panics
///
/// When they differ.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzer reaches it"))]
pub fn check(bytes: &[u8]) {
    let mut table = Table::new();
    let mut model: Vec<u8> = Vec::new();
    for op in bytes.chunks_exact(2) {
        let (kind, key) = (op[0], op[1]);
        let place = model.iter().position(|other| *other == key);
        match kind & 0x03 {
            0 => {
                assert_eq!(table.get(hash(key), &key), place.map(|_| &key), "get");
                if let Some(place) = place {
                    model.remove(place);
                    model.push(key);
                }
            }
            1 => assert_eq!(table.peek(hash(key), &key), place.map(|_| &key), "peek"),
            2 if place.is_none() => {
                table.insert(hash(key), key, key);
                model.push(key);
            }
            3 => {
                // Those below the key are idle.
                let looks = usize::from(kind >> 2) % 8;
                let idle = model.iter().take(looks).position(|other| *other < key);
                let evicted = table.evict(looks, |other| *other < key);
                assert_eq!(evicted, idle.map(|place| (model[place], model[place])), "evict");
                let busy = idle.unwrap_or(looks.min(model.len()));
                model.rotate_left(busy);
                if idle.is_some() {
                    model.remove(0);
                }
            }
            _ => {}
        }
        let mut ours: Vec<_> = table.iter().map(|(key, _)| *key).collect();
        let mut theirs = model.clone();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(table.len(), model.len());
        assert_eq!(ours, theirs);
    }
}

/// Bad on purpose: chains are long.
const fn hash(key: u8) -> u64 {
    (key % 5) as u64
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_table_does_what_its_model_does(
            bytes in proptest::collection::vec((any::<u8>(), 0..40_u8), 0..300),
        ) {
            check(&bytes.into_iter().flat_map(|(kind, key)| [kind, key]).collect::<Vec<_>>());
        }
    }
}
