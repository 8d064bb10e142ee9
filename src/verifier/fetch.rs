//! The HTTP proof: one small page, of one host, from addresses that were looked up before.
//!
//! The connection goes to the very address that was admitted: nothing is resolved again, redirects stay on the host and
//! so on its addresses. Over TLS no certificate is asked for: the page is believed for the token in it, which nobody
//! else knows, and the very same page over port 80 is believed too. So a certificate would prove nothing more, and a
//! customer who moves in often has none yet.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::Settings;
use super::guard::{Guard, Special, is_own};
use crate::base::limits::{
    FETCH_ADDRESSES_MAX, FETCH_SECS, PAGE_FIELDS_MAX, PAGE_HEAD_MAX, PAGE_MAX, REDIRECTS_MAX,
};
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::hostname::proof;
use crate::hostname::seen::Page;

/// Where pages are, and how long one may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    pub http: u16,
    pub https: u16,
    pub patience: Duration,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach { http: 80, https: 443, patience: Duration::from_secs(FETCH_SECS) }
    }
}

/// See the head of the file.
pub struct Fetcher {
    reach: Reach,
    user_agent: String,
    special: Special,
    own: Vec<SocketAddr>,
    guard: Arc<Guard>,
    tls: TlsConnector,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Http,
    Https,
}

/// What one request brought.
enum Got {
    Page {
        status: u16,
        body: Vec<u8>,
    },
    /// To another place on the same host.
    Redirect {
        status: u16,
        scheme: Scheme,
        path: String,
    },
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Place<'p> {
    host: &'p Name,
    scheme: Scheme,
    path: &'p str,
}

impl Fetcher {
    pub fn new(settings: &Settings, reach: Reach, guard: Arc<Guard>) -> Fetcher {
        let special = match settings.hostnames.allow_special {
            true => Special::Allowed,
            false => Special::Refused,
        };
        let user_agent = settings.hostnames.user_agent.clone();
        let (own, tls) = (settings.own.clone(), TlsConnector::from(Arc::new(tls())));
        Fetcher { reach, user_agent, special, own, guard, tls }
    }

    /// The page at `path` of `host`, which has these addresses (IPv4, IPv6). Plain HTTP first; HTTPS if that does not
    /// bring the token.
    pub async fn page(
        &self,
        host: &Name,
        path: &str,
        token: Uuid,
        addresses: &[Vec<IpAddr>; 2],
    ) -> Page {
        let [v4, v6] = addresses;
        let half = FETCH_ADDRESSES_MAX / 2;
        let some = v4.iter().take(half).chain(v6.iter().take(half));
        let addresses: Vec<IpAddr> = some.copied().collect();
        let mut best = Page::Failed("it has no address".to_owned());
        for scheme in [Scheme::Http, Scheme::Https] {
            let place = Place { host, scheme, path };
            let page = match timeout(self.reach.patience, self.follow(place, &addresses)).await {
                Ok(Ok((status, body))) => Page::Got { status, body },
                Ok(Err(why)) => Page::Failed(why),
                Err(_) => Page::Failed("no page in time".to_owned()),
            };
            match &page {
                Page::Got { status: 200, body } if proof::is_token(body, token) => return page,
                Page::Got { .. } if !matches!(best, Page::Got { status: 200, .. }) => best = page,
                Page::Failed(_) if scheme == Scheme::Http => best = page,
                _ => {}
            }
        }
        best
    }

    async fn follow(
        &self,
        place: Place<'_>,
        addresses: &[IpAddr],
    ) -> Result<(u16, Vec<u8>), String> {
        let mut path = place.path.to_owned();
        let mut scheme = place.scheme;
        for _ in 0..REDIRECTS_MAX {
            let place = Place { scheme, path: &path, ..place };
            match self.first_of(place, addresses).await? {
                Got::Page { status, body } => return Ok((status, body)),
                Got::Redirect { scheme: to, path: on, .. } => (scheme, path) = (to, on),
            }
        }
        let last = Place { scheme, path: &path, ..place };
        match self.first_of(last, addresses).await? {
            Got::Page { status, body } => Ok((status, body)),
            Got::Redirect { status, .. } => {
                Err(format!("more than {REDIRECTS_MAX} redirects ({status})"))
            }
        }
    }

