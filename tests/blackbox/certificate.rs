//! TLS of the API: new connections see a new certificate, old ones stay, and a file that is no use changes nothing.

use crate::support::http;
use crate::support::server::{PATIENCE, World, poll};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

const CONFIG: &str =
    "[api]\nlisten = \"127.0.0.1:0\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";

/// A certificate that signed itself, and its key, as the files that an operator has.
struct Pair {
    der: Vec<u8>,
    cert: String,
    key: String,
}

impl Pair {
    /// With a key that comes from `seed`.
    fn new(seed: u8) -> Pair {
        const ED25519: [u8; 7] = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
        let key = [&[0x30, 0x2e, 2, 1, 0][..], &ED25519, &[4, 0x22, 4, 0x20], &[seed; 32]].concat();
        let signing = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&key[..])).unwrap();
        let public = signing.public_key().unwrap();
        let common = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[b"api.test"])]);
        let name = der(0x30, &[&der(0x31, &[&common])]);
        let times = [&b"250101000000Z"[..], b"491231235959Z"].map(|time| der(0x17, &[time]));
        let version = [0xa0, 3, 2, 1, 2];
        let serial = [2, 1, seed];
        let validity = der(0x30, &[&times[0], &times[1]]);
        let content =
            der(0x30, &[&version, &serial, &ED25519, &name, &validity, &name, public.as_ref()]);
        let signer = signing.choose_scheme(&[SignatureScheme::ED25519]).unwrap();
        let signature = signer.sign(&content).unwrap();
        let cert = der(0x30, &[&content, &ED25519, &der(3, &[&[0], &signature])]);
        let (pem, key) = (pem("CERTIFICATE", &cert), pem("PRIVATE KEY", &key));
        Pair { der: cert, cert: pem, key }
    }

    fn put(&self, world: &World) {
        world.file("key.pem", &self.key);
        world.file("cert.pem", &self.cert);
    }
}

/// Tag, length, content.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ ..128 => out.push(short as u8),
        middle @ ..256 => out.extend([0x81, middle as u8]),
        long => out.extend([&[0x82][..], &(long as u16).to_be_bytes()].concat()),
    }
    out.extend(content);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let octet = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { digit as char } else { '=' });
        }
    }
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| text.get(at..at + 64).unwrap_or(&text[at..]))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Takes any certificate whose key the server has.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
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
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection to the API.
struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Tls {
    fn connect(address: SocketAddr) -> io::Result<Tls> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the versions of the library")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        let name = ServerName::try_from("api.test").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a config");
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = connection;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Tls(StreamOwned::new(connection, stream)))
    }

    fn certificate(&self) -> Vec<u8> {
        let shown = self.0.conn.peer_certificates().expect("the handshake is done");
        shown[0].to_vec()
    }

    /// Asks for something, and leaves the connection open; its status and body.
    fn get(&mut self, path: &str, header: &str) -> io::Result<(u16, String)> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: api.test\r\n{header}\r\n")?;
        self.0.flush()?;
        let mut octets = Vec::new();
        let (head, length) = loop {
            let mut more = [0; 4096];
            let read = self.0.read(&mut more)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            octets.extend(&more[..read]);
            let text = String::from_utf8_lossy(&octets).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).expect("a length");
            let length: usize = length.lines().next().expect("a line").parse().expect("a number");
            if body.len() >= length {
                break (head.to_owned(), length);
            }
        };
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        Ok((status, String::from_utf8_lossy(&octets[octets.len() - length..]).into_owned()))
    }
}

#[test]
fn a_new_certificate_is_for_new_connections_and_a_broken_one_for_none() {
    let [first, second, third] = [1, 2, 3].map(Pair::new);
    let world = World::new();
    world.config("", CONFIG);
    first.put(&world);
    let server = world.start();
    let address = server.http.unwrap();
    let token = http::token(&server.world, None)["token"].as_str().unwrap().to_owned();
    let header = format!("Authorization: Bearer {token}\r\n");
    let verify = "/client/v4/user/tokens/verify";
    let mut old = Tls::connect(address).unwrap();
    assert_eq!(old.certificate(), first.der);
    let (status, said) = old.get(verify, &header).unwrap();
    assert!(status == 200 && said.contains("\"active\""), "{status}: {said}");
    // Nothing is said in the clear.
    let mut plain = TcpStream::connect(address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    // The connection that is there goes on by the certificate that it began with; while it is used it is not closed.
    second.put(&server.world);
    let shown = poll(PATIENCE, || {
        assert_eq!(old.get(verify, &header).expect("it stays").0, 200);
        (Tls::connect(address).ok()?.certificate() == second.der).then_some(())
    });
    shown.unwrap_or_else(|| panic!("the new certificate is never shown:\n{}", server.log()));
    server.logged(&["certificate-read"]);
    assert_eq!(old.get(verify, &header).expect("it stays").0, 200);
    assert_eq!(old.certificate(), first.der);
    // No certificate at all; one of another key; none that is there.
    let stays = |old: &mut Tls| {
        let mut new = Tls::connect(address).expect("served all the same");
        assert_eq!(new.certificate(), second.der);
        assert_eq!(new.get(verify, &header).unwrap().0, 200);
        assert_eq!(old.get(verify, &header).expect("it stays").0, 200);
    };
    server.world.file("cert.pem", "nothing of use\n");
    server.logged(&["certificate-unusable", "holds no certificate"]);
    stays(&mut old);
    server.world.file("cert.pem", &first.cert);
    server.logged(&["certificate-unusable", "key"]);
    stays(&mut old);
    std::fs::remove_file(server.world.path("cert.pem")).unwrap();
    server.logged(&["certificate-unusable", "os error 2"]);
    stays(&mut old);
    third.put(&server.world);
    let shown = poll(PATIENCE, || {
        assert_eq!(old.get(verify, &header).expect("it stays").0, 200);
        (Tls::connect(address).ok()?.certificate() == third.der).then_some(())
    });
    shown.expect("repaired, it is shown");
    // At the start there is no old one to keep.
    let world = World::new();
    world.config("", CONFIG);
    world.file("key.pem", &first.key);
    world.file("cert.pem", &second.cert);
    let said = world.try_start(&[]).err().expect("it does not start");
    assert!(said.contains("cert.pem"), "{said}");
}
