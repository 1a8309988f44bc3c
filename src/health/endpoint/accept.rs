//! Which format a request asks for.

use http::header::{ACCEPT, HeaderMap};

use crate::health::Format;

/// The format that the `Accept` headers like best, by RFC 9110, section 12.5.1.
///
/// Of equals the one that is named more exactly is taken, then the earlier of [`Format::ALL`]. What
/// can not be read counts as not said, and what is said after the first [`MAX_RANGES`] as well. If
/// nothing that is asked for can be had, the default is given nevertheless: who asks for the wrong
/// thing should still learn the verdict.
pub(super) fn negotiate(headers: &HeaderMap) -> Format {
    let mut best = (Fit::NONE, Format::Json);
    if headers.contains_key(ACCEPT) {
        for (format, media) in OFFERS {
            let fit = fit(headers, media);
            if fit.quality > 0 && (fit.quality, fit.exactness) > best.0.rank() {
                best = (fit, *format);
            }
        }
    }
    best.1
}

/// What is offered by `Accept`, the earlier the better. The others are to be had by their paths.
const OFFERS: &[(Format, Media)] = &[
    (Format::Json, Media { kind: "application", subkind: "json", version: None }),
    (Format::Text, Media { kind: "text", subkind: "plain", version: None }),
    (Format::HealthJson, Media { kind: "application", subkind: "health+json", version: None }),
    (
        Format::Spring,
        Media { kind: "application", subkind: "vnd.spring-boot.actuator.v3+json", version: None },
    ),
    (Format::Prometheus, Media { kind: "text", subkind: "plain", version: Some("0.0.4") }),
];

struct Media {
    kind: &'static str,
    subkind: &'static str,
    version: Option<&'static str>,
}

/// How well something that is offered is what a request asks for.
#[derive(Clone, Copy)]
struct Fit {
    exactness: u8,
    /// In thousandths.
    quality: u16,
}

impl Fit {
    const NONE: Self = Self { exactness: 0, quality: 0 };

    const fn rank(self) -> (u16, u8) {
        (self.quality, self.exactness)
    }
}

/// What the range that names `media` most exactly says of it.
fn fit(headers: &HeaderMap, media: &Media) -> Fit {
    let mut best: Option<Fit> = None;
    let lines = headers.get_all(ACCEPT).iter();
    let ranges = lines.flat_map(|line| Split::new(line.as_bytes(), b','));
    for range in ranges.take(MAX_RANGES) {
        if let Some(found) = Range::parse(range).and_then(|range| range.fit(media))
            && best.is_none_or(|best| {
                (found.exactness, found.quality) > (best.exactness, best.quality)
            })
        {
            best = Some(found);
        }
    }
    best.unwrap_or(Fit::NONE)
}

/// One element of an `Accept` header.
struct Range<'a> {
    kind: &'a [u8],
    subkind: &'a [u8],
    version: Option<&'a [u8]>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(element: &'a [u8]) -> Option<Self> {
        let mut parts = Split::new(element, b';');
        let media = parts.next()?.trim_ascii();
        let slash = media.iter().position(|byte| *byte == b'/')?;
        let (kind, subkind) = (&media[..slash], &media[slash + 1..]);
        if !is_token(kind) || !is_token(subkind) || (kind == b"*" && subkind != b"*") {
            return None;
        }
        let mut range = Self { kind, subkind, version: None, quality: 1_000 };
        for part in parts {
            let part = part.trim_ascii();
            let equals = part.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&part[..equals], &part[equals + 1..]);
            if name.eq_ignore_ascii_case(b"q") {
                range.quality = quality(value)?;
                // What follows extends the header and says nothing of the media.
                break;
            } else if name.eq_ignore_ascii_case(b"version") {
                range.version = Some(unquoted(value));
            } else if !name.eq_ignore_ascii_case(b"charset") {
                // A kind of the media that we do not have.
                return None;
            }
        }
        Some(range)
    }

    fn fit(&self, media: &Media) -> Option<Fit> {
        let same = |range: &[u8], offer: &str| range.eq_ignore_ascii_case(offer.as_bytes());
        let any = |range: &[u8]| range == b"*";
        let exactness = match self.version {
            None if any(self.kind) => 0,
            None if any(self.subkind) && same(self.kind, media.kind) => 1,
            None if same(self.kind, media.kind) && same(self.subkind, media.subkind) => 2,
            Some(version)
                if same(self.kind, media.kind)
                    && same(self.subkind, media.subkind)
                    && media.version.is_some_and(|offer| version == offer.as_bytes()) =>
            {
                3
            }
            _ => return None,
        };
        Some(Fit { exactness, quality: self.quality })
    }
}

