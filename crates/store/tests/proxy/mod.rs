//! A wire to PostgreSQL that can be cut at the worst moments.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// What the wire does to the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// Nothing.
    Never,
    /// It is cut before COMMIT arrives.
    BeforeCommit,
    /// It is cut when COMMIT was done, before anybody hears of it.
    AfterCommit,
    /// As before, and no connection is made from then on.
    AfterCommitForGood,
    /// Nothing goes through any more, and nobody is told.
    Silence,
    /// No connection is made.
    Closed,
}

const COMMIT: &[u8] = b"COMMIT\0";

pub struct Proxy {
    pub port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    pub fn to(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU8::new(0)));
        let shared = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { continue };
                if shared.load(Ordering::SeqCst) == Cut::Closed as u8 {
                    continue;
                }
                let (c, s, cut) = (client.try_clone().unwrap(), server.try_clone().unwrap(), shared.clone());
                thread::spawn(move || upwards(&client, &server, &cut));
                let cut = shared.clone();
                thread::spawn(move || downwards(&s, &c, &cut));
            }
        });
        Self { port, cut }
    }

    pub fn set(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    pub fn is_done(&self) -> bool {
        [Cut::Never, Cut::Closed].iter().any(|cut| self.cut.load(Ordering::SeqCst) == *cut as u8)
    }
}

fn takes(cut: &AtomicU8, from: Cut, to: Cut) -> bool {
    cut.compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

fn upwards(mut client: &TcpStream, mut server: &TcpStream, cut: &AtomicU8) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        while cut.load(Ordering::SeqCst) == Cut::Silence as u8 {
            thread::sleep(Duration::from_millis(20));
        }
        let bytes = &buffer[..count];
        if bytes.windows(COMMIT.len()).any(|window| window == COMMIT) {
            if takes(cut, Cut::BeforeCommit, Cut::Never) {
                break;
            }
            let later = [(Cut::AfterCommit, Cut::Never), (Cut::AfterCommitForGood, Cut::Closed)];
            if later.into_iter().any(|(from, to)| takes(cut, from, to)) {
                // The other direction is cut first, so that the answer gets nowhere.
                let _ = client.shutdown(Shutdown::Write);
                let _ = server.write_all(bytes);
                thread::sleep(Duration::from_millis(100));
                break;
            }
        }
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

fn downwards(mut server: &TcpStream, mut client: &TcpStream, cut: &AtomicU8) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        while cut.load(Ordering::SeqCst) == Cut::Silence as u8 {
            thread::sleep(Duration::from_millis(20));
        }
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
