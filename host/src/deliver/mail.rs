//! The text of a mail: the host's headers, the notifier's subject, and its content as it is.

use base64::{Engine, prelude::BASE64_STANDARD};
use email_encoding::headers::{quoted_string, rfc2047, writer::EmailWriter};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

use super::DeliveryError;
use crate::{
    config::{Mailbox, Smtp},
    model::DeliveryRequest,
};

/// The longest subject, in characters; a longer one is cut.
const LONGEST_SUBJECT: usize = 500;
/// The longest line that every mail server takes.
const LONGEST_LINE: usize = 998;

/// What a notifier says of a mail.
#[derive(Default)]
struct Wanted<'a> {
    subject: Option<&'a str>,
    content_type: Option<&'a str>,
    encoding: Option<String>,
    others: Vec<(&'a str, &'a str)>,
}

/// A whole mail, its lines ended as SMTP wants it. A key is the same `Message-ID` at each try.
pub(super) fn compose(
    smtp: &Smtp,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
) -> Result<Vec<u8>, DeliveryError> {
    let wanted = wanted(request)?;
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let content_type = wanted.content_type.unwrap_or("text/plain; charset=utf-8");
    let multipart = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/");
    let (encoding, body) = content(&request.body, wanted.encoding.as_deref(), multipart)?;
    let date = rfc2822::to_string(&at.to_zoned(TimeZone::UTC))
        .map_err(|e| DeliveryError::never(format!("the time cannot be written: {e}")))?;

    let mut head = String::new();
    let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    line("From", &mailboxes("From", std::slice::from_ref(&smtp.from)));
    line("To", &mailboxes("To", &smtp.to));
    line("Date", &date);
    line("Message-ID", &format!("<tidegate.{}@{}>", &hash[..32], smtp.from.domain()));
    line("Subject", &subject(wanted.subject.unwrap_or("Tidegate")));
    // No answering machine answers to it.
    line("Auto-Submitted", "auto-generated");
    line("MIME-Version", "1.0");
    line("Content-Type", content_type);
    line("Content-Transfer-Encoding", encoding);
    for (name, value) in wanted.others {
        line(name, value);
    }
    let mut mail = head.into_bytes();
    mail.extend_from_slice(b"\r\n");
    mail.extend_from_slice(&body);
    Ok(mail)
}

fn wanted(request: &DeliveryRequest) -> Result<Wanted<'_>, DeliveryError> {
    let mut wanted = Wanted::default();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in &request.headers {
        let bad = |why: &str| {
            Err(DeliveryError::never(format!("the notifier's header `{}` {why}", name.escape_debug())))
        };
        let lower = name.to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if lower != "subject" && !lower.starts_with("content-") || !name.chars().all(fits) {
            return bad("is not one of `Subject` and `Content-…`; the others are Tidegate's");
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return bad("has a line end or another control character in it");
        }
        if lower != "subject" && (!value.is_ascii() || name.len() + value.len() + 2 > LONGEST_LINE) {
            return bad("has to be in ASCII, and no longer than a line");
        }
        if seen.contains(&lower) {
            return bad("is there twice");
        }
        match lower.as_str() {
            "subject" => wanted.subject = Some(value),
            "content-type" => wanted.content_type = Some(value),
            "content-transfer-encoding" => wanted.encoding = Some(value.trim().to_ascii_lowercase()),
            _ => wanted.others.push((name, value)),
        }
        seen.push(lower);
    }
    Ok(wanted)
}

/// The body as it is sent, and the encoding that it is in. What is one part, and does not fit through every server as it is, is
/// encoded here; several parts have encodings of their own, and have to fit.
fn content(
    body: &[u8],
    encoding: Option<&str>,
    multipart: bool,
) -> Result<(&'static str, Vec<u8>), DeliveryError> {
    let bad = |why: String| Err(DeliveryError::never(why));
    let encoding = match encoding {
        None => None,
        Some("7bit") => Some("7bit"),
        Some("8bit") => Some("8bit"),
        Some("quoted-printable") => Some("quoted-printable"),
        Some("base64") => Some("base64"),
        Some(other) => {
            return bad(format!("the notifier's encoding `{}` cannot be sent", other.escape_debug()));
        }
    };
    let lines = with_crlf(body);
    let short = lines.split(|b| *b == b'\n').all(|line| line.len() <= LONGEST_LINE + 1);
    let fits = short && !body.contains(&0);
    match encoding {
        Some(encoding @ ("7bit" | "quoted-printable" | "base64")) if !fits || !body.is_ascii() => {
            bad(format!("the notifier's mail is not in the encoding that it names, `{encoding}`"))
        }
        Some(encoding @ ("7bit" | "quoted-printable" | "base64")) => Ok((encoding, lines)),
        _ if fits && body.is_ascii() => Ok(("7bit", lines)),
        _ if !multipart => Ok(("base64", in_base64(body))),
        _ if fits => Ok(("8bit", lines)),
        _ => bad(format!("the notifier's mail has a line of more than {LONGEST_LINE} bytes, or a NUL")),
    }
}

fn with_crlf(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 32);
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(byte),
        }
    }
    out
}

fn in_base64(body: &[u8]) -> Vec<u8> {
    let text = BASE64_STANDARD.encode(body);
    let mut out = Vec::with_capacity(text.len() + text.len() / 38 + 2);
    for line in text.as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A subject in ASCII as it is, folded; any other, and one that would be read as an encoded one, encoded.
fn subject(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = match text.char_indices().nth(LONGEST_SUBJECT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    let plain = text.is_ascii() && !text.contains("=?") && text.split(' ').all(|word| word.len() < 70);
    written("Subject", |writer| match plain {
        true => fold(&text, writer),
        false => rfc2047::encode(&text, writer),
    })
}

/// The value of a header that something writes, line by line.
fn written(header: &str, write: impl FnOnce(&mut EmailWriter<'_>) -> std::fmt::Result) -> String {
    let mut out = String::new();
    // Nothing that is written to a text fails.
    let _ = write(&mut EmailWriter::new(&mut out, header.len() + 2, 0, false));
    out
}

fn fold(text: &str, writer: &mut EmailWriter<'_>) -> std::fmt::Result {
    use std::fmt::Write;
    for (nth, word) in text.split(' ').enumerate() {
        if nth > 0 {
            writer.space();
        }
        writer.folding().write_str(word)?;
    }
    Ok(())
}

fn mailboxes(header: &str, all: &[Mailbox]) -> String {
    written(header, |writer| write_mailboxes(all, writer))
}

fn write_mailboxes(all: &[Mailbox], writer: &mut EmailWriter<'_>) -> std::fmt::Result {
    use std::fmt::Write;
    for (nth, mailbox) in all.iter().enumerate() {
        if nth > 0 {
            writer.write_char(',')?;
            writer.space();
        }
        match &mailbox.name {
            Some(name) => {
                quoted_string::encode(name, writer)?;
                writer.space();
                writer.folding().write_str(&format!("<{}>", mailbox.address))?;
            }
            None => writer.folding().write_str(&mailbox.address)?,
        }
    }
    Ok(())
}
