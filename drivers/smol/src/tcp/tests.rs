//! The cases of every TCP driver, on smol.

#[path = "../../../host/tests/shared/tcp.rs"]
mod cases;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bitcraps_host::Links;
use smol::channel::{Sender, bounded};

use super::{Executor, Tcp, TcpConfig};
use crate::tasks::within;

struct Transport {
    tcp: Tcp,
    /// The executor's thread ends when this is dropped.
    _running: Sender<()>,
}

impl Transport {
    fn start(links: Links, config: TcpConfig) -> Self {
        let executor = Arc::new(Executor::new());
        let tcp = Tcp::start(&executor, links, config).unwrap();
        let (running, end) = bounded(1);
        thread::spawn(move || smol::block_on(executor.run(end.recv())));
        Self { tcp, _running: running }
    }

    fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr().unwrap()
    }

    fn shut_down(self) {
        smol::block_on(within(Duration::from_secs(10), self.tcp.shut_down())).unwrap();
    }
}
