//! The signature of a request, by which its receiver can tell whose it is, and that it is not an old one sent again; of those
//! that we send, and of those that we get.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 with the secret over the seconds, a dot and the body as it is sent.
pub(super) fn sign(secret: &str, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_second();
    let mut out = format!("t={seconds},v1=");
    let Some(mac) = mac(secret, &[format!("{seconds}.").as_bytes(), body]) else { return String::new() };
    for byte in mac.finalize().into_bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A signature that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// When it was made; none where that is not signed too.
    pub at: Option<Timestamp>,
    /// The signature itself.
    pub signature: String,
}

/// Whether a request is signed as we sign, whenever that was; none where it is not. Compares in constant time.
pub fn verify(secret: &str, header: &str, body: &[u8]) -> Option<Signed> {
    let (seconds, signature) = header.strip_prefix("t=")?.split_once(",v1=")?;
    let at = Timestamp::from_second(seconds.parse().ok()?).ok()?;
    let mac = mac(secret, &[seconds.as_bytes(), b".", body])?;
    mac.verify_slice(&bytes(signature)?).ok()?;
    Some(Signed { at: Some(at), signature: signature.to_ascii_lowercase() })
}

/// Whether a request is signed as GitHub signs: `sha256=HEX`, over the body alone. Compares in constant time.
pub fn verify_github(secret: &str, header: &str, body: &[u8]) -> bool {
    let signature = header.strip_prefix("sha256=").and_then(bytes);
    match (signature, mac(secret, &[body])) {
        (Some(signature), Some(mac)) => mac.verify_slice(&signature).is_ok(),
        _ => false,
    }
}

fn mac(secret: &str, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    // A key of any length will do: a long one is hashed first.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_sign_we_know_again_and_nothing_else() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let header = sign("a secret of ours", at, b"{}");
        let signed = verify("a secret of ours", &header, b"{}").unwrap();
        assert_eq!(signed.at, Some(at));
        assert!(header.ends_with(&signed.signature));
        assert_eq!(verify("a secret of ours", &header, b"{ }"), None);
        assert_eq!(verify("another secret", &header, b"{}"), None);
        assert_eq!(verify("a secret of ours", &header.replace("t=17", "t=18"), b"{}"), None);
        for nonsense in
            ["", "t=", "t=1", "t=1,v1=", "t=x,v1=00", "v1=00,t=1", &header[..header.len() - 1], "t=1,v1=ü"]
        {
            assert_eq!(verify("a secret of ours", nonsense, b"{}"), None, "{nonsense}");
        }
    }

    #[test]
    fn github_is_known_by_its_own_example() {
        // The example of GitHub's documentation.
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(verify_github("It's a Secret to Everybody", header, b"Hello, World!"));
        assert!(!verify_github("It's a Secret to Everybody", header, b"Hello, World?"));
        assert!(!verify_github("It's a secret to everybody", header, b"Hello, World!"));
        assert!(!verify_github("It's a Secret to Everybody", &header[7..], b"Hello, World!"));
    }
}
