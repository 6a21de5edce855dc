//! Notifiers: what is sent where when something has happened that someone should know.
//!
//! Owns the trait that an author implements, what is worth having on [`Notification`] and [`Destination`], the way to a
//! [`Request`], and the macro that makes a component of it all. Never sends anything: Tidegate delivers the requests, and
//! keeps addresses and secrets to itself.
//!
//! ```
//! use tidegate_plugin::NoConfig;
//! use tidegate_plugin::notifier::{Destination, Notification, Notifier, Request, export_notifier};
//!
//! struct Titles;
//!
//! impl Notifier for Titles {
//!     type Config = NoConfig;
//!     const SUMMARY: &'static str = "Posts the title, and nothing else.";
//!
//!     fn render(_: &NoConfig, to: &[Destination], notification: &Notification) -> Result<Vec<Request>, String> {
//!         let http = to.iter().filter(|destination| destination.is_http());
//!         Ok(http.map(|destination| Request::post(destination).text(&notification.title)).collect())
//!     }
//! }
//!
//! export_notifier!(Titles);
//! ```

use crate::Span;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::bindings::notifier::exports::tidegate::notifier::notifying::{
    Attempt, Description, Destination, Node, Notification, Request, Run,
};
pub use crate::export_notifier;

/// A notifier. [`export_notifier!`] makes the component of it.
pub trait Notifier {
    /// What the operator can set, as `config` in `[alerts.NAME]` of `tidegate.toml`; without it, serde gets an empty map. Put
    /// `#[serde(deny_unknown_fields)]` on it, so that a misspelt setting is an error; a plugin that has nothing to set uses
    /// [`NoConfig`](crate::NoConfig).
    type Config: DeserializeOwned;

    /// One sentence for listings: what the notifier does.
    const SUMMARY: &'static str;

    /// What to send to which of the destinations. No request is a way to say nothing.
    ///
    /// The answer must depend on the arguments alone. Texts in a notification come from dbt, from code and from data: what
    /// has a meaning in the format that is sent must be escaped. An error is a sentence for people, and nothing is sent then.
    /// Do not panic: in a component, the message is lost.
    fn render(
        config: &Self::Config,
        destinations: &[Destination],
        notification: &Notification,
    ) -> Result<Vec<Request>, String>;

    /// Says what is wrong with a configuration that serde accepts. The default accepts each of them.
    fn check(_config: &Self::Config) -> Result<(), String> {
        Ok(())
    }
}

impl Destination {
    /// Whether requests go there by HTTP.
    pub fn is_http(&self) -> bool {
        self.kind == "http"
    }

    /// Whether requests go there as mails.
    pub fn is_smtp(&self) -> bool {
        self.kind == "smtp"
    }

    /// Whether requests end there as lines: a file, or standard output.
    pub fn is_lines(&self) -> bool {
        self.kind == "file" || self.kind == "stdout"
    }
}

impl Notification {
    /// Whether it is of the worst severity.
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }

    /// A value that a later version of Tidegate added under this name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        crate::data::named(&self.extra, name)
    }
}

impl Node {
    /// The asset's key, or the node's name where it has none.
    pub fn label(&self) -> &str {
        match &self.asset_key {
            // Many checks look at one asset: a check is known by its own name.
            Some(key) if !self.is_check() => key,
            _ => &self.name,
        }
    }

    /// Whether it is a test of dbt's.
    pub fn is_check(&self) -> bool {
        matches!(self.resource_type.as_str(), "test" | "unit_test")
    }

    /// How long it took.
    pub fn time(&self) -> Option<Span> {
        self.took.map(Span::millis)
    }

    /// A value that a later version of Tidegate added under this name.
    pub fn extra(&self, name: &str) -> Option<&str> {
        crate::data::named(&self.extra, name)
    }
}

impl Run {
    /// How long it took.
    pub fn time(&self) -> Option<Span> {
        self.took.map(Span::millis)
    }

    /// How long its job usually takes.
    pub fn usual_time(&self) -> Option<Span> {
        self.usually_took.map(Span::millis)
    }
}

impl Attempt {
    /// How long it took.
    pub fn time(&self) -> Option<Span> {
        self.took.map(Span::millis)
    }
}

impl Request {
    /// An HTTP request of the method POST, still without a body.
    pub fn post(destination: &Destination) -> Self {
        Self {
            method: "POST".to_owned(),
            ..Self::to(destination)
        }
    }

    /// A mail with this subject, still without content. The subject is plain text of one line, which Tidegate encodes.
    pub fn mail(destination: &Destination, subject: &str) -> Self {
        Self::to(destination).header("Subject", subject)
    }

    /// A line in a file or on standard output.
    pub fn line(destination: &Destination, text: &str) -> Self {
        Self {
            body: format!("{text}\n").into_bytes(),
            ..Self::to(destination)
        }
    }

