//! A web server of the test's own that says whatever it is told to, plain and over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Of nobody, and expired.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBiDCCAS2gAwIBAgIUSuOUcR5CKo/h7+UpnxhJ8yX99dkwCgYIKoZIzj0EAwIw\n\
    GTEXMBUGA1UEAwwObm9ib2R5LmludmFsaWQwHhcNMjYxMTIxMDkyNDAxWhcNMjYx\n\
    MTIyMDkyNDAxWjAZMRcwFQYDVQQDDA5ub2JvZHkuaW52YWxpZDBZMBMGByqGSM49\n\
    AgEGCCqGSM49AwEHA0IABBtE9+5sh3PbpWMjmU77zONwOQI3BdujS5jsZFL/OBg8\n\
    Hx6QVZczdpFtbBOfaGPKGQJ0MDsy8YNEjyM4cebwir6jUzBRMB0GA1UdDgQWBBSW\n\
    dWiwABWn6JX7clkZuOV3ZrmIETAfBgNVHSMEGDAWgBSWdWiwABWn6JX7clkZuOV3\n\
    ZrmIETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQC3O+XIp17a\n\
    boVBysnIiOxqqwfHzvU8+aj/ZkVPlam7+gIhAMxccXuq9U6Iavuqzy8e1qTxBHNY\n\
    caPRSK9CJ6SK00Yk\n\
    -----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIrPC0leuMAG+GlO/\n\
    erJ4el4C7SIbMtXjnzgvL0Hiwk6hRANCAAQbRPfubIdz26VjI5lO+8zjcDkCNwXb\n\
    o0uY7GRS/zgYPB8ekFWXM3aRbWwTn2hjyhkCdDA7MvGDRI8jOHHm8Iq+\n\
    -----END PRIVATE KEY-----\n";

/// What it says to a request.
pub enum Say {
    /// As it is, and then the end.
    Raw(String),
    /// As it is, and then the second text again and again.
    Endless(String, String),
    Hangup,
    /// The connection stays open.
    Nothing,
}

impl Say {
    pub fn page(status: u16, body: &str) -> Say {
        let length = body.len();
        Say::Raw(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    pub fn redirect(to: &str) -> Say {
        Say::Raw(format!("HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    }
}

/// Scheme and head of the request to what is said.
type Script = Arc<dyn Fn(&str, &str) -> Say + Send + Sync>;

/// See the head of the file.
pub struct Pages {
    pub http: SocketAddr,
    pub https: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Pages {
    /// Inside a runtime.
    pub fn start(say: impl Fn(&str, &str) -> Say + Send + Sync + 'static) -> Pages {
        let say: Script = Arc::new(say);
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let door = |scheme: &'static str| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let (say, tls) = (Arc::clone(&say), tls());
            let (connections, requests) = (Arc::clone(&connections), Arc::clone(&requests));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (say, tls) = (Arc::clone(&say), tls.clone());
                    let requests = Arc::clone(&requests);
                    tokio::spawn(async move {
                        match scheme {
                            "http" => serve(scheme, stream, say, requests).await,
                            _ => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(scheme, stream, say, requests).await;
                                }
                            }
                        }
                    });
                }
            });
            address
        };
        let (http, https) = (door("http"), door("https"));
        Pages { http, https, connections, requests }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    scheme: &str,
    mut stream: S,
    say: Script,
    requests: Arc<AtomicUsize>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return,
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    // Errors say that the client had enough, which is what these tests are about.
    match say(scheme, &String::from_utf8_lossy(&head)) {
        Say::Raw(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Say::Endless(text, more) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while stream.write_all(more.as_bytes()).await.is_ok() {}
        }
        Say::Hangup => {}
        Say::Nothing => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}

fn tls() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
