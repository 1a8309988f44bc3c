//! What proves that one may see details.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::error::InvalidConfig;

/// A secret that proves that one may see details.
///
/// Only its SHA-256 hash is kept, and what it was made of is overwritten at once; a copy that the
/// caller keeps is the caller's to overwrite. It can be neither printed nor read back.
///
/// # Example
///
/// A good one is made with `openssl rand -hex 32` and comes from a vault:
///
/// ```
/// use seawall::health::Token;
///
/// let token = Token::new("c2a4e6f81b3d5f7091b3d5f7a2c4e6f80913579bdf02468ace13579bdf024680")?;
///
/// let error = Token::new("hunter2").err();
/// assert_eq!(error.unwrap().to_string(), "`token` must be from 32 to 512 bytes long");
/// # let _ = token;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[expect(missing_debug_implementations, reason = "nothing of a secret is ever printed")]
pub struct Token {
    hash: Hash,
}

pub(super) type Hash = [u8; 32];

impl Token {
    /// Takes the secret.
    ///
    /// # Errors
    ///
    /// It must be from 32 to 512 bytes long, and of visible ASCII characters, since it travels in a
    /// header.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, InvalidConfig> {
        let secret = Zeroizing::new(secret.into());
        if !(SHORTEST..=LONGEST).contains(&secret.len()) {
            return Err(InvalidConfig::new("token", "from 32 to 512 bytes long"));
        }
        if !secret.iter().all(u8::is_ascii_graphic) {
            return Err(InvalidConfig::new("token", "of visible ASCII characters"));
        }
        Ok(Self { hash: hash(&secret) })
    }

    /// Whether `presented` is it. Takes as long whatever it differs in.
    fn is(&self, presented: &Hash) -> Choice {
        self.hash.ct_eq(presented)
    }
}

/// The tokens that hold at present: several while one replaces another.
#[derive(Default)]
pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    pub(super) fn add(&mut self, token: Token) {
        self.0.push(token);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `presented` is one of them. All are compared, whichever it is.
    pub(super) fn contain(&self, presented: &[u8]) -> bool {
        let presented = hash(presented);
        let any = self.0.iter().fold(Choice::from(0), |any, token| any | token.is(&presented));
        any.into()
    }
}

pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

const SHORTEST: usize = 32;
/// Nothing longer is hashed, so that a guess costs no more than this.
pub(super) const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_travels_in_a_header_and_is_hard_to_guess() {
        for (secret, good) in [
            ("x".repeat(31), false),
            ("x".repeat(32), true),
            ("x".repeat(512), true),
            ("x".repeat(513), false),
            (format!("{} ", "x".repeat(40)), false),
            (format!("{}\u{e4}", "x".repeat(40)), false),
            (format!("{}\n", "x".repeat(40)), false),
        ] {
            assert_eq!(Token::new(secret.clone()).is_ok(), good, "{secret:?}");
        }
    }

    #[test]
    fn each_of_several_holds_and_nothing_else() {
        let mut tokens = Tokens::default();
        assert!(!tokens.contain(b""));
        for letter in ["a", "b"] {
            tokens.add(Token::new(letter.repeat(32)).unwrap());
        }

        assert!(tokens.contain("a".repeat(32).as_bytes()));
        assert!(tokens.contain("b".repeat(32).as_bytes()));
        for wrong in ["", "a", &"a".repeat(31), &"a".repeat(33), &"A".repeat(32)] {
            assert!(!tokens.contain(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
