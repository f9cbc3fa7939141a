use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A certificate authority of a test's own, made by `openssl`.
pub struct Authority {
    folder: TempDir,
    issued: AtomicU32,
}

/// A server's certificate and its key, as files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one.
    ///
    /// # Panics
    /// When there is no `openssl`, or it is older than 3.0.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let authority = Self { folder, issued: AtomicU32::new(0) };
        // Two of one name would be taken for one another.
        let name = authority.folder.path().file_name().expect("the folder has a name").to_string_lossy().into_owned();
        let configuration = format!(
            "[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN=authority {name}\n[extensions]\n\
            basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
        );
        authority.write("authority.cnf", &configuration);
        let arguments = "req -x509 -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config authority.cnf \
            -extensions extensions -keyout authority.key -out authority.pem";
        authority.openssl(arguments);
        authority
    }

    /// Its own certificate, in PEM: what trusts it is given this file.
    pub fn file(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// A certificate for these names, such as `DNS:localhost,IP:127.0.0.1`.
    pub fn certificate(&self, names: &str) -> Certificate {
        self.issue(names, "2")
    }

    /// A certificate whose time is over.
    ///
    /// # Panics
    /// When it does not end.
    pub fn expired(&self, names: &str) -> Certificate {
        let expired = self.issue(names, "0");
        let end = Instant::now() + Duration::from_secs(30);
        let is_good = || {
            let mut check = Command::new("openssl");
            check.args(["x509", "-noout", "-checkend", "0", "-in"]).arg(&expired.certificate);
            check.output().expect("openssl can be run").status.success()
        };
        while is_good() {
            assert!(Instant::now() < end, "the certificate does not expire");
            std::thread::sleep(Duration::from_millis(100));
        }
        // To others it is still good in the second in which it ends.
        std::thread::sleep(Duration::from_millis(1100));
        expired
    }

    fn issue(&self, names: &str, days: &str) -> Certificate {
        let leaf = format!("leaf-{}", self.issued.fetch_add(1, Ordering::Relaxed));
        let configuration = format!(
            "[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN={leaf}\n[extensions]\n\
            basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName={names}\n"
        );
        self.write(&format!("{leaf}.cnf"), &configuration);
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config {leaf}.cnf -keyout {leaf}.key \
            -out {leaf}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {leaf}.csr -days {days} -extfile {leaf}.cnf -extensions extensions -CA authority.pem \
            -CAkey authority.key -CAcreateserial -out {leaf}.pem"
        ));
        Certificate { certificate: self.path(&format!("{leaf}.pem")), key: self.path(&format!("{leaf}.key")) }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder can be written to");
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        let made = command.output().unwrap_or_else(|error| panic!("openssl cannot be run: {error}"));
        assert!(made.status.success(), "openssl made no certificate: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
