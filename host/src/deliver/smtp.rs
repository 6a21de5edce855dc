//! A mail by SMTP: one connection, one mail.

use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{SmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Code,
    },
};

use super::{Again, Delivered, DeliveryError, certificates, mail, secrets::Secrets};
use crate::{
    config::{Mailbox, Smtp, Tls},
    model::DeliveryRequest,
};

/// The least time that a step gets.
const SHORTEST_STEP: Duration = Duration::from_millis(1);

/// Sends a mail. One that some of those it is for cannot get goes to the others.
pub(super) fn send(
    smtp: &Smtp,
    request: &DeliveryRequest,
    key: &str,
    at: Timestamp,
    secrets: &mut Secrets,
) -> Result<Delivered, DeliveryError> {
    let mut mail = mail::compose(smtp, request, key, at)?;
    // The end of the mail begins with a line end.
    if mail.ends_with(b"\r\n") {
        mail.truncate(mail.len() - 2);
    }
    let login = match &smtp.login {
        None => None,
        Some((user, word)) => {
            let (user, word) = (secrets.read("username", user)?, secrets.read("password", word)?);
            // As they go over the wire.
            for text in [format!("\0{user}\0{word}"), user.clone(), word.clone()] {
                secrets.keep_out(&BASE64_STANDARD.encode(text));
            }
            Some(Credentials::new(user, word))
        }
    };
    let from = address(&smtp.from)?;
    let to = smtp.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let timeout = Duration::try_from(smtp.timeout).unwrap_or(Duration::from_secs(30));
    let mut call = Call::open(smtp, timeout)?;
    if let Some(login) = login {
        call.step("the login", |c| c.auth(&[Mechanism::Plain, Mechanism::Login], &login).map(drop))?;
    }
    let mut options = Vec::new();
    if !mail.is_ascii() {
        if !call.connection.server_info().supports_feature(Extension::EightBitMime) {
            return Err(DeliveryError::never(
                "the server takes no 8BITMIME, and the notifier's mail has parts that are not in ASCII",
            ));
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    call.step("the sender", |c| c.command(Mail::new(Some(from), options)))?;
    let mut refused = Vec::new();
    for (mailbox, address) in smtp.to.iter().zip(to) {
        let what = format!("the recipient {}", mailbox.address);
        match call.step(&what, |c| c.command(Rcpt::new(address, vec![]))) {
            Ok(_) => {}
            Err(error) if error.again == Again::Never => refused.push(error),
            // Nobody has got it yet: the next try is for all.
            Err(error) => return Err(error),
        }
    }
    if refused.len() == smtp.to.len()
        && let Some(first) = refused.pop()
    {
        return Err(first);
    }
    call.step("the mail", |c| c.command(Data))?;
    let response = call.step("the mail", |c| c.message(&mail))?;
    let mut said = format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "));
    for error in refused {
        said.push_str(&format!("; {error}"));
    }
    Ok(Delivered { status: Some(status(response.code())), said })
}

fn address(mailbox: &Mailbox) -> Result<Address, DeliveryError> {
    let parsed = mailbox.address.parse();
    parsed.map_err(|e| DeliveryError::never(format!("{} is not a mail address: {e}", mailbox.address)))
}

fn status(code: Code) -> u16 {
    code.to_string().parse().unwrap_or_default()
}

/// A connection to a mail server, and until when everything may take.
struct Call<'a> {
    smtp: &'a Smtp,
    connection: SmtpConnection,
    until: Instant,
}

impl<'a> Call<'a> {
    /// Connects and encrypts.
    fn open(smtp: &'a Smtp, timeout: Duration) -> Result<Self, DeliveryError> {
        let until = Instant::now() + timeout;
        let failed = |e: Error| failed(smtp, "the connection", &e);
        let host = smtp.host.trim_matches(['[', ']']);
        let tls = match smtp.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Implicit => {
                let tls = TlsParameters::builder(host.to_owned());
                Some(tls.certificate_store(certificates::for_mail()).build().map_err(failed)?)
            }
        };
        // The sender's domain is a name that the server can look up; that of this machine often is not.
        let hello = ClientId::Domain(smtp.from.domain().to_owned());
        let implicit = tls.as_ref().filter(|_| smtp.tls == Tls::Implicit);
        let connection = SmtpConnection::connect((host, smtp.port), Some(timeout), &hello, implicit, None)
            .map_err(failed)?;
        let mut call = Self { smtp, connection, until };
        if let Some(tls) = tls.filter(|_| smtp.tls == Tls::Starttls) {
            if !call.connection.can_starttls() {
                return Err(DeliveryError::later("the server offers no STARTTLS; nothing was sent to it"));
            }
            call.step("STARTTLS", |c| c.starttls(&tls, &hello))?;
        }
        Ok(call)
    }

    /// A step of the dialogue, which may take what is left of the time.
    fn step<T>(
        &mut self,
        what: &str,
        does: impl FnOnce(&mut SmtpConnection) -> Result<T, Error>,
    ) -> Result<T, DeliveryError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(self.smtp));
        }
        let set = self.connection.set_timeout(Some(left.max(SHORTEST_STEP)));
        set.map_err(|e| DeliveryError::later(format!("the connection failed: {e}")))?;
        does(&mut self.connection).map_err(|e| failed(self.smtp, what, &e))
    }
}

/// The server hears of the end, however it comes to it.
impl Drop for Call<'_> {
    fn drop(&mut self) {
        let _ = self.connection.set_timeout(Some(Duration::from_secs(1)));
        self.connection.abort();
    }
}

fn late(smtp: &Smtp) -> DeliveryError {
    DeliveryError::later(format!("the server did not answer within {:#}", smtp.timeout))
}

fn failed(smtp: &Smtp, what: &str, error: &Error) -> DeliveryError {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if let Some(code) = error.status() {
        let message = format!("the server refuses {what}: {code} {source}");
        let refused = match error.is_permanent() {
            true => DeliveryError::never(message),
            false => DeliveryError::later(message),
        };
        return refused.with_status(status(code));
    }
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    let kind = cause.map(io::Error::kind);
    if error.is_timeout() || matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
        return late(smtp);
    }
    let source = if source.is_empty() { error.to_string() } else { source };
    DeliveryError::later(format!("{what} failed: {source}"))
}
