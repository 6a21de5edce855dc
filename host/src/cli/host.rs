//! Being the host, or its client: whoever becomes the host answers at the socket for as long as it is.

use std::{net, ops::Deref, sync::Arc};

use super::Failure;
use crate::{
    config::Config,
    engine::{self, Client, Ending, Host, HostError, Role, Unable},
    store::StoreError,
    web::{self, Doors, Server},
};

/// Whoever takes requests: this process, or the host that runs already.
pub enum Handle {
    /// This process is the host.
    Host(Hosting),
    /// Another one is.
    Client(Client),
}

/// A host that answers.
pub struct Hosting {
    /// Dropped first: no door stands open when another host comes.
    server: Option<Server>,
    host: Host,
}

/// Becomes the host of a state directory, or the client of the one that is.
pub fn join(config: Arc<Config>, role: Role) -> Result<Handle, HostError> {
    match engine::join(config, role)? {
        engine::Handle::Host(host) => answering(host, None).map(Handle::Host),
        engine::Handle::Client(client) => Ok(Handle::Client(client)),
    }
}

/// A host that answers at its socket, and at an address where there is one.
pub fn answering(mut host: Host, tcp: Option<net::TcpListener>) -> Result<Hosting, HostError> {
    let doors = Doors { socket: host.take_socket(), tcp };
    let path = host.front().state_dir().to_owned();
    let server = web::open(host.front().clone(), doors);
    let server = server.map_err(|source| HostError::StateDir { path, source })?;
    Ok(Hosting { server: Some(server), host })
}

impl Hosting {
    /// Ends a host that was there for one thing only, and says what came of that. What is under way goes on by itself. A host that
    /// waits for its disk is not waited for: whoever sits there is told so instead.
    pub fn leave<T>(self, done: Result<T, Unable>) -> Result<T, Failure> {
        if !matches!(done, Err(Unable::Stalled(_))) {
            self.end(Ending::Now);
            self.finish()?;
        }
        Ok(done?)
    }

    /// Waits for its end. What it has said last is heard; then its doors are closed, and another may be the host.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let done = self.host.finish();
        self.server = None;
        done
    }
}

impl Deref for Hosting {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
