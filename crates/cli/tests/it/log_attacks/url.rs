//! A log over HTTP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use super::{lived, policy, verify};
use crate::sandbox::Sandbox;

/// Serves a directory to one connection at a time, until the test ends.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            let path = line
                .split(' ')
                .nth(1)
                .unwrap_or("/")
                .trim_start_matches('/')
                .to_owned();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {}
            let (status, body) = match fs_err::read(dir.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body));
        }
    });
    url
}

#[test]
fn a_log_is_verified_over_http() {
    let sandbox = Sandbox::new();
    let dir = lived(&sandbox);
    let url = PathBuf::from(serve(dir.join("log")));
    let trust = policy();
    let trust = ["--trust", trust.to_str().unwrap()];
    let ran = verify(&sandbox, &url, &trust);
    assert_eq!(ran.code, 0, "{ran:?}");
    fs_err::write(dir.join("log/tile/0/000.p/27"), vec![0; 27 * 32]).unwrap();
    assert_eq!(verify(&sandbox, &url, &trust).code, 1);
    assert_eq!(verify(&sandbox, &url, &[]).code, 4, "nobody to trust");
}

#[test]
fn a_log_that_is_not_there_is_unreachable() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = PathBuf::from(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let ran = verify(&sandbox, &url, &["--trust", policy().to_str().unwrap()]);
    assert_eq!(ran.code, 5, "{ran:?}");
}
