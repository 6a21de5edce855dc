//! `[web]`: where the UI and the API answer, by which names, and to whom.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Host, Url};

pub use super::destinations::SecretConfig;
use super::{ConfigProblem, Secret, destinations};
use crate::model::Role;

/// Where the UI and the API answer, where nobody says so.
pub const LISTEN: &str = "127.0.0.1:4600";

/// Where the UI and the API answer, by which names, and what someone without a token may do.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// The address and port, or `off`. An address that other machines reach needs a token: `tidegate token new`. Default:
    /// `127.0.0.1:4600`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// More names by which browsers may ask for it, such as that of a reverse proxy; with a port where it is not the usual
    /// one. The host of `url` is one of them anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What someone without a token may do. Default: `none` where `url` or `hosts` name more than this machine, as with
    /// a reverse proxy, or a request says that it comes through one, else `operate`. At an address that other machines reach it is `none`, and nothing else is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<Anonymous>,
}

/// What someone without a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Everything.
    Operate,
    /// Look at everything.
    Read,
    /// Nothing.
    None,
}

impl Anonymous {
    /// The role; none where they may do nothing.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Operate => Some(Role::Operate),
            Self::Read => Some(Role::Read),
            Self::None => None,
        }
    }
}

/// What signs requests that start a job.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The key that both sides know, of at least 16 characters.
    pub secret: SecretConfig,
}

/// Where the host is to be heard, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The address; none where nowhere but on the socket of the state directory.
    pub listen: Option<SocketAddr>,
    /// More names, in lower case, some with a port.
    pub hosts: Vec<String>,
    /// What the file says of those without a token.
    pub anonymous: Option<Anonymous>,
    /// Whether the file has a name for it that is none of this machine's own: a proxy's, through which others come.
    pub is_named: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: LISTEN.parse().ok(), hosts: Vec::new(), anonymous: None, is_named: false }
    }
}

impl Web {
    /// What someone without a token may do at an address: nothing, where other machines reach it, or come through a proxy
    /// and the file does not say otherwise. A proxy is one that the file names, or that has a hand in the request itself.
    pub fn anonymous_at(&self, address: SocketAddr, is_proxied: bool) -> Option<Role> {
        if !is_loopback(address.ip()) {
            return None;
        }
        let usual = if self.is_named || is_proxied { Anonymous::None } else { Anonymous::Operate };
        self.anonymous.unwrap_or(usual).role()
    }

    /// What `differences` compares.
    pub(super) fn record(&self) -> Value {
        let listen = self.listen.map_or_else(|| "off".to_owned(), |address| address.to_string());
        json!({ "listen": listen, "hosts": self.hosts, "anonymous": self.anonymous })
    }
}

/// Whether only this machine reaches an address.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Reads where to listen: an address with a port, or `off`.
pub fn listen(text: &str) -> Result<Option<SocketAddr>, ConfigProblem> {
    if text == "off" {
        return Ok(None);
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map(Some).map_err(|_| {
        ConfigProblem::new(format!("`{}` is no address with a port", text.escape_debug()))
            .hint("write `127.0.0.1:4600`, `0.0.0.0:4600` for every address of this machine, or `off`")
    })
}

/// Whether a name is one by which this machine alone knows itself.
fn is_local(name: &str) -> bool {
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(is_loopback)
}

/// Each problem comes with the key that it is in.
pub(super) fn resolve(
    config: &WebConfig,
    url: Option<&str>,
) -> Result<Web, Vec<(&'static str, ConfigProblem)>> {
    let mut problems = Vec::new();
    let mut web = Web { anonymous: config.anonymous, ..Web::default() };
    match config.listen.as_deref().map(listen) {
        None => {}
        Some(Ok(listen)) => web.listen = listen,
        Some(Err(problem)) => problems.push(("listen", problem.of("listen"))),
    }
    let named = |name: &str| !is_local(name);
    web.is_named = url.and_then(host_of).is_some_and(|(name, _)| named(&name))
        || config.hosts.iter().filter_map(|host| name_and_port(host)).any(|(name, _)| named(&name));
    for host in &config.hosts {
        if name_and_port(host).is_none() {
            let problem =
                ConfigProblem::new(format!("hosts: `{}` is not the name of a host", host.escape_debug()))
                    .hint("write `tidegate.example.com`, or `tidegate.example.com:8443` with a port");
            problems.push(("hosts", problem));
        }
        web.hosts.push(host.to_ascii_lowercase());
    }
    if let (Some(address), Some(anonymous)) = (web.listen, web.anonymous)
        && !is_loopback(address.ip())
        && anonymous != Anonymous::None
    {
        let may = if anonymous == Anonymous::Read { "see" } else { "change" };
        let problem = ConfigProblem::new(format!(
            "anonymous: whoever reaches {address} could {may} everything without a token"
        ));
        problems.push((
            "anonymous",
            problem.hint(
                "leave it out, and make a token for each person and program: `tidegate token new NAME`",
            ),
        ));
    }
    if problems.is_empty() { Ok(web) } else { Err(problems) }
}

/// The name and the port of `NAME[:PORT]`, as a `Host` header has them; none where it is no such thing. Names are in lower case,
/// addresses of IPv6 in brackets.
pub fn name_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || text.len() > 300 || !text.chars().all(is_plain) {
        return None;
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            (name, Some(port.parse().ok().filter(|_| is_number)?))
        }
        _ => (text, None),
    };
    // As a browser reads it: `127.1` and `0x7f000001` are addresses too.
    let host = Host::parse(name).ok()?;
    Some((host.to_string(), port))
}

