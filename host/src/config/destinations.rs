//! Where notifications can go: from the words of the file to values, and what a web address and a header have to be.
//!
//! A secret is never in a message, a record or a `Debug`: neither its text nor, of an address, any part of it. Whether the
//! variable or file that has it is there is asked when something is delivered.

mod shape;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use email_address::{EmailAddress, Options};
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{ConfigProblem, automation::duration};
pub use shape::{DestinationConfig, Hidden, HttpConfig, SecretConfig, SmtpConfig, StdoutConfig, Tls};

/// The header that has a signature, where the operator names no other.
pub const SIGNATURE_HEADER: &str = "X-Tidegate-Signature";

/// The longest time that a delivery may be given.
const LONGEST_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// Headers that belong to the connection, or that Tidegate sets.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A place that notifications can go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// What it is.
    pub to: Place,
}

/// What a destination is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A web address.
    Http(Http),
    /// A mail server, and whom it brings mails to.
    Smtp(Smtp),
    /// A file, absolute.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// A web address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The address.
    pub url: Secret,
    /// Headers of each request.
    pub headers: BTreeMap<String, Secret>,
    /// How requests are signed; none where they are not.
    pub sign: Option<Sign>,
    /// How long a delivery may take.
    pub timeout: SignedDuration,
}

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The key.
    pub secret: Secret,
    /// The header that has the signature.
    pub header: String,
}

/// A mail server, and whom it brings mails to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// The user and the password.
    pub login: Option<(Secret, Secret)>,
    /// The sender.
    pub from: Mailbox,
    /// Whom mails go to; at least one.
    pub to: Vec<Mailbox>,
    /// How long a delivery may take.
    pub timeout: SignedDuration,
}

/// A mail address, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name of a person or a team.
    pub name: Option<String>,
    /// The address, in ASCII.
    pub address: String,
}

/// A secret, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Text(Hidden),
    /// An environment variable.
    Env(String),
    /// A file, absolute.
    File(PathBuf),
}

impl Destination {
    /// `http`, `smtp`, `file` or `stdout`.
    pub fn kind(&self) -> &'static str {
        match self.to {
            Place::Http(_) => "http",
            Place::Smtp(_) => "smtp",
            Place::File(_) => "file",
            Place::Stdout => "stdout",
        }
    }

    /// Its secrets, each with the key that has it, such as `url` or `headers.Authorization`.
    pub fn secrets(&self) -> Vec<(String, &Secret)> {
        match &self.to {
            Place::Http(http) => {
                let headers = http.headers.iter().map(|(name, value)| (format!("headers.{name}"), value));
                let sign = http.sign.iter().map(|sign| ("sign.secret".to_owned(), &sign.secret));
                [("url".to_owned(), &http.url)].into_iter().chain(headers).chain(sign).collect()
            }
            Place::Smtp(smtp) => {
                let login = smtp.login.iter();
                login
                    .flat_map(|(user, word)| [("username".to_owned(), user), ("password".to_owned(), word)])
                    .collect()
            }
            Place::File(_) | Place::Stdout => Vec::new(),
        }
    }

    /// The configuration for records and comparisons: of secrets only where they are.
    pub fn record(&self) -> Value {
        let record = match &self.to {
            Place::Http(http) => json!({
                "url": http.url.record(),
                "headers": http.headers.iter().map(|(name, v)| (name.clone(), v.record())).collect::<BTreeMap<_, _>>(),
                "sign": http.sign.as_ref().map(|s| json!({ "secret": s.secret.record(), "header": s.header })),
                "timeout": format!("{:#}", http.timeout),
            }),
            Place::Smtp(smtp) => json!({
                "host": smtp.host,
                "port": smtp.port,
                "tls": smtp.tls,
                "username": smtp.login.as_ref().map(|(user, _)| user.record()),
                "password": smtp.login.as_ref().map(|(_, word)| word.record()),
                "from": smtp.from.to_string(),
                "to": smtp.to.iter().map(Mailbox::to_string).collect::<Vec<_>>(),
                "timeout": format!("{:#}", smtp.timeout),
            }),
            Place::File(path) => json!({ "path": path }),
            Place::Stdout => json!({}),
        };
        json!({ self.kind(): record })
    }
}

impl Secret {
    pub(super) fn record(&self) -> Value {
        match self {
            Self::Text(_) => json!("*****"),
            Self::Env(name) => json!({ "env": name }),
            Self::File(path) => json!({ "file": path }),
        }
    }
}

impl std::fmt::Display for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