/// A weight, in thousandths: `0`, `1`, or with up to three digits after a point.
fn quality(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1_000;
    for (digit, weight) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * weight;
    }
    (thousandths <= 1_000).then_some(thousandths)
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The parts of a line between separators that are not within quotation marks.
struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    const fn new(line: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(line), separator }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.iter().position(|byte| {
            let is_escaped = std::mem::take(&mut escaped);
            match byte {
                b'"' if !is_escaped => quoted = !quoted,
                b'\\' if quoted && !is_escaped => escaped = true,
                _ => {}
            }
            *byte == self.separator && !quoted
        });
        self.rest = end.map(|end| &rest[end + 1..]);
        Some(&rest[..end.unwrap_or(rest.len())])
    }
}

/// More are not looked at.
const MAX_RANGES: usize = 32;

/// Asks with these lines, and with each offer by itself: who asks for one thing only gets it.
#[cfg(fuzzing)]
pub fn check(lines: &[Vec<u8>]) {
    let mut headers = HeaderMap::new();
    for line in lines.iter().take(64) {
        if let Ok(line) = http::HeaderValue::from_bytes(line) {
            headers.append(ACCEPT, line);
        }
    }
    let format = negotiate(&headers);
    assert!(OFFERS.iter().any(|(offer, _)| *offer == format));
    // Whatever was asked for: who also asks for one thing most exactly, and for nothing more, gets it.
    for (format, media) in OFFERS {
        let version = media.version.map_or(String::new(), |version| format!(";version={version}"));
        let line = format!("{}/{}{version}, */*;q=0", media.kind, media.subkind);
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, line.parse().expect("it is visible ASCII"));
        assert_eq!(negotiate(&headers), *format);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiates_as_the_table_says() {
        let many = format!("{}text/plain", "image/png,".repeat(MAX_RANGES));
        let rows: &[(&[&str], Format)] = &[
            (&[], Format::Json),
            (&["*/*"], Format::Json),
            (&[""], Format::Json),
            (&["image/png"], Format::Json),
            (&["text/plain"], Format::Text),
            (&["TEXT/Plain"], Format::Text),
            (&["text/*"], Format::Text),
            (&["text/plain;charset=utf-8"], Format::Text),
            (&["application/*"], Format::Json),
            (&["application/health+json"], Format::HealthJson),
            (&["application/health+json, */*"], Format::HealthJson),
            (&["application/health+json, application/json"], Format::Json),
            (&["application/health+json, application/json;q=0.9"], Format::HealthJson),
            (&["application/vnd.spring-boot.actuator.v3+json"], Format::Spring),
            (
                &["application/vnd.spring-boot.actuator.v2+json, application/json;q=.5"],
                Format::Json,
            ),
            (&["text/plain;version=0.0.4"], Format::Prometheus),
            (&["text/plain; version=\"0.0.4\"; q=0.5, text/plain;q=0.4"], Format::Prometheus),
            (&["text/plain;version=1.0.0"], Format::Json),
            // What a Prometheus server sends.
            (
                &[
                    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                Format::Prometheus,
            ),
            // What a browser sends.
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Format::Json),
            // The most exact range decides, and not the best one.
            (&["application/json;q=0, */*"], Format::Text),
            (&["application/json;q=0.2, text/plain;q=0.1"], Format::Json),
            (&["text/plain;q=0.1", "application/json;q=0.2"], Format::Json),
            (&["application/json;q=0.1", "text/plain;q=0.2"], Format::Text),
            (&["*/*;q=0"], Format::Json),
            // What can not be read is not said.
            (&["text/plain;q=1.001"], Format::Json),
            (&["text/plain;q=2"], Format::Json),
            (&["text/plain;q=0.1234"], Format::Json),
            (&["text/plain;q="], Format::Json),
            (&["text/plain;q"], Format::Json),
            (&["text/ plain"], Format::Json),
            (&["/plain", "*/plain"], Format::Json),
            (&["image/png;a=\"text/plain,text/plain\""], Format::Json),
            (&["image/png;a=\"\\\",\", text/plain"], Format::Text),
            (&["image/png;a=\",text/plain"], Format::Json),
            (&[&many], Format::Json),
        ];
        for (lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(ACCEPT, line.parse().unwrap());
            }
            assert_eq!(negotiate(&headers), *expected, "{lines:?}");
        }
    }
}
