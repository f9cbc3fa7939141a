//! Which process listens at a port, where the system tells.

use std::fmt;

/// Whoever holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A process that this user may look at.
    Process { id: u32, name: String },
    /// A process of somebody else.
    Hidden,
    /// The system does not say.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { id, name } => write!(f, "{name} (process {id})"),
            Self::Hidden => f.write_str("a process of another user"),
            Self::Unknown => f.write_str("another program"),
        }
    }
}

impl Holder {
    /// What a person can do about it.
    pub(super) fn advice(&self, port: u16) -> String {
        match self {
            Self::Process { id, name } if id != &std::process::id() => {
                format!("stop {name}, for instance with: kill {id}")
            }
            Self::Process { .. } => "wait for the other sign-in of this program to end".to_owned(),
            Self::Hidden => format!("find it with: sudo ss -ltnp 'sport = :{port}'"),
            Self::Unknown if cfg!(windows) => format!("find it with: netstat -ano | findstr :{port}"),
            Self::Unknown => format!("find it with: lsof -nP -iTCP:{port} -sTCP:LISTEN"),
        }
    }
}

/// Finds out who listens at a port of this computer.
pub(super) fn of(port: u16) -> Holder {
    find(port, None)
}

/// The same, apart from this process.
pub(super) fn of_others(port: u16) -> Holder {
    find(port, Some(std::process::id()))
}

#[cfg(target_os = "linux")]
fn find(port: u16, except: Option<u32>) -> Holder {
    let read = |table: &str| std::fs::read_to_string(table).unwrap_or_default();
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| listening(&read(table), port)).concat();
    if sockets.is_empty() {
        return Holder::Unknown;
    }
    let names: Vec<_> = sockets.iter().map(|socket| format!("socket:[{socket}]")).collect();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Holder::Unknown };
    for process in processes.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if Some(id) == except {
            continue;
        }
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| names.iter().any(|name| target.as_os_str() == name.as_str()))
        });
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Holder::Process { id, name: crate::output::harmless(name.trim()) };
        }
    }
    if except.is_some() { Holder::Unknown } else { Holder::Hidden }
}

/// Elsewhere there is no file that says it.
#[cfg(not(target_os = "linux"))]
fn find(_port: u16, _except: Option<u32>) -> Holder {
    Holder::Unknown
}

/// The sockets in a table of the kernel that listen at this port, on whichever address.
#[cfg(target_os = "linux")]
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let of_line = |line: &str| {
        let cells: Vec<_> = line.split_ascii_whitespace().collect();
        let (local, state, socket) = (cells.get(1)?, cells.get(3)?, cells.get(9)?);
        let (_, own) = local.rsplit_once(':')?;
        (u16::from_str_radix(own, 16) == Ok(port) && *state == LISTEN && *socket != "0").then(|| (*socket).to_owned())
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:A871 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0\n   \
            1: 0100007F:A871 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0\n   \
            2: 00000000000000000000000001000000:A871 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 77 1\n";
        assert_eq!(listening(table, 0xA871), ["4242", "77"]);
        assert!(listening(table, 80).is_empty() && listening("", 0).is_empty());
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        // proves: BRW-11
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        match of(port) {
            Holder::Process { id, name } => {
                assert_eq!(id, std::process::id());
                assert!(!name.is_empty());
            }
            other => panic!("{other:?}"),
        }
        drop(taken);
        assert_eq!(of(port), Holder::Unknown);
    }
}
