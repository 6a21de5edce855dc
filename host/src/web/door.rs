//! Doors: connections over the socket and over TCP, each with word of who is at its other end, and with bounds on how slowly and
//! how much one may say before it is heard.

use std::{collections::BTreeMap, io, net, os::unix, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Mutex, Semaphore, watch},
    task::{JoinHandle, JoinSet, spawn_blocking},
};
use tokio_io_timeout::TimeoutStream;

use super::guard::Peer;
use crate::process;

/// How long the head of a request may take to arrive, and how long a connection may stay without one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes, and the most headers in it.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 100;

/// How long whoever asked over TCP may take nothing of what is sent to them. Who may use the socket may stop for as long as they like, as
/// a command does that is suspended.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// So many connections are served at a time over TCP, where the system lets so many files be open; more wait.
const MOST_CONNECTIONS: u64 = 1000;

/// How long to wait where the system can take no connection, as when it has no file descriptor left.
const AGAIN: Duration = Duration::from_millis(100);

/// Answers on a socket until it is stopped. What this gives ends when nobody is spoken to any more.
pub fn open_socket(
    socket: unix::net::UnixListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    socket.set_nonblocking(true)?;
    let socket = UnixListener::from_std(socket)?;
    Ok(tokio::spawn(async move {
        let mut talks = JoinSet::new();
        let users = Arc::new(Users::default());
        loop {
            let stream = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stopped.wait_for(|stopped| *stopped) => break,
                Some(_) = talks.join_next() => continue,
            };
            let Ok((stream, _)) = stream else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let Ok(credentials) = stream.peer_cred() else { continue };
            if !may_come(credentials.uid(), nix::unistd::geteuid().as_raw()) {
                tracing::warn!(
                    uid = credentials.uid(),
                    "another user of this machine was turned away at the socket"
                );
                continue;
            }
            let (users, router) = (Arc::clone(&users), router.clone());
            talks.spawn(async move {
                let peer = Peer::User(users.name(credentials.uid()).await);
                talk(stream, peer, router, None).await;
            });
        }
        drop(socket);
        while talks.join_next().await.is_some() {}
    }))
}

/// Answers at an address until what this gives is aborted.
pub fn open_address(address: net::TcpListener, router: Router) -> io::Result<JoinHandle<()>> {
    address.set_nonblocking(true)?;
    let address = TcpListener::from_std(address)?;
    Ok(tokio::spawn(async move {
        let mut talks = JoinSet::new();
        let room = Arc::new(Semaphore::new(most_connections(process::most_descriptors())));
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Ok((stream, peer)) = address.accept().await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            // What happens is told at once, however short it is.
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            talks.spawn(async move {
                talk(stream, Peer::Address(peer), router, Some(TAKEN_WITHIN)).await;
                drop(place);
            });
            while talks.try_join_next().is_some() {}
        }
    }))
}

/// How many connections there may be where so many files may be open. The other half is for the store, for logs and for dbt.
fn most_connections(descriptors: u64) -> usize {
    usize::try_from((descriptors / 2).clamp(1, MOST_CONNECTIONS)).unwrap_or(1)
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    peer: Peer,
    router: Router,
    taken_within: Option<Duration>,
) {
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer.clone());
        service.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(taken_within);
    // Whoever says nonsense, takes nothing or leaves is their own loss.
    let _ = http.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
}

/// The names of those who have come, by their uids. They may be known to another machine, which takes its time.
#[derive(Default)]
struct Users(Mutex<BTreeMap<u32, String>>);

impl Users {
    async fn name(&self, uid: u32) -> String {
        let mut known = self.0.lock().await;
        if let Some(name) = known.get(&uid) {
            return name.clone();
        }
        let name = spawn_blocking(move || user(uid)).await.unwrap_or_else(|_| uid.to_string());
        known.insert(uid, name.clone());
        name
    }
}

/// Whether a user may ask at the socket, where everything is allowed: whoever the host works for, and root.
fn may_come(user: u32, own: u32) -> bool {
    user == own || user == 0
}

fn user(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{net::UnixStream, time::timeout};

    use super::*;

    #[tokio::test]
    async fn whoever_takes_nothing_of_a_large_answer_loses_the_connection() {
        // More than any socket holds.
        let router = Router::new().route("/large", get(|| async { vec![0_u8; 64 << 20] }));
        let (client, stream) = UnixStream::pair().unwrap();
        let asked = b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.writable().await.unwrap();
        assert_eq!(client.try_write(asked).unwrap(), asked.len());
        let within = Some(Duration::from_millis(50));
        let talk = talk(stream, Peer::User("ada".to_owned()), router, within);
        timeout(Duration::from_secs(60), talk).await.expect("the connection is held without end");
    }

    #[tokio::test]
    async fn whoever_asks_is_known_by_name() {
        let users = Users::default();
        let uid = nix::unistd::getuid().as_raw();
        assert_eq!(users.name(uid).await, user(uid));
        assert_eq!(users.name(uid).await, user(uid));
        assert_eq!(users.name(u32::MAX - 7).await, (u32::MAX - 7).to_string());
    }

    #[test]
    fn connections_leave_files_to_the_rest_of_the_host() {
        for (descriptors, most) in [(0, 1), (256, 128), (1024, 512), (1 << 16, 1000), (u64::MAX, 1000)] {
            assert_eq!(most_connections(descriptors), most, "{descriptors}");
        }
    }

    #[test]
    fn the_socket_is_for_its_owner_and_for_root() {
        assert!(may_come(1000, 1000) && may_come(0, 1000) && may_come(0, 0));
        assert!(!may_come(1001, 1000) && !may_come(1000, 0));
    }
}
