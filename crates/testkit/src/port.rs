//! A port that is kept free for a program that has to be told which.

use std::net::SocketAddr;

use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt::set_socket_reuseaddr},
};

/// A port of 127.0.0.1 that nobody else is given while this lives. Nothing listens there, so whoever connects is refused,
/// until the program that is told its number does: that program may take it as often as it likes.
pub struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// Takes one that is free.
    ///
    /// # Panics
    /// When there is none.
    pub fn hold() -> Self {
        // No program that a test starts inherits it.
        let held = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let held = held.expect("a socket can be made");
        // With this, and as long as only one of the two listens, Linux lets both have the port.
        set_socket_reuseaddr(&held, true).expect("a socket can share its port");
        bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
        let address = getsockname(&held).ok().and_then(|address| SocketAddr::try_from(address).ok());
        Self { number: address.expect("it has an address").port(), _held: held }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_port_that_is_held_is_there_for_the_program_that_is_told() {
        let port = Port::hold();
        for address in ["127.0.0.1", "0.0.0.0", "::"] {
            assert!(TcpStream::connect(("127.0.0.1", port.number())).is_err(), "nobody listens yet");
            let Ok(listener) = TcpListener::bind((address, port.number())) else {
                assert_eq!(address, "::", "it can be taken");
                continue;
            };
            TcpStream::connect(("127.0.0.1", port.number())).unwrap();
            listener.accept().unwrap();
        }
    }
}
