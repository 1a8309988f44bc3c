//! Who may see details.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::InvalidConfig;
use crate::health::token::{Hash, LONGEST, Tokens, hash};
use crate::rate_limit::{Quota, RateLimiter};
use crate::telemetry::Environment;

/// Lets those in who show a token.
///
/// Failed attempts are limited for all callers together, since whatever tells callers apart can be
/// forged. Beyond the limit nobody is let in, and nothing is compared: who floods us with guesses
/// can keep others from details, and never from verdicts.
pub(in crate::health) struct Guard {
    tokens: Tokens,
    failures: RateLimiter,
}

impl Guard {
    pub(super) fn new(tokens: Tokens, environment: &Environment) -> Result<Self, InvalidConfig> {
        let quota = Quota::per_second(FAILURES_PER_SECOND).name("health_token");
        Ok(Self { tokens, failures: quota.build_in(environment)? })
    }

    /// Whether a request with these headers may see details.
    pub(in crate::health) fn admits(&self, headers: &HeaderMap) -> bool {
        if self.tokens.len() == 0 || self.failures.available() == 0 {
            return false;
        }
        let Some(presented) = presented(headers) else { return false };
        let right = self.tokens.contain(&presented);
        if !right {
            // What is counted is that it failed. More than the limit allows is told by the next look.
            let _counted = self.failures.enter();
        }
        right
    }
}

/// The token that a request shows: after `Bearer`, or as the password after `Basic`.
///
/// A request with several `Authorization` lines shows none: who reads the first and who reads the
/// last would disagree.
fn presented(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (line, None) = (lines.next()?.as_bytes(), lines.next()) else { return None };
    if line.len() > LONGEST_LINE {
        return None;
    }
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = (&line[..space], line[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(Zeroizing::new(credentials.to_vec()))
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        let pair = Zeroizing::new(STANDARD.decode(credentials).ok()?);
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(Zeroizing::new(pair[colon + 1..].to_vec()))
    } else {
        None
    }
}

/// What App Service proves itself with: the hash of a key that it puts into the environment.
pub(super) struct AppService {
    expected: Hash,
}

impl AppService {
    /// # Errors
    ///
    /// The key must not be empty.
    pub(super) fn new(key: impl Into<Vec<u8>>) -> Result<Self, InvalidConfig> {
        let key = Zeroizing::new(key.into());
        if key.is_empty() {
            return Err(InvalidConfig::new("app_service_key", "not empty"));
        }
        Ok(Self { expected: hash(&key) })
    }

    /// Whether App Service sent a request with these headers.
    pub(super) fn sent(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(INTERNAL_TOKEN).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        // 32 bytes, and the decoder's own margin.
        let mut hash = [0; 48];
        let decoded = STANDARD.decode_slice(line, &mut hash);
        decoded.is_ok_and(|length| bool::from(hash[..length].ct_eq(&self.expected[..])))
    }
}

const INTERNAL_TOKEN: &str = "x-ms-auth-internal-token";
const FAILURES_PER_SECOND: u32 = 10;
/// The longest token with a user's name before it, in base64.
const LONGEST_LINE: usize = 2 * LONGEST + 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::health::Token;
    use crate::time::Clock;

    const RIGHT: &str = "0123456789abcdef0123456789abcdef";
    const WRONG: &str = "0123456789abcdef0123456789abcdeF";

    #[test]
    fn reads_a_token_where_it_may_stand() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (line, admitted) in [
            (format!("Bearer {RIGHT}"), true),
            (format!("bEARER   {RIGHT} "), true),
            (basic(&format!(":{RIGHT}")), true),
            (basic(&format!("anybody:{RIGHT}")), true),
            (format!("Bearer {WRONG}"), false),
            (format!("Bearer{RIGHT}"), false),
            (format!("Bearer\t{RIGHT}"), false),
            (format!("Token {RIGHT}"), false),
            (RIGHT.into(), false),
            ("Bearer".into(), false),
            ("Bearer ".into(), false),
            (String::new(), false),
            (basic(RIGHT), false),
            (basic(&format!("a:b:{RIGHT}")), false),
            (basic(&format!("anybody:{WRONG}")), false),
            (format!("Basic {RIGHT}"), false),
            (format!("Basic !{RIGHT}"), false),
            (format!("Bearer {}{RIGHT}", " ".repeat(LONGEST_LINE)), false),
        ] {
            assert_eq!(guard(&Clock::manual()).admits(&headers(&[&line])), admitted, "{line:?}");
        }
        assert!(!guard(&Clock::manual()).admits(&HeaderMap::new()));
    }

    #[test]
    fn a_request_with_two_authorizations_is_not_let_in() {
        let right = format!("Bearer {RIGHT}");

        assert!(!guard(&Clock::manual()).admits(&headers(&[&right, &right])));
    }

    #[test]
    fn guesses_are_limited_and_nothing_else_is() {
        let clock = Clock::manual();
        let guard = guard(&clock);
        let (right, wrong) = (format!("Bearer {RIGHT}"), format!("Bearer {WRONG}"));

        for _ in 0..1_000 {
            assert!(guard.admits(&headers(&[&right])));
            assert!(!guard.admits(&HeaderMap::new()));
        }
        for _ in 0..FAILURES_PER_SECOND {
            assert!(!guard.admits(&headers(&[&wrong])));
        }
        assert!(!guard.admits(&headers(&[&right])));

        clock.advance(Duration::from_millis(200));
        assert!(guard.admits(&headers(&[&right])));
    }

    #[test]
    fn knows_app_service_by_the_hash_of_its_key() {
        // printf %s 'key of the site' | openssl dgst -sha256 -binary | base64
        let app_service = AppService::new("key of the site").unwrap();
        let expected = STANDARD.encode(hash(b"key of the site"));
        let sent = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(INTERNAL_TOKEN, line.parse().unwrap());
            }
            app_service.sent(&headers)
        };

        assert!(sent(&[&expected]));
        for wrong in [
            &[][..],
            &[""],
            &["key of the site"],
            &[&expected[..40]],
            &[&expected.to_lowercase()],
            &[&format!("{expected}{expected}")],
            &[&expected, &expected],
        ] {
            assert!(!sent(wrong), "{wrong:?}");
        }
    }

    fn guard(clock: &Clock) -> Guard {
        let mut tokens = Tokens::default();
        tokens.add(Token::new(RIGHT).unwrap());
        Guard::new(tokens, &Environment::new().clock(clock.clone())).unwrap()
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| (AUTHORIZATION, HeaderValue::from_str(line).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, line);
        }
        headers
    }
}
