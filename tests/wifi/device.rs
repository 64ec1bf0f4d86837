//! A device of our own: EAP over RADIUS by hand, TLS by rustls.

use crate::support::{PATIENCE, secret, udp};
use crate::world::{WIFI, World};
use doorward::wire::eap::{Avp, Avps, Fragment, Method, Packet, push_avp, request};
use doorward::wire::radius::{self, AttributeType, Request, verify_response};
use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: radius::Code,
    pub(crate) eap: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn identifier(&self) -> u8 {
        self.eap[1]
    }

    /// What stands behind the type of a request.
    pub(crate) fn data(&self) -> &[u8] {
        Packet::decode(&self.eap).unwrap().data
    }

    pub(crate) fn has(&self, kind: AttributeType) -> bool {
        radius::Packet::decode(&self.bytes).unwrap().first(kind).is_some()
    }
}

/// The NAS of one device.
pub(crate) struct Nas {
    socket: UdpSocket,
    server: SocketAddr,
    identifier: u8,
    counter: u64,
    pub(crate) state: Option<Vec<u8>>,
    /// Framed-MTU.
    pub(crate) mtu: Option<u32>,
}

impl Nas {
    pub(crate) fn new(world: &World) -> Self {
        Self::at(world, WIFI)
    }

    pub(crate) fn at(world: &World, from: &str) -> Self {
        let socket = udp(from, PATIENCE);
        Self { socket, server: world.daemon.address, identifier: 0, counter: 0, state: None, mtu: None }
    }

    /// Sends an EAP packet and returns at once.
    pub(crate) fn send(&mut self, eap: &[u8]) -> [u8; 16] {
        self.identifier = self.identifier.wrapping_add(1);
        self.counter += 1;
        let authenticator = *uuid::Uuid::now_v7().as_bytes();
        let mut request = Request::new(radius::Code::ACCESS_REQUEST, self.identifier, authenticator)
            .attribute(AttributeType::USER_NAME, b"anonymous");
        for part in eap.chunks(253) {
            request = request.attribute(AttributeType::EAP_MESSAGE, part);
        }
        if let Some(mtu) = self.mtu {
            request = request.attribute(AttributeType::FRAMED_MTU, &mtu.to_be_bytes());
        }
        if let Some(state) = &self.state {
            request = request.attribute(AttributeType::STATE, state);
        }
        self.socket.send_to(&request.seal(&secret()).unwrap(), self.server).unwrap();
        authenticator
    }

    pub(crate) fn hear(&mut self, authenticator: [u8; 16]) -> Reply {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("an answer");
        self.read(&authenticator, &buffer[..length])
    }

    fn read(&mut self, authenticator: &[u8; 16], bytes: &[u8]) -> Reply {
        let (packet, signed) = verify_response(authenticator, bytes, &secret()).unwrap();
        assert!(signed);
        self.state = packet.first(AttributeType::STATE).map(|state| state.value.to_vec());
        let eap = packet.eap_message().unwrap().expect("every answer carries EAP");
        Reply { code: packet.code(), eap, bytes: bytes.to_vec() }
    }

    /// Sends it again and again, as a NAS does that hears nothing, until there is an answer to one of them.
    pub(crate) fn insist(&mut self, eap: &[u8]) -> Reply {
        let (mut sent, begin) = (Vec::new(), Instant::now());
        let mut buffer = [0; 4096];
        loop {
            assert!(begin.elapsed() < PATIENCE, "no answer");
            sent.push(self.send(eap));
            self.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let heard = self.socket.recv(&mut buffer);
            self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let Ok(length) = heard else { continue };
            let bytes = &buffer[..length];
            let fits = |authenticator: &&[u8; 16]| verify_response(authenticator, bytes, &secret()).is_some();
            return self.read(sent.iter().find(fits).expect("an answer to one of them"), bytes);
        }
    }

    pub(crate) fn exchange(&mut self, eap: &[u8]) -> Reply {
        let authenticator = self.send(eap);
        self.hear(authenticator)
    }

    /// Says who it is, and asks for this method; the start of it.
    pub(crate) fn start(&mut self, method: Method) -> Reply {
        self.state = None;
        let mut reply = self.exchange(&response(0, Method::IDENTITY, b"anonymous"));
        if reply.eap[4] != method.0 {
            reply = self.exchange(&response(reply.identifier(), Method::NAK, &[method.0]));
        }
        assert_eq!((reply.eap[4], reply.data()), (method.0, &[0x20][..]), "a start");
        reply
    }
}

