//! By which name the host is asked, and which page makes a browser ask.
//!
//! A page of another site can make a browser send requests here, and a name of another site can be made to lead here. The
//! browser says both: in `Host`, which no page can change, and in `Origin` and `Sec-Fetch-Site`.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, Version, header},
};

use crate::{
    config::web::{host_of, name_and_port},
    web::{Problem, state::Web},
};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The names by which the host may be asked.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Where it listens.
    address: Option<SocketAddr>,
    /// Names of the configuration, some with a port.
    hosts: Vec<String>,
    /// Name and port of the address for people, and whether that is encrypted.
    url: Option<(String, u16, bool)>,
}

impl Names {
    /// As things stand.
    pub fn of(web: &Web) -> Self {
        let config = web.front().configuration().current();
        let url = host_of(&config.url).map(|(name, port)| (name, port, config.url.starts_with("https:")));
        Self { address: web.front().listening(), hosts: config.web.hosts.clone(), url }
    }

    /// Whether a `Host` is one of them.
    fn has(&self, host: &str) -> bool {
        let Some((name, port)) = name_and_port(host) else { return false };
        let own = self.address.map(|address| address.port());
        // Without a port it is that of HTTP or of HTTPS: a proxy's.
        let is_ours = port.is_some() && port == own || port.is_none() && own == Some(80);
        if is_ours && self.is_here(&name) {
            return true;
        }
        let named = |known: &String| match name_and_port(known) {
            Some((known, Some(at))) => {
                known == name && port.unwrap_or(80) == at || known == name && port.is_none() && at == 443
            }
            Some((known, None)) => known == name && (is_ours || matches!(port, None | Some(80 | 443))),
            None => false,
        };
        let is_url = |(known, at, is_https): &(String, u16, bool)| {
            *known == name && (is_ours || port.unwrap_or(if *is_https { 443 } else { 80 }) == *at)
        };
        self.hosts.iter().any(named) || self.url.as_ref().is_some_and(is_url)
    }

    /// Whether a name is that of this machine as seen from itself, or of the address at which the host listens.
    fn is_here(&self, name: &str) -> bool {
        let ip: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_bound = |ip: IpAddr| {
            // A page's name can be made to lead anywhere; an address is no name.
            self.address.is_some_and(|address| address.ip().is_unspecified() || address.ip() == ip)
        };
        match ip {
            Some(ip) => ["127.0.0.1", "::1"].iter().any(|here| here.parse() == Ok(ip)) || is_bound(ip),
            None => name == "localhost",
        }
    }

    /// Whether an `Origin` is ours.
    fn is_origin(&self, origin: &str) -> bool {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let is_encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        let Some((name, port)) = name_and_port(host) else { return false };
        // An address for people that is encrypted is not the same without that.
        let is_downgrade = |(known, at, is_https): &(String, u16, bool)| {
            *is_https
                && !is_encrypted
                && *known == name
                && port.unwrap_or(80) != *at
                && port.unwrap_or(80) == 80
        };
        self.has(host) && !self.url.as_ref().is_some_and(is_downgrade)
    }
}

/// Refuses whoever asks by a name that is none of ours: 421.
pub fn check_host(request: &Request, names: &Names) -> Result<(), Problem> {
    let refused = || {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "the host does not answer by this name")
            .hint("add the name to `hosts` in `[web]` of tidegate.toml, where it is one of yours")
    };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(refused()) };
    let is_known = |host: &str| names.has(host);
    let host = host.to_str().ok().filter(|host| is_known(host));
    let named = |uri: &Uri| uri.authority().is_none_or(|authority| is_known(authority.as_str()));
    if host.is_some() && named(request.uri()) { Ok(()) } else { Err(refused()) }
}

/// Whether a request says that it comes through a proxy. HTTP/1.0 is what proxies speak that say nothing else of themselves: no
/// browser does.
pub fn is_proxied(request: &Request) -> bool {
    let tells = |name: &HeaderName| {
        matches!(name.as_str(), "forwarded" | "x-real-ip") || name.as_str().starts_with("x-forwarded-")
    };
    request.version() <= Version::HTTP_10 || request.headers().keys().any(tells)
}

