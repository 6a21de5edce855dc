//! MIME: two forms of one content, in lines that every mail server passes on (RFC 2045, 2046).
//!
//! Owns the encoding. The boundary has `=_` in it, which cannot stand in a part: an encoded `=` is followed by digits.

/// The content's type.
pub const CONTENT_TYPE: &str = "multipart/alternative; boundary=\"=_tidegate\"";

/// The longest line of quoted-printable, without its end.
const LINE: usize = 76;

/// Both forms in one; mailers show the last that they can.
pub fn alternatives(text: &str, html: &str) -> String {
    let mut content = String::new();
    for (kind, part) in [("plain", text), ("html", html)] {
        content.push_str("--=_tidegate\r\n");
        content.push_str(&format!("Content-Type: text/{kind}; charset=utf-8\r\n"));
        content.push_str("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        content.push_str(&quoted_printable(part));
        content.push_str("\r\n");
    }
    content.push_str("--=_tidegate--\r\n");
    content
}

fn quoted_printable(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            encoded.push_str("\r\n");
        }
        let mut used = 0;
        let bytes = line.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            let is_last = at + 1 == bytes.len();
            // Blanks at the end of a line get lost on the way.
            let as_it_is = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (byte == b' ' && !is_last);
            let length = if as_it_is { 1 } else { 3 };
            if used + length >= LINE {
                encoded.push_str("=\r\n");
                used = 0;
            }
            if as_it_is {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("={byte:02X}"));
            }
            used += length;
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_encoded_by_the_rules() {
        assert_eq!(quoted_printable("a = b\nc \n☃"), "a =3D b\r\nc=20\r\n=E2=98=83");
        let long = quoted_printable(&"x".repeat(200));
        assert_eq!(long.split("\r\n").map(str::len).collect::<Vec<_>>(), [76, 76, 50]);
        assert!(long.lines().take(2).all(|line| line.ends_with('=')));
    }
}
