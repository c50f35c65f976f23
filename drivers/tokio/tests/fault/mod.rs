//! Faults between a program and an HTTP server.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What happens to requests that finish an upload: `PUT …backup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// They are answered with 503.
    Refuse,
    /// The connection breaks, and so does that of every request to remove something.
    Cut,
    /// They are never answered.
    Stall,
}

/// A relay in front of a server.
#[derive(Clone)]
pub(crate) struct Faults {
    address: SocketAddr,
    shared: Arc<(Mutex<(Fault, bool)>, Condvar)>,
}

impl Faults {
    /// Begins to relay to `server`.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new((Mutex::new((Fault::None, false)), Condvar::new()));
        let faults = Self { address: listener.local_addr().unwrap(), shared };
        let relays = faults.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let faults = relays.clone();
                // A connection that breaks is what this is for.
                thread::spawn(move || faults.relay(client, server));
            }
        });
        faults
    }

    /// Where the program finds it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this happens.
    pub(crate) fn set(&self, fault: Fault) {
        *self.shared.0.lock().unwrap() = (fault, false);
    }

    /// Returns when a request has not been answered.
    pub(crate) fn wait_for_stall(&self) {
        let (state, changed) = &*self.shared;
        drop(changed.wait_while(state.lock().unwrap(), |(_, stalled)| !*stalled).unwrap());
    }

    fn relay(&self, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let mut upstream = TcpStream::connect(server)?;
        let mut answers = (upstream.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut answers.0, &mut answers.1);
            let _ = answers.1.shutdown(Shutdown::Both);
        });
        let mut requests = BufReader::new(client);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if requests.read_line(&mut head)? == 0 {
                    return upstream.shutdown(Shutdown::Both);
                }
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut body = vec![0; length.unwrap_or(0)];
            requests.read_exact(&mut body)?;
            let target = head.split(' ').nth(1).unwrap_or_default();
            let finishes = head.starts_with("PUT ") && target.ends_with(".backup");
            let removes = head.starts_with("DELETE ") || target.contains("?delete");
            let fault = self.shared.0.lock().unwrap().0;
            match fault {
                Fault::Refuse if finishes => {
                    let answer = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n";
                    requests.get_mut().write_all(answer)?;
                    continue;
                }
                Fault::Cut if finishes || removes => return upstream.shutdown(Shutdown::Both),
                Fault::Stall if finishes => {
                    self.shared.0.lock().unwrap().1 = true;
                    self.shared.1.notify_all();
                    continue;
                }
                Fault::None | Fault::Refuse | Fault::Cut | Fault::Stall => {}
            }
            upstream.write_all(head.as_bytes())?;
            upstream.write_all(&body)?;
        }
    }
}