/// Refuses what a page of another site makes a browser ask.
pub fn check_source(request: &Request, names: &Names, is_api: bool) -> Result<(), Problem> {
    let headers = request.headers();
    let refused = |why: &str| {
        Problem::new(StatusCode::FORBIDDEN, format!("another page has sent this: {why}"))
            .hint("only the UI itself and programs may ask")
    };
    let site = text(headers, &SITE).map_err(|()| refused("its `Sec-Fetch-Site` is unreadable"))?;
    let is_ours = matches!(site, None | Some("same-origin" | "none"));
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        // A link may lead to a page, and no page of another site may use what it gets.
        let navigates = matches!(text(headers, &MODE), Ok(Some("navigate")));
        if !is_ours && (is_api || !navigates) {
            return Err(refused("its `Sec-Fetch-Site` is not `same-origin`"));
        }
        return Ok(());
    }
    let origin = text(headers, &header::ORIGIN).map_err(|()| refused("its `Origin` is unreadable"))?;
    if origin.is_some_and(|origin| !names.is_origin(origin)) {
        return Err(refused("its `Origin` is another one"));
    }
    if !is_ours {
        return Err(refused("its `Sec-Fetch-Site` is not `same-origin`"));
    }
    // A browser asks before it sends JSON to another origin, and gets no for an answer; it does not ask before it sends a form.
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let asks_first = matches!(*request.method(), Method::DELETE | Method::PUT | Method::PATCH);
    if !is_json(headers) && (has_body || !asks_first) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "what changes something has to come with `Content-Type: application/json`",
        ));
    }
    Ok(())
}

/// Whether the request comes from a page of ours, as a browser says it.
pub fn is_from_page(headers: &HeaderMap) -> bool {
    matches!(text(headers, &SITE), Ok(Some("same-origin")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, &header::CONTENT_TYPE).ok().flatten();
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The one value of a header; an error where there are several, or it is no text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(address: &str, hosts: &[&str], url: &str) -> Names {
        let url = host_of(url).map(|(name, port)| (name, port, url.starts_with("https:")));
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Names { address: address.parse().ok(), hosts, url }
    }

    #[test]
    fn only_names_of_ours_with_a_port_of_ours_are_answered() {
        let here = names("127.0.0.1:4600", &[], "http://127.0.0.1:4600");
        for good in ["localhost:4600", "LOCALHOST:4600", "127.0.0.1:4600", "[::1]:4600", "127.1:4600"] {
            assert!(here.has(good), "{good}");
        }
        let evil = [
            "",
            "localhost",
            "localhost:80",
            "localhost:46000",
            "127.0.0.1",
            "127.0.0.2:4600",
            "0.0.0.0:4600",
            "evil.example:4600",
            "localhost.evil.example:4600",
            "evil.example",
            "10.0.0.1:4600",
            "localhost:4600@evil.example",
            "evil.example#localhost:4600",
            "localhost:4600:4600",
            "localhost:+4600",
        ];
        for bad in evil {
            assert!(!here.has(bad), "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_known_by_its_name_and_by_the_url() {
        let behind =
            names("10.0.0.5:4600", &["tide.example.com", "other.example:8443"], "https://ui.example.com");
        let good = [
            "10.0.0.5:4600",
            "localhost:4600",
            "tide.example.com",
            "tide.example.com:443",
            "tide.example.com:4600",
            "other.example:8443",
            "ui.example.com",
            "ui.example.com:443",
            "UI.example.com:4600",
        ];
        for good in good {
            assert!(behind.has(good), "{good}");
        }
        let bad =
            ["10.0.0.6:4600", "tide.example.com:8080", "other.example", "ui.example.com:80", "example.com"];
        for bad in bad {
            assert!(!behind.has(bad), "{bad}");
        }
        assert!(behind.is_origin("https://ui.example.com") && behind.is_origin("http://localhost:4600"));
        for bad in
            ["http://ui.example.com", "null", "https://evil.example", "file://", "ftp://localhost:4600"]
        {
            assert!(!behind.is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn at_every_address_of_the_machine_an_address_is_no_name_to_be_turned() {
        let everywhere = names("0.0.0.0:4600", &[], "http://0.0.0.0:4600");
        assert!(everywhere.has("192.168.1.7:4600") && everywhere.has("[fe80::1]:4600"));
        assert!(!everywhere.has("192.168.1.7:80") && !everywhere.has("evil.example:4600"));
    }
}
