//! Doors: connections over the socket and over TCP, each with word of who is at its other end, and with bounds on how slowly and
//! how much one may say before it is heard.

use std::{io, net, os::unix, time::Duration};

use axum::{Router, extract::Request};
use hyper::{server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::guard::Peer;

/// How long the head of a request may take to arrive, and how long a connection may stay without one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// The longest head of a request, in bytes, and the most headers in it.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 100;

/// So many connections are served at a time over TCP; more wait.
const MOST_CONNECTIONS: usize = 1000;

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
            talks.spawn(talk(stream, Peer::User(user(credentials.uid())), router.clone()));
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
        let room = std::sync::Arc::new(Semaphore::new(MOST_CONNECTIONS));
        while let Ok(place) = std::sync::Arc::clone(&room).acquire_owned().await {
            let Ok((stream, peer)) = address.accept().await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            // What happens is told at once, however short it is.
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            talks.spawn(async move {
                talk(stream, Peer::Address(peer), router).await;
                drop(place);
            });
            while talks.try_join_next().is_some() {}
        }
    }))
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, router: Router) {
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
    // Whoever says nonsense or leaves is their own loss.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn user(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}