impl Mailbox {
    /// Reads `ADDRESS` or `NAME <ADDRESS>`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text.trim()),
        };
        if name.chars().any(char::is_control) {
            return Err("the name has a control character".to_owned());
        }
        if !address.is_ascii() {
            return Err("an address has to be in ASCII; write the domain as `xn--…`".to_owned());
        }
        let options = Options::default().without_display_text().without_domain_literal();
        EmailAddress::parse_with_options(address, options)
            .map_err(|e| e.to_string().to_lowercase().trim_end_matches('.').to_owned())?;
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { name, address: address.to_owned() })
    }

    /// What is behind the `@`.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Reads a web address that requests can be sent to. An error never has a part of it.
pub fn web_address(text: &str) -> Result<Url, String> {
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return Err("has a space or a control character in it".to_owned());
    }
    let url = Url::parse(text).map_err(|e| format!("is no web address: {e}"))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err("has to begin with `https://` or `http://`".to_owned());
    }
    if url.fragment().is_some() {
        return Err("has a `#`, behind which nothing is ever sent".to_owned());
    }
    Ok(url)
}

/// Why a text cannot be the name of a header of HTTP.
pub fn refuse_header_name(name: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match name {
        "" => Some("needs a name"),
        name if name.len() > 200 => Some("is too long for a header's name"),
        name if !name.chars().all(fits) => Some("has a character that the name of a header must not have"),
        _ => None,
    }
}

/// Why a text cannot be the value of a header.
pub fn refuse_header_value(value: &str) -> Option<&'static str> {
    match value {
        value if value.contains(['\r', '\n']) => Some("has a line end in it"),
        value if !value.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic()) => {
            Some("has a character that is not printable ASCII")
        }
        _ => None,
    }
}

/// Whether a header belongs to the connection or to Tidegate, so that neither an operator nor a notifier can set it.
pub fn is_own_header(name: &str) -> bool {
    OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Mistakes with the way to the key that has each.
type Problems = Vec<(Vec<String>, ConfigProblem)>;

/// Reads a secret, or where it is; an error says what is wrong with its key.
pub(super) fn secret(secret: SecretConfig, base: &Path) -> Result<Secret, &'static str> {
    let source = match secret {
        SecretConfig::Text(text) if text.expose().is_empty() => return Err("is empty"),
        SecretConfig::Text(text) => return Ok(Secret::Text(text)),
        SecretConfig::From(source) => source,
    };
    match (source.env, source.file) {
        (Some(name), None) if name.is_empty() || name.contains(['=', '\0']) => {
            Err("does not name an environment variable")
        }
        (Some(name), None) => Ok(Secret::Env(name)),
        (None, Some(path)) if path.file_name().is_none() => Err("does not name a file"),
        (None, Some(path)) => Ok(Secret::File(base.join(path).components().collect())),
        _ => Err("is a text, { env = \"NAME\" } or { file = \"path\" }"),
    }
}

struct Resolving<'a> {
    name: &'a str,
    base: &'a Path,
    problems: Problems,
}

/// Reads a destination.
pub(super) fn resolve(name: &str, config: DestinationConfig, base: &Path) -> Result<Destination, Problems> {
    let mut resolving = Resolving { name, base, problems: Vec::new() };
    let DestinationConfig { http, smtp, file, stdout } = config;
    let to = match (http, smtp, file, stdout) {
        (Some(http), None, None, None) => resolving.http(http),
        (None, Some(smtp), None, None) => resolving.smtp(smtp),
        (None, None, Some(file), None) => resolving.file(&file.path),
        (None, None, None, Some(StdoutConfig {})) => Some(Place::Stdout),
        (None, None, None, None) => {
            let problem = ConfigProblem::new(format!("destination `{name}` does not say what it is"));
            resolving.note(&[], problem.hint("it needs one of `http`, `smtp`, `file` and `stdout`"));
            None
        }
        _ => {
            let problem = ConfigProblem::new(format!("destination `{name}` is more than one thing"));
            resolving.note(&[], problem.hint("make it one of `http`, `smtp`, `file` and `stdout`"));
            None
        }
    };
    match to {
        Some(to) if resolving.problems.is_empty() => Ok(Destination { name: name.to_owned(), to }),
        _ => Err(resolving.problems),
    }
}

