//! Tokens: 256 random bits, of which only digests are kept.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::Refusal;
use crate::model::TokenDigests;

/// What a token begins with, so that people and scanners for secrets know one when they see it.
pub const PREFIX: &str = "tg_";

/// What the sessions of a token are bound to begins with this.
const SESSION_PREFIX: &str = "tgs_";

/// Makes a token.
pub fn mint() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::new(format!("the system gives no random numbers: {e}")))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of a token.
pub fn digests(token: &str) -> TokenDigests {
    TokenDigests { token: digest(token), session: digest(&session(token)) }
}

/// What the sessions of a token are bound to: nobody can tell the token from it, and another token has another one.
fn session(token: &str) -> String {
    let derived = Sha256::new().chain_update("tidegate session\0").chain_update(token).finalize();
    format!("{SESSION_PREFIX}{}", URL_SAFE_NO_PAD.encode(derived))
}

/// The digest by which a token is known again.
pub fn digest(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Why a text cannot be the name of a token.
pub fn refuse_name(name: &str) -> Option<Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    let is_good =
        !name.is_empty() && name.len() <= 100 && name.chars().all(fits) && !name.starts_with(['.', '-']);
    // Who reads the trail must not take a token for somebody without one.
    let is_taken = ["anonymous", "tidegate"].contains(&name);
    let hint = "name whoever has it, such as `ana` or `ci`: letters, digits, `_`, `-`, `.` and `@`, at most 100 of them";
    (!is_good || is_taken).then(|| Refusal {
        hint: Some(hint.to_owned()),
        ..Refusal::new(format!("`{}` cannot be the name of a token", name.escape_debug()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digests_and_a_session_is_no_token() {
        let (token, other) = (mint().unwrap(), mint().unwrap());
        assert_ne!(token, other);
        assert_eq!(token.len(), PREFIX.len() + 43, "256 bits");
        let kept = digests(&token);
        assert_eq!(kept.token, digest(&token));
        assert_eq!(kept.session, digest(&session(&token)));
        assert_ne!(kept.token, kept.session);
        assert_ne!(digest(&session(&token)), digests(&session(&token)).session);
        assert!(!format!("{kept:?}").contains(&token[PREFIX.len()..]));
    }

    #[test]
    fn names_of_tokens_are_plain() {
        for good in ["ana", "ci-2", "ana@example.com", "a.b_c"] {
            assert_eq!(refuse_name(good), None, "{good}");
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "ä", "anonymous", "tidegate", &"a".repeat(101)] {
            assert!(refuse_name(bad).is_some(), "{bad}");
        }
    }
}
