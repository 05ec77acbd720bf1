//! A real directory: `slapd` with its own configuration, data and ports, in a directory of its own. Nothing of
//! the system's is touched, and nothing is started beside this process's child.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running directory. It ends when this is dropped.
pub(crate) struct Slapd {
    dir: tempfile::TempDir,
    child: Option<Child>,
    plain: u16,
    tls: u16,
}

const PROGRAM: &str = "/usr/sbin/slapd";

impl Slapd {
    /// A directory of `people` below `ou=people,dc=example`: `uid`, then attributes as LDIF lines.
    pub(crate) fn start(people: &[(&str, &str)]) -> Self {
        assert!(
            Path::new(PROGRAM).exists(),
            "this test needs the package slapd: testdata/peers/install.sh installs it"
        );
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let (plain, tls) = (free(), free());
        fs_err::create_dir(dir.path().join("db")).unwrap();
        fs_err::write(dir.path().join("slapd.conf"), configuration(dir.path())).unwrap();
        fs_err::write(dir.path().join("data.ldif"), ldif(people)).unwrap();
        let slapd = Self {
            dir,
            child: None,
            plain,
            tls,
        };
        let output = slapd
            .command("/usr/sbin/slapadd")
            .arg("-l")
            .arg(slapd.dir.path().join("data.ldif"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut slapd = slapd;
        slapd.run();
        slapd
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-f")
            .arg(self.dir.path().join("slapd.conf"))
            .stdin(Stdio::null());
        command
    }

    /// Starts it (again), on the same ports.
    pub(crate) fn run(&mut self) {
        let log = fs_err::File::create(self.dir.path().join("slapd.log")).unwrap();
        let urls = format!(
            "ldap://127.0.0.1:{} ldaps://127.0.0.1:{}",
            self.plain, self.tls
        );
        let child = self
            .command(PROGRAM)
            // In the foreground, and quiet.
            .args(["-d", "0", "-h", &urls])
            .stdout(Stdio::null())
            .stderr(log.into_parts().0)
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..200 {
            let answers = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            if answers(self.plain) && answers(self.tls) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs_err::read_to_string(self.dir.path().join("slapd.log")).unwrap();
        panic!("slapd does not answer: {log}");
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    pub(crate) fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The file with the password of `cn=admin,dc=example`.
    pub(crate) fn password(&self) -> PathBuf {
        let path = self.dir.path().join("password");
        fs_err::write(&path, "hush\n").unwrap();
        private(&path);
        path
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it, or lets it go on: its sockets stay open, and nothing answers.
    pub(crate) fn freeze(&self, frozen: bool) {
        let pid = self.child.as_ref().unwrap().id();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let signal = if frozen {
            rustix::process::Signal::STOP
        } else {
            rustix::process::Signal::CONT
        };
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Makes a file readable by this user alone.
pub(crate) fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         pidfile {dir}/slapd.pid\n\
         TLSCACertificateFile {dir}/ca.pem\n\
         TLSCertificateFile {dir}/server.pem\n\
         TLSCertificateKeyFile {dir}/server.key\n\
         sizelimit unlimited\n\
         database mdb\n\
         suffix \"dc=example\"\n\
         rootdn \"cn=admin,dc=example\"\n\
         rootpw hush\n\
         directory {dir}/db\n\
         maxsize 67108864\n\
         access to dn.subtree=\"ou=hidden,dc=example\" by * none\n\
         access to * by * read\n"
    )
}

fn ldif(people: &[(&str, &str)]) -> String {
    let mut ldif = String::from(
        "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n\
         dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: ou=hidden,dc=example\nobjectClass: organizationalUnit\nou: hidden\n\n",
    );
    for (uid, lines) in people {
        ldif.push_str(&format!(
            "dn: uid={uid},ou=people,dc=example\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n{lines}\n"
        ));
    }
    ldif
}

/// A root, and a certificate of it for 127.0.0.1.
fn certificates(dir: &Path) {
    let write = |name: &str, text: &str| fs_err::write(dir.join(name), text).unwrap();
    // Each extension once: `openssl req -x509` adds its own, which strict readers refuse when doubled.
    write(
        "ca.cnf",
        "[req]\ndistinguished_name=d\nx509_extensions=e\nprompt=no\n[d]\nCN=test root\n\
         [e]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
         subjectKeyIdentifier=hash\n",
    );
    write(
        "ext",
        "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n\
         subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    );
    let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    for arguments in [
        format!("req {key} -config ca.cnf -x509 -keyout ca.key -out ca.pem -days 30"),
        format!("req {key} -subj /CN=ldap -keyout server.key -out server.csr"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 30 -extfile ext"
            .to_owned(),
    ] {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(dir)
            .output()
            .expect("this test needs the `openssl` command");
        assert!(output.status.success(), "{arguments}: {output:?}");
    }
}