    /// The first address that answers counts.
    async fn first_of(&self, place: Place<'_>, addresses: &[IpAddr]) -> Result<Got, String> {
        let mut why = "it has no address".to_owned();
        for &address in addresses {
            match self.fetch(place, address).await {
                Ok(got) => return Ok(got),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn fetch(&self, place: Place<'_>, address: IpAddr) -> Result<Got, String> {
        let port = self.port(place.scheme);
        let address = SocketAddr::new(address, port);
        self.guard.admit(address, self.special, Instant::now())?;
        let connected = timeout(self.reach.patience / 2, TcpStream::connect(address)).await;
        let failed = |what: &dyn std::fmt::Display| format!("port {port}: {what}");
        let stream = connected
            .map_err(|_| failed(&"no connection in time"))?
            .map_err(|error| failed(&error))?;
        let ends = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?.ip())));
        let (peer, local) = ends.map_err(|error| failed(&error))?;
        if is_own(peer, local, &self.own) {
            return Err("it has an address of this server".to_owned());
        }
        let got = match place.scheme {
            Scheme::Http => self.exchange(place, stream).await,
            Scheme::Https => {
                let name = ServerName::try_from(place.host.to_string());
                let name = name.map_err(|_| failed(&"no name for TLS"))?;
                let stream = self.tls.connect(name, stream).await;
                self.exchange(place, stream.map_err(|error| failed(&error))?).await
            }
        };
        got.map_err(|error| failed(&error))
    }

    fn port(&self, scheme: Scheme) -> u16 {
        match scheme {
            Scheme::Http => self.reach.http,
            Scheme::Https => self.reach.https,
        }
    }

    /// One request and its answer.
    async fn exchange<S>(&self, place: Place<'_>, stream: S) -> Result<Got, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let words = |error: hyper::Error| error.to_string();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(PAGE_HEAD_MAX).max_headers(PAGE_FIELDS_MAX);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(words)?;
        // It moves the octets; when it has ended, what it brought is still to be read.
        let moved = async {
            let _ = connection.await;
            pending::<Infallible>().await
        };
        let request = Request::get(place.path)
            .header(HOST, place.host.to_string())
            .header(USER_AGENT, &self.user_agent)
            .header(CONNECTION, "close")
            .body(String::new())
            .map_err(|error| error.to_string())?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(words)?;
            self.read(place, response).await
        };
        tokio::select! {
            biased;
            got = answered => got,
            never = moved => match never {},
        }
    }

    async fn read(&self, place: Place<'_>, response: Response<Incoming>) -> Result<Got, String> {
        let status = response.status();
        if status.is_redirection()
            && let Some(to) = response.headers().get(LOCATION)
        {
            let to = to.to_str().map_err(|_| "a redirect to no address".to_owned())?;
            let (scheme, path) = self.redirect(place, to)?;
            return Ok(Got::Redirect { status: status.as_u16(), scheme, path });
        }
        let mut body = Vec::new();
        let mut incoming = response.into_body();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
            let frame = frame.map_err(|error| error.to_string())?;
            if let Some(data) = frame.data_ref() {
                if body.len() + data.len() > PAGE_MAX {
                    return Err(format!("a page of more than {PAGE_MAX} octets"));
                }
                body.extend_from_slice(data);
            }
        }
        Ok(Got::Page { status: status.as_u16(), body })
    }

    /// Where a redirect leads, if it stays on the host and its two ports.
    fn redirect(&self, place: Place<'_>, to: &str) -> Result<(Scheme, String), String> {
        let elsewhere = || "a redirect to another host or port".to_owned();
        // Without a scheme it keeps the one it came by.
        let text = match to.strip_prefix("//") {
            Some(rest) => match place.scheme {
                Scheme::Http => format!("http://{rest}"),
                Scheme::Https => format!("https://{rest}"),
            },
            None => to.to_owned(),
        };
        let uri: Uri = text.parse().map_err(|_| "a redirect to no address".to_owned())?;
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let scheme = match uri.scheme_str() {
            None if text.starts_with('/') => return Ok((place.scheme, path)),
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(elsewhere()),
        };
        let host = uri.host().and_then(|host| Name::from_text(host).ok());
        let usual = Reach::default();
        let port = match scheme {
            Scheme::Http => usual.http,
            Scheme::Https => usual.https,
        };
        let same_port = uri.port_u16().is_none_or(|p| p == port || p == self.port(scheme));
        let plain = uri.authority().is_none_or(|a| !a.as_str().contains('@'));
        match host {
            Some(host) if host == *place.host && same_port && plain => Ok((scheme, path)),
            _ => Err(elsewhere()),
        }
    }
}

/// TLS that encrypts and asks for no certificate; see the head of the file.
fn tls() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions of TLS that are safe")
        .dangerous()
        .with_custom_certificate_verifier(any)
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
