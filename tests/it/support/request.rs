//! A request as a client writes it.

use super::HOST;
use super::head::{Headers, wire_bytes};
use bytes::Bytes;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Bytes,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self {
            method,
            target,
            headers: Headers::default(),
            body: Bytes::new(),
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The host this request is for.
    pub fn host(&self) -> &str {
        self.headers.get("host").unwrap_or(HOST)
    }

    /// Head and body on the wire. `Host` and `Content-Length` are added when they are missing.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.has("host") {
            head += &format!("Host: {HOST}\r\n");
        }
        for (name, value) in self.headers.iter() {
            head += &format!("{name}: {value}\r\n");
        }
        let framed = self.headers.has("content-length") || self.headers.has("transfer-encoding");
        let may_have_body = ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        if !framed && (may_have_body || !self.body.is_empty()) {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        let mut bytes = wire_bytes(&head);
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
