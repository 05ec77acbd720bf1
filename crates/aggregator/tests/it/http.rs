//! One request to the API, with the headers a test wants, and the whole answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Last part of the problem's type.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        let name = json["type"].as_str().unwrap_or_default();
        name.rsplit('/').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.map_or_else(String::new, |v| v.to_str().unwrap().to_owned())
    }

    /// `name=value` of a cookie that is set.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let mut all = self.headers.get_all("set-cookie").iter();
        let found = all.find_map(|line| {
            let text = line.to_str().unwrap();
            text.starts_with(&format!("{name}="))
                .then(|| text.split(';').next().unwrap().to_owned())
        });
        found.unwrap_or_else(|| panic!("no cookie {name}: {:?}", self.headers))
    }
}

/// Sends `headers` as they are, twice if they stand there twice; `host` is `localhost` unless given.
pub(crate) async fn ask(
    url: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    let response = sender.send_request(request.body(body).unwrap()).await;
    let (head, body) = response.unwrap().into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

pub(crate) async fn get(url: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(url, Method::GET, path, headers, b"").await
}
