//! A double of an HTTP gateway for texts and calls: it keeps what it receives, checks that it is whole, and answers as it
//! is told, or not at all.

use super::smtp::Certificates;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// A field of a form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let pair =
            self.body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        doorward::base::percent_decode(&pair.1.replace('+', " "))
    }
}

/// What it does next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// Answers.
    Answer(u16, String),
    /// Answers with a header more.
    Headed(u16, &'static str, String),
    /// Answers with a place to go to.
    Redirect(u16, String),
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes.
    Close,
    /// Begins an answer with this status and closes.
    Half(u16),
}

/// The gateway.
pub(crate) struct HttpGateway {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    next: Arc<Mutex<VecDeque<Next>>>,
    stop: Arc<AtomicBool>,
}

impl HttpGateway {
    pub(crate) fn start(tls: Option<&Certificates>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            next: Arc::default(),
            stop: Arc::default(),
        };
        let tls = tls.map(server);
        let (asked, next, stop) = (gateway.asked.clone(), gateway.next.clone(), gateway.stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, next, tls) = (asked.clone(), next.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &asked, &next);
                    }
                    None => serve(stream, &asked, &next),
                });
            }
        });
        gateway
    }

    pub(crate) fn will(&self, next: impl IntoIterator<Item = Next>) {
        self.next.lock().unwrap().extend(next);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Ids that came in a JSON field, each once.
    pub(crate) fn unique(&self, field: &str) -> usize {
        let ids: Vec<_> =
            self.asked().iter().map(|asked| asked.json()[field].as_str().unwrap().to_owned()).collect();
        let unique: HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "an id came twice");
        ids.len()
    }
}

impl Drop for HttpGateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// What a server of tests needs for TLS.
pub(crate) fn server(certificates: &Certificates) -> Arc<rustls::ServerConfig> {
    let chain =
        CertificateDer::pem_file_iter(&certificates.certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&certificates.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn serve(stream: impl Read + Write, asked: &Mutex<Vec<Asked>>, next: &Mutex<VecDeque<Next>>) {
    let mut reader = BufReader::new(stream);
    let Some(request) = request(&mut reader) else { return };
    asked.lock().unwrap().push(request);
    let next = next.lock().unwrap().pop_front().expect("nobody said what to answer");
    let stream = reader.get_mut();
    let answer = match next {
        Next::Answer(status, body) => {
            format!(
                "HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Next::Headed(status, header, body) => {
            format!(
                "HTTP/1.1 {status} So\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Next::Redirect(status, to) => {
            format!(
                "HTTP/1.1 {status} So\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        Next::Half(status) => format!("HTTP/1.1 {status} So\r\nContent-Length: 1000\r\n\r\nhalf"),
        Next::Close => return,
        Next::Hang => {
            // Until the client gives up.
            let _ = stream.read(&mut [0]);
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.flush();
}

/// A whole request, or nothing.
fn request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let line = line.strip_suffix("\r\n").expect("lines end with CR LF").to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines.first()?.split(' ');
    let (method, path, version) = (first.next()?.to_owned(), first.next()?.to_owned(), first.next()?);
    assert_eq!((version, first.next()), ("HTTP/1.1", None));
    let headers: Vec<_> = lines
        .iter()
        .skip(1)
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut asked = Asked { method, path, headers, body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).expect("UTF-8");
    Some(asked)
}
