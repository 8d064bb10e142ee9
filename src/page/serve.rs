//! The listener of the page: bounded connections, one request each, and an end for whoever is slow.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

use super::accept;
use super::decide::{Needed, decide};
use super::host::Host;
use super::render::{policy, render};
use super::words::{Occasion, Page};
use crate::base::limits::{
    PAGE_CONNECTIONS, PAGE_DRAIN_OCTETS, PAGE_HEADER_SECS, PAGE_HEADERS, PAGE_PER_CLIENT,
    PAGE_REQUEST_OCTETS, PAGE_SECS, PAGE_WAIT_MS,
};
use crate::base::time::UnixTime;
use crate::control::world::Now;
use crate::model::flattened::Waiter;
use crate::model::snapshot::Snapshot;

/// Asks for something outside; the waiter is called once, when it can be seen or when it never will.
pub type Ask = Box<dyn Fn(Needed, Waiter) + Send + Sync>;

/// What the page is made from.
pub struct Site {
    pub published: Arc<ArcSwap<Snapshot>>,
    pub ask: Option<Ask>,
    /// Status of a denied name; a reload may change it.
    pub status: Box<dyn Fn() -> u16 + Send + Sync>,
}

/// The open listener. Its thread ends when this is dropped.
pub struct Door {
    _open: watch::Sender<()>,
}

/// Binds the address; connections queue until `open`.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Starts to answer, on a thread of its own: whatever visitors do delays nothing else.
pub fn open(listener: std::net::TcpListener, site: Site) -> io::Result<Door> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let site = Arc::new(site);
    let (open, mut closed) = watch::channel(());
    thread::Builder::new().name("block-page".to_owned()).spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                () = accept_all(listener, site) => {}
                // An error says that the door was dropped.
                _ = closed.changed() => {}
            }
        });
    })?;
    Ok(Door { _open: open })
}

async fn accept_all(listener: std::net::TcpListener, site: Arc<Site>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error!(event = "page-failed", %error, "the block page is not served"),
    };
    let places = Arc::new(Semaphore::new(PAGE_CONNECTIONS));
    let clients = Arc::new(Clients::default());
    loop {
        // When all are taken, others wait in the kernel's queue: each place is free again within seconds.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(event = "page-accept", %error, "the block page cannot take a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(entry) = Entry::of(&clients, peer.ip()) else { continue };
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            // Too slow, or gone: nobody is there to be told.
            let _ = timeout(Duration::from_secs(PAGE_SECS), talk(stream, site)).await;
            drop((place, entry));
        });
    }
}

/// Answers one request.
async fn talk(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        Box::pin(async move { Ok::<_, Infallible>(site.answer(&request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(PAGE_HEADER_SECS))
        .max_buf_size(PAGE_REQUEST_OCTETS)
        .max_headers(PAGE_HEADERS)
        .half_close(true)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = poll_fn(|cx| connection.poll_without_shutdown(cx)).await {
        debug!(%error, "a request of the block page");
    }
    let stream = connection.into_parts().io.into_inner();
    // An error says that the client is gone.
    let _ = linger(stream).await;
}

/// Reads what is left of a request that was too long to be read whole, so that the answer arrives before the end.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(PAGE_DRAIN_OCTETS);
    let mut scratch = [0; 4096];
    while rest.read(&mut scratch).await? > 0 {}
    Ok(())
}

impl Site {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let fields = request.headers().get_all(header::HOST);
        let authority = request.uri().authority().map(hyper::http::uri::Authority::as_str);
        let host = Host::of(authority, fields.iter().map(HeaderValue::as_bytes));
        let standing = match &host {
            Host::Name { name, .. } => Some(self.standing(name).await),
            Host::Address | Host::Wrong(_) => None,
        };
        let (ray, nonce) = marks();
        let denied = StatusCode::from_u16((self.status)());
        let occasion = Occasion {
            ray,
            at: now(),
            denied: denied.unwrap_or(StatusCode::CONFLICT),
            sinkhole_ttl: self.published.load().rules.sinkhole_ttl,
        };
        let page = Page::of(&host, standing, occasion);
        debug!(event = "page", ray = %page.ray, status = page.status.as_u16(), code = page.code,
            host = page.host, "a page was asked for");
        respond(&page, request.headers(), &nonce)
    }

    /// How a name stands; what has to be known from outside is asked for, for a short while.
    async fn standing(&self, name: &crate::base::name::Name) -> super::decide::Standing {
        let wait = async {
            loop {
                let snapshot = self.published.load_full();
                let (_, needed) = decide(&snapshot, name, now());
                drop(snapshot);
                let Some(ask) = self.ask.as_ref().filter(|_| !needed.is_empty()) else { return };
                for need in needed {
                    let (tell, told) = oneshot::channel();
                    // Nobody may be waiting any more.
                    let waiter: Waiter = Box::new(move || _ = tell.send(()));
                    ask(need, waiter);
                    if told.await.is_err() {
                        return;
                    }
                }
            }
        };
        // Late, or for ever needed: what is known by then counts.
        let _ = timeout(Duration::from_millis(PAGE_WAIT_MS), wait).await;
        decide(&self.published.load(), name, now()).0
    }
}

fn now() -> UnixTime {
    Now::read().unix
}

/// The ray id of an answer, and a nonce that nobody can guess.
fn marks() -> (String, String) {
    let mut octets = [0; 24];
    getrandom::fill(&mut octets).expect("the system gave random octets at the start");
    let hex = |octets: &[u8]| octets.iter().map(|b| format!("{b:02x}")).collect::<String>();
    (hex(&octets[..8]), hex(&octets[8..]))
}

fn respond(page: &Page, asked: &HeaderMap, nonce: &str) -> Response<Body> {
    let fields = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = accept::choose(fields);
    let mut response = Response::new(Body::from(render(page, form, nonce)));
    *response.status_mut() = page.status;
    if let Some(reason) = page.reason {
        let reason = ReasonPhrase::from_static(reason.as_bytes());
        response.extensions_mut().insert(reason);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, form.content_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (header::VARY, "Accept"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy(nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(seconds) = page.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Connections by client: an IPv4 address, or an IPv6 /64.
#[derive(Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// The place of one connection among its client's.
struct Entry {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Entry {
    /// `None`: the client has as many as it may.
    fn of(clients: &Arc<Clients>, address: IpAddr) -> Option<Entry> {
        let client = client_of(address);
        let mut counts = clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= PAGE_PER_CLIENT {
            return None;
        }
        *count += 1;
        Some(Entry { clients: Arc::clone(clients), client })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_bounded_and_forgotten() {
        let clients = Arc::new(Clients::default());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = |text| Entry::of(&clients, address(text));
        let mut held: Vec<_> = (0..PAGE_PER_CLIENT).map(|_| one("192.0.2.1").unwrap()).collect();
        assert!(one("192.0.2.1").is_none() && one("::ffff:192.0.2.1").is_none());
        assert!(one("192.0.2.2").is_some());
        held.pop();
        assert!(one("192.0.2.1").is_some());
        drop(held);
        assert!(clients.0.lock().unwrap().is_empty());
        assert_eq!(client_of(address("2001:db8:1:2:3::4")), address("2001:db8:1:2::"));
    }
}