pub(crate) fn response(identifier: u8, method: Method, data: &[u8]) -> Vec<u8> {
    let mut bytes = request(identifier, method, data);
    bytes[0] = 2;
    bytes
}

/// TLS of a device; its sessions are kept with it.
pub(crate) fn tls(world: &World, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    tls_with(world, version, |_| true)
}

/// The same with some cipher suites only.
pub(crate) fn tls_with(
    world: &World,
    version: &'static SupportedProtocolVersion,
    wanted: impl Fn(&str) -> bool,
) -> Arc<ClientConfig> {
    Arc::new(trusting(world, version, wanted).with_no_client_auth())
}

/// The same with a certificate, and the key of it.
pub(crate) fn tls_as(
    world: &World,
    version: &'static SupportedProtocolVersion,
    (certificate, key): (&Path, &Path),
) -> Arc<ClientConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = trusting(world, version, |_| true).with_client_auth_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

fn trusting(
    world: &World,
    version: &'static SupportedProtocolVersion,
    wanted: impl Fn(&str) -> bool,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&world.env["RADIUS_CA"]).unwrap()).unwrap();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite().as_str().is_some_and(&wanted));
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
}

/// A login by a method with TLS in it.
pub(crate) struct Tunnel {
    pub(crate) nas: Nas,
    pub(crate) tls: ClientConnection,
    method: Method,
    /// The last request.
    last: Reply,
}

/// One by TTLS.
pub(crate) type Ttls = Tunnel;

impl Tunnel {
    /// Up to the end of the handshake, or the answer that ended it.
    pub(crate) fn handshake(world: &World, config: &Arc<ClientConfig>) -> Result<Self, Reply> {
        Self::handshake_by(Nas::new(world), world, config)
    }

    /// The same at another client.
    pub(crate) fn handshake_by(nas: Nas, world: &World, config: &Arc<ClientConfig>) -> Result<Self, Reply> {
        Self::by(Method::TTLS, nas, world, config)
    }

    /// The same by any method.
    pub(crate) fn by(
        method: Method,
        mut nas: Nas,
        world: &World,
        config: &Arc<ClientConfig>,
    ) -> Result<Self, Reply> {
        let last = nas.start(method);
        let name = world.env["EAP_SERVER_NAME"].clone().try_into().unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut login = Self { nas, tls, method, last };
        while login.tls.is_handshaking() || login.tls.wants_write() {
            login.turn()?;
        }
        Ok(login)
    }

    /// A whole login without a password, by a certificate or a session; the answer that ends it.
    pub(crate) fn without_password(
        method: Method,
        nas: Nas,
        world: &World,
        config: &Arc<ClientConfig>,
    ) -> Reply {
        match Self::by(method, nas, world, config) {
            Ok(login) => login.finish(),
            Err(end) => end,
        }
    }

    /// One up to where the inside has begun: with PEAP the server does that, and asks who it is.
    pub(crate) fn inside(
        method: Method,
        nas: Nas,
        world: &World,
        config: &Arc<ClientConfig>,
    ) -> Result<Self, Reply> {
        let mut login = Self::by(method, nas, world, config)?;
        if method == Method::PEAP && login.plain().is_empty() {
            assert_eq!(login.through(&[])?, [Method::IDENTITY.0]);
        }
        Ok(login)
    }

    /// The identifier that a response must have.
    pub(crate) fn identifier(&self) -> u8 {
        self.last.identifier()
    }

