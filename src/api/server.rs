//! The listener: connections are few, bounded in time, and each is served by a task of its own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::stream::Timed;
use super::tls::Certificate;
use super::{Api, Doors, Inputs, Peer, router};
use crate::config::settings;
use crate::control::background;

/// Connections at once, in all and from one address.
const CONNECTIONS: usize = 512;
const PER_ADDRESS: usize = 128;
/// How long the head of a request may take, and how long nothing may move on a connection.
const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);
/// Octets of the head of a request.
const HEAD_MAX: usize = 32 << 10;
/// Pause before an address that is in use is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(2);
/// How often the files of the certificate are looked at.
const CERTIFICATE: Duration = Duration::from_secs(1);
/// Threads of the API: it shall not take the cores from those who answer questions.
const THREADS: usize = 2;

/// A listener that is not served yet; requests wait in it.
pub struct Bound {
    listener: Option<std::net::TcpListener>,
    settings: settings::Api,
    address: SocketAddr,
}

/// Everything but the doors is there.
pub struct Ready {
    bound: Bound,
    certificate: Option<Arc<Certificate>>,
    inputs: Inputs,
}

/// The API, until it is dropped.
pub struct Running {
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Binds the address of the API, if it has one. Done while the process may bind any. An address in use keeps nobody
/// from asking the nameserver: it is tried again.
pub fn bind(settings: &settings::Api) -> Option<Bound> {
    let address = settings.listen?;
    let listener = match std::net::TcpListener::bind(address) {
        Ok(listener) => Some(listener),
        Err(problem) => {
            error!(event = "api-not-listening", %address, %problem,
                "the API cannot listen on {address}: {problem}; trying again, questions are answered");
            None
        }
    };
    Some(Bound { listener, settings: settings.clone(), address })
}

impl Bound {
    /// Brings the listener together with what it shows. A certificate that cannot be read is an error.
    pub fn with(self, inputs: Inputs) -> Result<Ready, super::tls::TlsError> {
        let tls = self.settings.tls.clone();
        let certificate = tls.map(Certificate::read).transpose()?.map(Arc::new);
        Ok(Ready { bound: self, certificate, inputs })
    }
}

impl Ready {
    /// Starts to answer.
    pub fn open(self, doors: Doors) -> io::Result<Running> {
        let Ready { bound, certificate, inputs } = self;
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(THREADS).thread_name("api").on_thread_start(background::step_back);
        let runtime = runtime.enable_all().build()?;
        let api = Api::new(inputs, doors);
        if let Some(listener) = &bound.listener {
            say_listening(listener, certificate.is_some());
        }
        runtime.spawn(serve(bound, certificate, router(api)));
        Ok(Running { runtime: Some(runtime) })
    }
}

fn say_listening(listener: &std::net::TcpListener, tls: bool) {
    let transport = if tls { "https" } else { "http" };
    if let Ok(address) = listener.local_addr() {
        info!(%address, transport, "listening");
    }
}

async fn serve(bound: Bound, certificate: Option<Arc<Certificate>>, router: Router) {
    let listener = loop {
        let std = match &bound.listener {
            Some(listener) => listener.try_clone(),
            None => std::net::TcpListener::bind(bound.address)
                .inspect(|listener| say_listening(listener, certificate.is_some())),
        };
        let listener = std.and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        match listener {
            Ok(listener) => break listener,
            Err(_) => sleep(BIND_AGAIN).await,
        }
    };
    if let Some(certificate) = certificate.clone() {
        tokio::spawn(async move {
            loop {
                sleep(CERTIFICATE).await;
                let certificate = Arc::clone(&certificate);
                // Reads files.
                let _ = tokio::task::spawn_blocking(move || certificate.refresh()).await;
            }
        });
    }
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let clients = Arc::new(Clients::default());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Whoever has too many is cut off, others are not kept waiting.
                let Some(client) = clients.admit(peer.ip()) else { continue };
                let (certificate, router) = (certificate.clone(), router.clone());
                tokio::spawn(connection(stream, peer, certificate, router, (place, client)));
            }
            Err(error) => {
                warn!(%error, "the API cannot accept a client");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Clients {
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address, until it is dropped.
struct Client {
    clients: Arc<Clients>,
    address: IpAddr,
}

impl Clients {
    fn admit(self: &Arc<Clients>, address: IpAddr) -> Option<Client> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Client { clients: Arc::clone(self), address })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut counts = self.clients.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    _place: (OwnedSemaphorePermit, Client),
) {
    // An answer is one write: waiting for more of it gains nothing.
    let _ = stream.set_nodelay(true);
    match certificate {
        None => http(Timed::new(stream, IDLE), peer, router).await,
        Some(certificate) => {
            let accepted = timeout(HEAD, certificate.acceptor().accept(stream)).await;
            // Who does not speak TLS gets nothing.
            if let Ok(Ok(stream)) = accepted {
                http(Timed::new(stream, IDLE), peer, router).await;
            }
        }
    }
}

async fn http<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX);
    // A connection that breaks off is the client's affair.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
