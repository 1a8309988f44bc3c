//! Numbers and times in the page's words. `page.js` says the same in the same words.

/// How long before `now` the moment `at` was; both in milliseconds.
pub(super) fn ago(now: u64, at: u64) -> String {
    let (millis, is_past) = (now.abs_diff(at), now >= at);
    if millis < 1_500 {
        return "just now".to_owned();
    }
    let (number, unit) = match millis.saturating_add(500) / 1_000 {
        seconds @ 0..60 => (seconds, "s"),
        seconds @ 60..3_600 => (seconds / 60, "min"),
        seconds @ 3_600..86_400 => (seconds / 3_600, "h"),
        seconds => (seconds / 86_400, "d"),
    };
    if is_past { format!("{number} {unit} ago") } else { format!("in {number} {unit}") }
}

/// A length of time.
pub(super) fn span(millis: f64) -> String {
    let (number, unit, decimals) = match millis {
        ..10.0 => (millis, "ms", 10.0),
        ..1_000.0 => (millis, "ms", 1.0),
        ..60_000.0 => (millis / 1_000.0, "s", 10.0),
        ..3_600_000.0 => (millis / 60_000.0, "min", 1.0),
        ..86_400_000.0 => (millis / 3_600_000.0, "h", 10.0),
        _ => (millis / 86_400_000.0, "d", 10.0),
    };
    format!("{} {unit}", (number * decimals).round() / decimals)
}

pub(super) fn number(value: f64) -> String {
    if value.is_finite() { ((value * 1e3).round() / 1e3).to_string() } else { "–".to_owned() }
}

pub(super) fn percent(share: f64) -> String {
    format!("{} %", number((share * 1e3).round() / 10.0))
}

/// A word of the data as people write it: `half_open` as `Half open`.
pub(super) fn word(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|l| if l == '_' { ' ' } else { l })).collect()
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_table_says() {
        let rows = [
            (0, "just now"),
            (1_499, "just now"),
            (1_500, "2 s ago"),
            (59_400, "59 s ago"),
            (59_500, "1 min ago"),
            (3_599_000, "59 min ago"),
            (3_600_000, "1 h ago"),
            (86_400_000 * 40, "40 d ago"),
        ];
        for (age, words) in rows {
            assert_eq!(ago(1 << 50, (1 << 50) - age), words);
        }
        assert_eq!(ago(0, 30_000), "in 30 s");
    }

    #[test]
    fn numbers_read_as_the_table_says() {
        let spans = [0.04, 2.44, 240.4, 1_240.0, 60_000.0, 5_400_000.0, 172_800_000.0].map(span);
        assert_eq!(spans, ["0 ms", "2.4 ms", "240 ms", "1.2 s", "1 min", "1.5 h", "2 d"]);
        assert_eq!(
            [0.0, 41.5, 1e6, 0.12345, f64::NAN].map(number),
            ["0", "41.5", "1000000", "0.123", "–"]
        );
        assert_eq!([0.0, 0.615, 1.0].map(percent), ["0 %", "61.5 %", "100 %"]);
        assert_eq!(word("half_open"), "Half open");
    }
}
