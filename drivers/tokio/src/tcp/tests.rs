//! The cases of every TCP driver, on tokio.

#[path = "../../../host/tests/shared/tcp.rs"]
mod cases;

use std::net::SocketAddr;
use std::time::Duration;

use bitcraps_host::Links;
use tokio::runtime::Runtime;

use super::{Tcp, TcpConfig};

struct Transport {
    runtime: Runtime,
    tcp: Tcp,
}

impl Transport {
    fn start(links: Links, config: TcpConfig) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let tcp = runtime.block_on(async { Tcp::start(links, config).unwrap() });
        Self { runtime, tcp }
    }

    fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr().unwrap()
    }

    fn shut_down(self) {
        self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(10), self.tcp.shut_down()).await.unwrap();
        });
    }
}
