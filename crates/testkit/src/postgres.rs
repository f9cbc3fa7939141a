//! Real PostgreSQL servers for tests, made of the programs that the machine has (Debian: `postgresql`).
//!
//! A server lives in a temporary directory and on a loopback port. It is looked after by a small shell that ends it when the
//! test's process is gone, however that ended.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::port::Port;

/// The database user of all tests. It needs no password.
const USER: &str = "doorward";

/// A fresh database.
#[derive(Clone)]
pub struct Postgres {
    server: Arc<Server>,
    name: String,
}

impl Postgres {
    /// A database of its own on the server that all tests of this process share.
    pub fn fresh() -> Self {
        static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| Arc::new(Server::new()));
        Self::on(SHARED.clone())
    }

    /// A database on a server of its own, for a test that stops or kills it.
    pub fn alone() -> Self {
        Self::on(Arc::new(Server::new()))
    }

    /// Another database on the same server with the same content. Nobody may be connected to this one meanwhile.
    pub fn copy(&self) -> Self {
        Self::make(self.server.clone(), &format!("TEMPLATE {}", self.name))
    }

    /// Takes the database away, whoever is connected.
    pub fn remove(self) {
        self.server.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }

    fn on(server: Arc<Server>) -> Self {
        Self::make(server, "")
    }

    fn make(server: Arc<Server>, options: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.sql("postgres", &format!("CREATE DATABASE {name} {options}"));
        Self { server, name }
    }

    /// Where it is, for `--database-url`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{}", self.server.port.number(), self.name)
    }

    /// The port of its server.
    pub fn port(&self) -> u16 {
        self.server.port.number()
    }

    /// Runs SQL with `psql` and gives what it prints, without any decoration.
    pub fn sql(&self, text: &str) -> String {
        self.server.sql(&self.name, text)
    }

    /// Stops the server in order: connections end, nothing is lost.
    pub fn stop(&self) {
        self.server.tell("stop");
    }

    /// Starts the server again.
    pub fn start(&self) {
        self.server.tell("start");
    }

    /// Kills all processes of the server at once (SIGKILL).
    pub fn kill(&self) {
        self.server.tell("kill");
    }
}

/// A server and the shell that looks after it.
struct Server {
    programs: PathBuf,
    port: Port,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    _shell: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Obeys one command a line. The end of its input is the end of the server and of its directory.
const KEEPER: &str = r#"
programs=$1 directory=$2 port=$3
data=$directory/data
cd "$directory" || exit 1
exec 2>>"$directory/keeper.log"
{
    "$programs/initdb" --pgdata="$data" --username=doorward --auth=trust --encoding=UTF8 --no-locale --no-sync >&2
    cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
shared_buffers = 32MB
fsync = off
CONF
}
while read -r command; do
    case $command in
        start)
            # After a kill the last processes of the old server may take a moment to go.
            for _ in 1 2 3 4 5 6 7 8 9 10; do
                "$programs/pg_ctl" --pgdata="$data" --log="$directory/server.log" --wait start >&2 </dev/null && break
                sleep 0.3
            done
            ;;
        stop) "$programs/pg_ctl" --pgdata="$data" --mode=fast --wait stop >&2 ;;
        kill)
            postmaster=$(head -n 1 "$data/postmaster.pid")
            kill -9 "$postmaster" $(cat "/proc/$postmaster/task/$postmaster/children") >&2
            while kill -0 "$postmaster"; do sleep 0.05; done
            ;;
    esac
    "$programs/pg_ctl" --pgdata="$data" status >&2 && echo running || echo stopped
done
"$programs/pg_ctl" --pgdata="$data" --mode=immediate --wait stop >&2
cd / && rm -rf "$directory"
"#;

impl Server {
    fn new() -> Self {
        let programs = programs().expect("PostgreSQL is installed (Debian: apt-get install postgresql)");
        let directory = tempfile::Builder::new().prefix("doorward-postgres-").tempdir().unwrap().keep();
        let port = Port::hold();
        let mut command = match unprivileged() {
            None => Command::new("bash"),
            Some((user, group)) => {
                std::os::unix::fs::chown(&directory, Some(user), Some(group)).unwrap();
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg("bash");
                command
            }
        };
        let mut shell = command
            .args(["-c", KEEPER, "bash"])
            .arg(&programs)
            .arg(&directory)
            .arg(port.number().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
        let server = Self { programs, port, keeper: Mutex::new(Keeper { _shell: shell, commands, answers }) };
        assert_eq!(server.tell("start"), "running", "PostgreSQL starts in {}", directory.display());
        server
    }

    fn tell(&self, command: &str) -> String {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(keeper.commands, "{command}").unwrap();
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    fn sql(&self, database: &str, text: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--host=127.0.0.1", &format!("--port={}", self.port.number()), &format!("--username={USER}")])
            .args(["--dbname", database, "--command", text])
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// The directory of PostgreSQL's programs: where `initdb` is in `PATH`, or the newest of Debian's.
fn programs() -> Option<PathBuf> {
    let whole = |directory: &Path| ["initdb", "pg_ctl", "psql"].iter().all(|name| directory.join(name).exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    debian.sort_by_key(|entry| entry.file_name().to_str().and_then(|version| version.parse::<u32>().ok()));
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev().map(|entry| entry.path().join("bin")))
        .find(|directory| whole(directory))
}

/// Whom to run as, when this is root, under whom PostgreSQL refuses to run: user and group.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_stops_dies_and_comes_back() {
        let database = Postgres::alone();
        database.sql("CREATE TABLE t (n INT); INSERT INTO t VALUES (7)");
        database.stop();
        assert!(std::net::TcpStream::connect(("127.0.0.1", database.port())).is_err());
        database.start();
        assert_eq!(database.sql("SELECT n FROM t"), "7");
        database.kill();
        assert!(std::net::TcpStream::connect(("127.0.0.1", database.port())).is_err());
        database.start();
        assert_eq!(database.sql("SELECT n FROM t"), "7");
    }
}