    /// Sends what TLS has, and takes what comes back.
    fn turn(&mut self) -> Result<(), Reply> {
        let records = self.records();
        let fragment = Fragment { total: None, more: false, version: 0, data: &records }.encode();
        let mut reply = self.nas.exchange(&response(self.identifier(), self.method, &fragment));
        let mut whole = Vec::new();
        loop {
            if reply.code != radius::Code::ACCESS_CHALLENGE {
                return Err(reply);
            }
            let (more, data) = match reply.data() {
                [flags, rest @ ..] if flags & 0x80 != 0 => (flags & 0x40 != 0, rest[4..].to_vec()),
                [flags, rest @ ..] => (flags & 0x40 != 0, rest.to_vec()),
                [] => panic!("no flags"),
            };
            whole.extend(data);
            if !more {
                break;
            }
            reply = self.nas.exchange(&response(reply.identifier(), self.method, &[0]));
        }
        self.last = reply;
        let mut rest = whole.as_slice();
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).unwrap();
            if let Err(error) = self.tls.process_new_packets() {
                assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");
                return Err(self.nas.exchange(&response(self.identifier(), self.method, &[0])));
            }
        }
        Ok(())
    }

    /// Sends a password through the tunnel; the answer that ends it.
    pub(crate) fn password(mut self, user: &str, password: &str) -> Reply {
        self.write_password(user, password);
        self.finish()
    }

    fn write_password(&mut self, user: &str, password: &str) {
        let mut avps = Vec::new();
        push_avp(&mut avps, 0, Avp::USER_NAME, user.as_bytes());
        push_avp(&mut avps, 0, Avp::USER_PASSWORD, password.as_bytes());
        self.tls.writer().write_all(&avps).unwrap();
    }

    /// The response that brings a password, to be sent by hand.
    pub(crate) fn password_response(&mut self, user: &str, password: &str) -> Vec<u8> {
        self.write_password(user, password);
        self.written()
    }

    /// The same of an EAP packet for the tunnel.
    pub(crate) fn inner_response(&mut self, eap: &[u8]) -> Vec<u8> {
        let mut avps = Vec::new();
        push_avp(&mut avps, 0, Avp::EAP_MESSAGE, eap);
        self.tls.writer().write_all(&avps).unwrap();
        self.written()
    }

    fn written(&mut self) -> Vec<u8> {
        let whole = [&[0][..], &self.records()].concat();
        response(self.identifier(), self.method, &whole)
    }

    /// What TLS makes of something for the tunnel, to be sent by hand.
    pub(crate) fn records_of(&mut self, plain: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(plain).unwrap();
        self.records()
    }

    /// What TLS has to send.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Sends AVPs through the tunnel; those that come back, or the answer that ends it.
    pub(crate) fn through(&mut self, avps: &[u8]) -> Result<Vec<u8>, Reply> {
        self.tls.writer().write_all(avps).unwrap();
        self.turn()?;
        Ok(self.plain())
    }

    /// What has come through the tunnel.
    fn plain(&mut self) -> Vec<u8> {
        let mut plain = Vec::new();
        // The tunnel stays open, so there is no end to be read.
        let _ = self.tls.reader().read_to_end(&mut plain);
        plain
    }

    /// Sends an EAP packet through the tunnel; the one that comes back, or the answer that ends it.
    pub(crate) fn inner(&mut self, eap: &[u8]) -> Result<Vec<u8>, Reply> {
        if self.method == Method::PEAP {
            // Without its header in both directions, but for the result at the end.
            let plain = self.through(&eap[4..])?;
            return Ok(if is_result(&plain) { plain } else { request(0, Method(plain[0]), &plain[1..]) });
        }
        let mut avps = Vec::new();
        push_avp(&mut avps, 0, Avp::EAP_MESSAGE, eap);
        let plain = self.through(&avps)?;
        Ok(Avps::new(&plain).next().unwrap().unwrap().value.to_vec())
    }

    /// Says who it is and shows a password by GTC inside; the answer that ends it.
    pub(crate) fn gtc(mut self, user: &str, password: &str) -> Reply {
        match self.shows(user, password) {
            Ok(told) => self.agrees(&told),
            Err(end) => return end,
        }
        self.finish()
    }

    /// The same up to what the server says of it inside.
    pub(crate) fn shows(&mut self, user: &str, password: &str) -> Result<Vec<u8>, Reply> {
        let asked = self.inner(&response(0, Method::IDENTITY, user.as_bytes()))?;
        let asked = Packet::decode(&asked).unwrap();
        assert_eq!(asked.method, Some(Method::GTC));
        self.inner(&response(asked.identifier, Method::GTC, password.as_bytes()))
    }

    /// Says of PEAP's result the same, with what goes out next.
    pub(crate) fn agrees(&mut self, result: &[u8]) {
        let Packet { identifier, data, .. } = Packet::decode(result).unwrap();
        self.tls.writer().write_all(&response(identifier, Method::TLV, data)).unwrap();
    }

    /// Goes on until it is over.
    pub(crate) fn finish(mut self) -> Reply {
        loop {
            let plain = self.plain();
            if is_result(&plain) {
                self.agrees(&plain);
            }
            if let Err(reply) = self.turn() {
                return reply;
            }
        }
    }
}

/// Whether it is what PEAP says of the end.
fn is_result(plain: &[u8]) -> bool {
    Packet::decode(plain).is_ok_and(|packet| packet.method == Some(Method::TLV))
}