    fn to(destination: &Destination) -> Self {
        Self {
            destination: destination.name.clone(),
            method: String::new(),
            path: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// What is put behind the destination's address.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Another header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A body of JSON, and the header that says so.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// A body of plain text, and the header that says so.
    pub fn text(self, body: &str) -> Self {
        self.header("Content-Type", "text/plain; charset=utf-8")
            .body(body)
    }
}

/// What the contract's `check-config` answers.
#[doc(hidden)]
pub fn check_config<T: Notifier>(config: &str) -> Result<(), String> {
    configured::<T>(config).map(drop)
}

/// What the contract's `render` answers.
#[doc(hidden)]
pub fn render<T: Notifier>(
    config: &str,
    destinations: &[Destination],
    notification: &Notification,
) -> Result<Vec<Request>, String> {
    T::render(&configured::<T>(config)?, destinations, notification)
}

fn configured<T: Notifier>(config: &str) -> Result<T::Config, String> {
    let config = crate::config::parse(config)?;
    T::check(&config)?;
    Ok(config)
}

/// Makes the crate a component whose notifier is the type that is given, which implements
/// [`Notifier`](crate::notifier::Notifier). The component's name and version are the crate's.
///
/// On other targets than WebAssembly it exports nothing, so that a plugin's tests run natively.
#[macro_export]
macro_rules! export_notifier {
    ($notifier:ty) => {
        #[allow(dead_code)]
        const _: () = {
            use bindings::exports::tidegate::notifier::notifying;
            use $crate::bindings::notifier as bindings;

            struct Component;

            impl notifying::Guest for Component {
                fn describe() -> notifying::Description {
                    notifying::Description {
                        name: ::core::env!("CARGO_PKG_NAME").into(),
                        version: ::core::env!("CARGO_PKG_VERSION").into(),
                        summary: <$notifier as $crate::notifier::Notifier>::SUMMARY.into(),
                    }
                }

                fn check_config(
                    config: ::std::string::String,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::notifier::check_config::<$notifier>(&config)
                }

                fn render(
                    config: ::std::string::String,
                    destinations: ::std::vec::Vec<notifying::Destination>,
                    notification: notifying::Notification,
                ) -> ::core::result::Result<
                    ::std::vec::Vec<notifying::Request>,
                    ::std::string::String,
                > {
                    $crate::notifier::render::<$notifier>(&config, &destinations, &notification)
                }
            }

            #[cfg(target_arch = "wasm32")]
            bindings::export_component! { Component with_types_in bindings }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoConfig, testing};
    use serde_json::json;

    struct Everywhere;

    impl Notifier for Everywhere {
        type Config = NoConfig;
        const SUMMARY: &'static str = "Says what it is about, everywhere.";

        fn render(
            _: &NoConfig,
            to: &[Destination],
            about: &Notification,
        ) -> Result<Vec<Request>, String> {
            let request = |to: &Destination| match to.kind.as_str() {
                "http" => Ok(Request::post(to)
                    .path("/in")
                    .json(&json!({"title": about.title}))),
                "smtp" => Ok(Request::mail(to, &about.title).text("…")),
                "file" | "stdout" => Ok(Request::line(to, &about.title)),
                kind => Err(format!("`{kind}` is unknown")),
            };
            to.iter().map(request).collect()
        }
    }

    crate::export_notifier!(Everywhere);

    #[test]
    fn requests_are_put_together_in_words() {
        let to = ["http", "smtp", "stdout"].map(|kind| testing::destination(kind, kind));
        let about = testing::notification("run_failed", "build failed");
        let requests = render::<Everywhere>("{}", &to, &about).unwrap();
        assert_eq!(requests[0].method, "POST");
        assert_eq!(requests[0].path, "/in");
        assert_eq!(
            requests[0].headers,
            [("Content-Type".to_owned(), "application/json".to_owned())]
        );
        assert_eq!(requests[0].body, br#"{"title":"build failed"}"#);
        assert_eq!(
            requests[1].headers[0],
            ("Subject".to_owned(), "build failed".to_owned())
        );
        assert_eq!(requests[1].headers[1].1, "text/plain; charset=utf-8");
        assert_eq!(requests[2].body, b"build failed\n");
        assert!(requests[1].method.is_empty() && requests[2].headers.is_empty());
        let names: Vec<_> = requests
            .iter()
            .map(|request| request.destination.as_str())
            .collect();
        assert_eq!(names, ["http", "smtp", "stdout"]);

        let unknown = [testing::destination("x", "pigeon")];
        assert_eq!(
            render::<Everywhere>("{}", &unknown, &about).unwrap_err(),
            "`pigeon` is unknown"
        );
        assert!(
            check_config::<Everywhere>(r#"{"a": 1}"#)
                .unwrap_err()
                .contains("unknown setting `a`")
        );
    }

    #[test]
    fn assets_are_known_by_their_keys_and_checks_by_their_names() {
        let mut node = testing::notified_node("model", "orders", "boom");
        assert_eq!(node.label(), "orders");
        node.asset_key = Some("marts/orders".to_owned());
        assert_eq!(node.label(), "marts/orders");
        node.resource_type = "test".to_owned();
        assert_eq!(node.label(), "orders");
    }
}