impl Resolving<'_> {
    fn note(&mut self, keys: &[&str], problem: ConfigProblem) {
        let path = ["destinations", self.name].iter().chain(keys).map(|key| (*key).to_owned()).collect();
        self.problems.push((path, problem));
    }

    /// The same where the key is what the sentence begins with.
    fn bad(&mut self, keys: &[&str], why: &str) {
        let key = keys[1..].join(".");
        self.note(keys, ConfigProblem::new(format!("destination `{}`: `{key}` {why}", self.name)));
    }

    fn http(&mut self, http: HttpConfig) -> Option<Place> {
        let url = self.secret(&["http", "url"], http.url);
        if let Some(Secret::Text(text)) = &url
            && let Err(why) = web_address(text.expose())
        {
            self.bad(&["http", "url"], &why);
        }
        let mut headers = BTreeMap::new();
        for (name, value) in http.headers {
            let keys = ["http", "headers", name.as_str()];
            if let Some(why) = refuse_header_name(&name) {
                self.bad(&keys, why);
            } else if is_own_header(&name) {
                self.bad(&keys, "is set by Tidegate itself");
            } else if headers.keys().any(|other: &String| other.eq_ignore_ascii_case(&name)) {
                self.bad(&keys, "is there twice");
            }
            let Some(value) = self.secret(&keys, value) else { continue };
            if let Secret::Text(text) = &value
                && let Some(why) = refuse_header_value(text.expose())
            {
                self.bad(&keys, why);
            }
            headers.insert(name, value);
        }
        let sign = http.sign.and_then(|sign| {
            let header = sign.header.unwrap_or_else(|| SIGNATURE_HEADER.to_owned());
            let keys = ["http", "sign", "header"];
            if let Some(why) = refuse_header_name(&header) {
                self.bad(&keys, why);
            } else if is_own_header(&header) {
                self.bad(&keys, "names a header that is set for something else");
            } else if headers.keys().any(|other| other.eq_ignore_ascii_case(&header)) {
                self.bad(&keys, "names a header that is in `headers` too");
            }
            Some(Sign { secret: self.secret(&["http", "sign", "secret"], sign.secret)?, header })
        });
        let timeout = self.timeout(&["http", "timeout"], http.timeout, 10);
        Some(Place::Http(Http { url: url?, headers, sign, timeout }))
    }

    fn smtp(&mut self, smtp: SmtpConfig) -> Option<Place> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.:_[]".contains(c);
        if smtp.host.is_empty() || !smtp.host.chars().all(fits) {
            self.bad(&["smtp", "host"], "is not the name of a server");
        }
        let username = smtp.username.and_then(|secret| self.secret(&["smtp", "username"], secret));
        let password = smtp.password.and_then(|secret| self.secret(&["smtp", "password"], secret));
        let login = match (username, password) {
            (Some(username), Some(password)) => Some((username, password)),
            (None, None) => None,
            (Some(_), None) => {
                self.bad(&["smtp", "username"], "needs a `password` beside it");
                None
            }
            (None, Some(_)) => {
                self.bad(&["smtp", "password"], "needs a `username` beside it");
                None
            }
        };
        let here = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&smtp.host.as_str());
        if login.is_some() && smtp.tls == Tls::None && !here {
            self.bad(&["smtp", "tls"], "cannot be `none` with a password: everybody could read it");
        }
        let from = self.mailbox(&["smtp", "from"], &smtp.from);
        let to: Vec<_> =
            smtp.to.as_slice().iter().filter_map(|text| self.mailbox(&["smtp", "to"], text)).collect();
        if smtp.to.as_slice().is_empty() {
            self.bad(&["smtp", "to"], "names nobody");
        }
        let standard = match smtp.tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        };
        let port = smtp.port.map_or(standard, |port| u16::try_from(port).unwrap_or_default());
        if port == 0 {
            self.bad(&["smtp", "port"], "should be from 1 to 65535");
        }
        let timeout = self.timeout(&["smtp", "timeout"], smtp.timeout, 30);
        Some(Place::Smtp(Smtp { host: smtp.host, port, tls: smtp.tls, login, from: from?, to, timeout }))
    }

    fn file(&mut self, path: &Path) -> Option<Place> {
        if path.as_os_str().is_empty() || path.file_name().is_none() {
            self.bad(&["file", "path"], "does not name a file");
            return None;
        }
        Some(Place::File(self.base.join(path).components().collect()))
    }

    fn secret(&mut self, keys: &[&str], secret: SecretConfig) -> Option<Secret> {
        self::secret(secret, self.base).map_err(|why| self.bad(keys, why)).ok()
    }

    fn mailbox(&mut self, keys: &[&str], text: &str) -> Option<Mailbox> {
        Mailbox::parse(text)
            .map_err(|why| {
                let problem = ConfigProblem::new(format!(
                    "destination `{}`: `{}` is not a mail address: {why}",
                    self.name,
                    text.escape_debug()
                ));
                self.note(keys, problem.hint("write `NAME@DOMAIN` or `Somebody <NAME@DOMAIN>`"));
            })
            .ok()
    }

    fn timeout(&mut self, keys: &[&str], text: Option<String>, standard: i64) -> SignedDuration {
        let standard = SignedDuration::from_secs(standard);
        match text.as_deref().map(duration) {
            None => standard,
            Some(Ok(timeout)) if timeout <= LONGEST_TIMEOUT => timeout,
            Some(Ok(_)) => {
                self.bad(keys, "is more than `5m`");
                standard
            }
            Some(Err(mut problem)) => {
                problem.message = format!("destination `{}`: timeout: {}", self.name, problem.message);
                self.note(keys, problem);
                standard
            }
        }
    }
}
