//! A real S3 server of our own, and a client that does what an attacker would.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use affiant_archive::store::{Credentials, Objects, S3Objects, S3Options};
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{
    HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector,
};

const KEY_ID: &str = "affiant-test";
const SECRET: &str = "not-a-secret";

/// SeaweedFS: master, volume, filer and S3 in one process.
pub(crate) struct Seaweed {
    pub(crate) dir: tempfile::TempDir,
    ports: [u16; 8],
    child: Mutex<Option<Child>>,
}

impl Seaweed {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({"identities": [{
            "name": "archive",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        fs_err::write(dir.path().join("s3.json"), config.to_string()).unwrap();
        fs_err::create_dir(dir.path().join("data")).unwrap();
        let server = Self {
            dir,
            ports: free_ports(),
            child: Mutex::new(None),
        };
        server.run();
        server
    }

    /// One for all tests that do not hurt it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Seaweed> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub(crate) fn run(&self) {
        let log = fs_err::File::create(self.dir.path().join("log")).unwrap();
        let [
            master,
            master_grpc,
            volume,
            volume_grpc,
            filer,
            filer_grpc,
            s3,
            s3_grpc,
        ] = self.ports;
        // A shell between us that waits for the end of its input, which comes however this process ends.
        let child = Command::new("sh")
            .args([
                "-c",
                "\"$@\" </dev/null & echo $! >\"$PID\"; cat >/dev/null; kill -9 $!",
                "sh",
            ])
            .arg(weed())
            .env("PID", self.dir.path().join("pid"))
            .args([
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
            ])
            .args([
                "-volume.max=100",
                "-master.volumeSizeLimitMB=64",
                "-master.telemetry=false",
            ])
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={}", self.dir.path().join("data").display()))
            .arg(format!(
                "-s3.config={}",
                self.dir.path().join("s3.json").display()
            ))
            .arg(format!("-master.port={master}"))
            .arg(format!("-master.port.grpc={master_grpc}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-volume.port.grpc={volume_grpc}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-filer.port.grpc={filer_grpc}"))
            .arg(format!("-s3.port={s3}"))
            .arg(format!("-s3.port.grpc={s3_grpc}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .unwrap();
        *self.child.lock().unwrap() = Some(child);
        // Until it takes and gives back an object.
        let probe = self.bucket_named("probe", false);
        for _ in 0..120 {
            if probe.call("PUT", "probe/x", &[], "x").0 == 200
                && probe.call("GET", "probe/x", &[], "").0 == 200
            {
                return;
            }
            probe.call("PUT", "probe", &[], "");
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!(
            "SeaweedFS does not serve: {}",
            self.dir.path().join("log").display()
        );
    }

    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap().take().unwrap();
        self.signal("KILL");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// `STOP`, `CONT` or `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = fs_err::read_to_string(self.dir.path().join("pid")).unwrap();
        let mut kill = Command::new("kill");
        let sent = kill.args([&format!("-{signal}"), pid.trim()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn endpoint(&self) -> String {
        let [.., s3, _] = self.ports;
        format!("http://127.0.0.1:{s3}")
    }

    /// A bucket with object lock, and with a day of compliance for all that is created, or without.
    pub(crate) fn bucket(&self, name: &str, retention: Option<&str>) -> Bucket {
        let bucket = self.bucket_named(name, true);
        let (status, body) = bucket.call(
            "PUT",
            name,
            &[("x-amz-bucket-object-lock-enabled", "true")],
            "",
        );
        assert_eq!(status, 200, "{body}");
        if let Some(mode) = retention {
            let body = format!(
                "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                 <Rule><DefaultRetention><Mode>{mode}</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
            );
            let (status, body) = bucket.call("PUT", &format!("{name}?object-lock="), &[], &body);
            assert_eq!(status, 200, "{body}");
        }
        bucket
    }

    fn bucket_named(&self, name: &str, _lock: bool) -> Bucket {
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(Duration::from_secs(20));
        Bucket {
            name: name.to_owned(),
            endpoint: self.endpoint(),
            client: ReqwestConnector::default().connect(&options).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// A bucket, and somebody with all rights that the server gives.
pub(crate) struct Bucket {
    pub(crate) name: String,
    endpoint: String,
    client: HttpClient,
    runtime: tokio::runtime::Runtime,
}

impl Bucket {
    pub(crate) fn options(&self) -> S3Options {
        let mut options = S3Options::new(
            &self.name,
            Credentials::parse(&format!("{KEY_ID}\n{SECRET}\n")).unwrap(),
        );
        options.endpoint = Some(self.endpoint.clone());
        options.prefix = "evidence/eu-1".to_owned();
        options
    }

    pub(crate) fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(S3Objects::open(self.options()).unwrap())
    }

    /// Path of an object of the archive, for [`Self::call`].
    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}/evidence/eu-1/{key}", self.name)
    }

    /// One request, signed: status and body; 0 where nobody answers. Asked again, as a connection may be one
    /// to a server that was killed.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (u16, String) {
        for _ in 0..3 {
            let answer = self.call_once(method, path, headers, body);
            if answer.0 != 0 {
                return answer;
            }
        }
        (0, String::new())
    }

    fn call_once(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (u16, String) {
        let body = match body {
            "" => HttpRequestBody::empty(),
            body => body.to_owned().into(),
        };
        let mut request = HttpRequest::new(body);
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{}/{path}", self.endpoint).parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let credential = AwsCredential {
            key_id: KEY_ID.to_owned(),
            secret_key: SECRET.to_owned(),
            token: None,
        };
        AwsAuthorizer::new(&credential, "s3", "us-east-1")
            .try_authorize(&mut request, None)
            .unwrap();
        let asked = async {
            let Ok(answer) = self.client.execute(request).await else {
                return (0, String::new());
            };
            let status = answer.status().as_u16();
            let body = answer.into_body().bytes().await.unwrap_or_default();
            (status, String::from_utf8_lossy(&body).into_owned())
        };
        self.runtime.block_on(asked)
    }
}

/// The server's program.
fn weed() -> PathBuf {
    let dir = std::env::var_os("AFFIANT_PEERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        PathBuf::from,
    );
    let weed = dir.join("venv-s3/bin/weed");
    assert!(
        weed.exists(),
        "`{}` is not there; run `cargo xtask peers`",
        weed.display()
    );
    weed
}

fn free_ports() -> [u16; 8] {
    let all = [(); 8].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    all.map(|listener| listener.local_addr().unwrap().port())
}
