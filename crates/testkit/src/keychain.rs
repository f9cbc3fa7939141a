//! A real Secret Service, as a desktop has it: gnome-keyring on a bus of its own.

use std::{
    fs,
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// No other service may be started by this bus.
const BUS: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#;

/// A bus, and perhaps gnome-keyring on it. Both are killed when it is dropped.
pub struct Keychain {
    folder: TempDir,
    bus: Child,
    service: Option<Child>,
}

impl Keychain {
    /// A bus without a keychain on it.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn absent() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let (config, socket) = (folder.path().join("bus.conf"), folder.path().join("bus"));
        fs::write(&config, BUS.replace("BUS", socket.to_str().expect("a plain path"))).expect("it can be written");
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let bus = start(&mut command);
        wait("the bus", || UnixStream::connect(&socket).is_ok());
        Self { folder, bus, service: None }
    }

    /// A keychain that was never set up: it has nothing to put secrets into.
    ///
    /// # Panics
    /// When it does not start.
    pub fn empty() -> Self {
        let mut keychain = Self::absent();
        keychain.start(None);
        keychain
    }

    /// A keychain that is set up and open.
    ///
    /// # Panics
    /// When it does not start.
    pub fn unlocked() -> Self {
        let mut keychain = Self::absent();
        keychain.start(Some("a password"));
        keychain
    }

    /// Starts it again, locked, as after a sign-in without a password.
    ///
    /// # Panics
    /// When it does not start.
    pub fn lock(&mut self) {
        self.end();
        self.start(None);
    }

    /// Starts it again, open.
    ///
    /// # Panics
    /// When it does not start.
    pub fn unlock(&mut self) {
        self.end();
        self.start(Some("a password"));
    }

    /// Ends the service; the bus stays.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn end(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().and_then(|()| service.wait()).expect("it can be killed");
            // The bus notices a moment later.
            wait("the end of the service", || !self.is_owned());
        }
    }

    /// Stops the service without ending it (it answers nothing), or lets it go on.
    ///
    /// # Panics
    /// When there is none.
    pub fn freeze(&self, frozen: bool) {
        let service = self.service.as_ref().expect("a service").id().to_string();
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &service]).status().is_ok_and(|status| status.success()));
    }

    /// The variables with which a program finds it.
    pub fn environment(&self) -> [(&'static str, String); 1] {
        [("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.folder.path().join("bus").display()))]
    }

    /// What lies on the disk: nothing of what was put in may be readable there.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn start(&mut self, password: Option<&str>) {
        let home = self.files();
        fs::create_dir_all(&home).expect("a folder can be made");
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        if password.is_some() {
            command.arg("--unlock");
        }
        command.env("HOME", &home).env("XDG_DATA_HOME", &home).env("XDG_RUNTIME_DIR", self.folder.path());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").envs(self.environment());
        let mut service = start(&mut command);
        let mut input = service.stdin.take().expect("its input is a pipe");
        if let Some(password) = password {
            input.write_all(password.as_bytes()).expect("it reads its password");
        }
        drop(input);
        self.service = Some(service);
        wait("the keychain", || self.is_owned());
    }

    fn is_owned(&self) -> bool {
        let mut ask = Command::new("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
        ask.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]).envs(self.environment());
        let answer = ask.output().expect("dbus-send is installed with dbus");
        String::from_utf8_lossy(&answer.stdout).contains("boolean true")
    }
}

impl Drop for Keychain {
    fn drop(&mut self) {
        for child in self.service.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(command: &mut Command) -> Child {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.unwrap_or_else(|error| panic!("{name} does not start ({error}); run: cargo xtask test"))
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a text stands in any file below a folder.
///
/// # Panics
/// When a file cannot be read.
pub fn lies_in(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return lies_in(&path, text);
        }
        path.is_file() && fs::read(&path).expect("a file").windows(text.len()).any(|window| window == text.as_bytes())
    })
}