/// The name and port of the address at which people reach the UI.
pub fn host_of(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// Reads the secret of a webhook.
pub(super) fn webhook(config: &WebhookConfig, base: &Path) -> Result<Secret, ConfigProblem> {
    let secret = destinations::secret(config.secret.clone(), base);
    match secret {
        Ok(Secret::Text(text)) if text.expose().chars().count() < LEAST_SECRET => {
            Err(ConfigProblem::new(format!("webhook: `secret` has less than {LEAST_SECRET} characters")))
        }
        Ok(secret) => Ok(secret),
        Err(why) => Err(ConfigProblem::new(format!("webhook: `secret` {why}"))),
    }
}

/// A shorter secret could be guessed.
pub const LEAST_SECRET: usize = 16;

/// The difference between two secrets that stand in the file, without a word of them.
pub(super) fn has_changed(old: Option<&Secret>, new: Option<&Secret>) -> bool {
    matches!((old, new), (Some(Secret::Text(old)), Some(Secret::Text(new))) if old != new)
}

/// What a record says of a webhook.
pub(super) fn webhook_record(secret: &Secret) -> Value {
    json!(BTreeMap::from([("secret", secret.record())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_a_browser_reads_it() {
        let read = |text: &str| name_and_port(text).map(|(name, port)| (name, port.unwrap_or(0)));
        let some = |name: &str, port| Some((name.to_owned(), port));
        assert_eq!(read("localhost:4600"), some("localhost", 4600));
        assert_eq!(read("Tidegate.Example.com"), some("tidegate.example.com", 0));
        assert_eq!(read("[::1]:4600"), some("[::1]", 4600));
        assert_eq!(read("[0:0:0:0:0:0:0:1]"), some("[::1]", 0));
        assert_eq!(read("127.1:80"), some("127.0.0.1", 80));
        for bad in ["", ":80", "a:", "a:x", "a:70000", "a b", "a/b", "user@a", "::1", "a:+80", "[::1", "a%00"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn who_has_no_token_may_do_nothing_where_other_machines_are() {
        let read = |listen: &str, anonymous| {
            resolve(&WebConfig { listen: Some(listen.to_owned()), anonymous, ..WebConfig::default() }, None)
        };
        let problem = read("0.0.0.0:4600", Some(Anonymous::Read)).unwrap_err();
        assert!(problem[0].1.message.contains("could see everything"), "{problem:?}");
        assert!(read("0.0.0.0:4600", Some(Anonymous::Operate)).is_err());
        let open = read("0.0.0.0:4600", None).unwrap();
        assert_eq!(open.anonymous_at(open.listen.unwrap(), false), None);
        let here = read("localhost:1", None).unwrap();
        assert_eq!(here.anonymous_at(here.listen.unwrap(), false), Some(Role::Operate));
        // The command line may name another address than the file.
        let told = read("127.0.0.1:1", Some(Anonymous::Operate)).unwrap();
        assert_eq!(told.anonymous_at("10.0.0.1:1".parse().unwrap(), false), None);
        assert_eq!(told.anonymous_at("[::ffff:127.0.0.1]:1".parse().unwrap(), false), Some(Role::Operate));
        // Whoever comes through a proxy comes from this machine.
        let at = |config: &WebConfig, url| {
            resolve(config, url).unwrap().anonymous_at("127.0.0.1:1".parse().unwrap(), false)
        };
        let open = WebConfig { anonymous: Some(Anonymous::Operate), ..WebConfig::default() };
        let hosts = WebConfig { hosts: vec!["tide.example.com".to_owned()], ..WebConfig::default() };
        assert_eq!(at(&WebConfig::default(), Some("https://tide.example.com")), None);
        assert_eq!(at(&open, Some("https://tide.example.com")), Some(Role::Operate));
        assert_eq!(at(&WebConfig::default(), Some("http://localhost:8080")), Some(Role::Operate));
        assert_eq!(at(&hosts, None), None);
        let port = WebConfig { hosts: vec!["localhost:8080".to_owned()], ..WebConfig::default() };
        assert_eq!(at(&port, None), Some(Role::Operate));
        // So it does where the proxy says so itself, and nobody has named it.
        assert_eq!(here.anonymous_at(here.listen.unwrap(), true), None);
        assert_eq!(told.anonymous_at("127.0.0.1:1".parse().unwrap(), true), Some(Role::Operate));
        assert_eq!(read("off", None).unwrap().listen, None);
        assert!(read("4600", None).is_err() && read("example.com:80", None).is_err());
    }
}
