//! The web: the HTTP API under `/api/v1`, word of what happens while it happens, and the embedded UI, over the socket of the state
//! directory and over TCP.
//!
//! Owns who may ask what ([`guard`]), the shape of every answer ([`api`], [`problem`], [`page`]) and the description of the API,
//! which is made of the code that answers. It reads the store and puts commands to the [`Front`] of the host; it never writes to the
//! store and never decides about a run.

mod api;
mod door;
mod download;
mod extract;
mod guard;
mod health;
mod live;
mod log;
mod page;
mod planning;
mod problem;
mod run;
mod state;
mod ui;

use std::{
    io, net,
    os::unix,
    sync::{Arc, Once, OnceLock, mpsc},
    thread,
    time::Duration,
};

use axum::{Extension, Router, extract::Request};
use tokio::{sync::watch, time::timeout};
use tower::ServiceExt;

use crate::engine::Front;

pub use api::{description, document};
pub use guard::Access;
pub use problem::Problem;
use state::Web;

/// How long whoever listens at the socket may take to hear what was said last before the doors are closed.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Serves until it is dropped.
pub struct Server {
    stop: watch::Sender<bool>,
    closed: mpsc::Receiver<()>,
}

/// Where the web is to be heard.
pub struct Doors {
    /// The socket of the state directory: whoever can open it may do anything.
    pub socket: Option<unix::net::UnixListener>,
    /// An address, where the host is a service.
    pub tcp: Option<net::TcpListener>,
}

/// Opens the doors of a host: from here on it answers.
///
/// # Errors
///
/// Where the system gives no thread.
pub fn open(front: Front, doors: Doors) -> io::Result<Server> {
    let (stop, stopped) = watch::channel(false);
    let (closing, closed) = mpsc::channel();
    let web = Web::new(front);
    thread::Builder::new().name("web".to_owned()).spawn(move || {
        // One thread serves them all; what waits for the disk or the dispatcher does so in threads of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(e) => return tracing::error!("the API cannot be served: {e}"),
        };
        if let Err(e) = runtime.block_on(serve(&web, doors, stopped)) {
            tracing::error!("the API cannot be served: {e}");
        }
        runtime.shutdown_background();
        drop(closing);
    })?;
    Ok(Server { stop, closed })
}

/// Answers at each door until it is stopped. The doors are closed then.
async fn serve(web: &Web, doors: Doors, mut stopped: watch::Receiver<bool>) -> io::Result<()> {
    let live = Arc::new(Once::new());
    let socket = match doors.socket {
        Some(socket) => {
            let router = lazy(web.clone(), Access::Socket, Arc::clone(&live));
            Some(door::open_socket(socket, router, stopped.clone())?)
        }
        None => None,
    };
    let tcp = match doors.tcp {
        Some(tcp) => {
            web.front().set_listening(tcp.local_addr()?);
            health::watch(web);
            Some(door::open_address(tcp, lazy(web.clone(), Access::Tcp, live))?)
        }
        None => None,
    };
    let _ = stopped.wait_for(|stopped| *stopped).await;
    if let Some(tcp) = tcp {
        // Whoever comes next may take the address; a browser asks again.
        tcp.abort();
        let _ = tcp.await;
    }
    if let Some(socket) = socket {
        let _ = timeout(LAST_WORDS, socket).await;
    }
    Ok(())
}

/// Everything that is answered at one kind of door, put together when someone asks: an errand is seldom asked anything.
fn lazy(web: Web, access: Access, live: Arc<Once>) -> Router {
    let made = Arc::new(OnceLock::<Router>::new());
    Router::new().fallback(move |request: Request| {
        live.call_once(|| live::start(&web));
        let router = made.get_or_init(|| router(web.clone(), access)).clone();
        router.oneshot(request)
    })
}

/// Everything that is answered at one kind of door.
fn router(web: Web, access: Access) -> Router {
    let app = api::router()
        .merge(health::router())
        .fallback_service(ui::router().with_state(web.clone()))
        .method_not_allowed_fallback(problem::wrong_method);
    guard::around(app, web.clone(), access).layer(Extension(access)).with_state(web)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // Until the doors are closed: whoever is the host next opens its own.
        let _ = self.closed.recv_timeout(LAST_WORDS * 4);
    }
}
