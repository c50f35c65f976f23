//! Bluetooth LE links beside the TCP ones, in programs that are built with them.

use bitcraps_host::Handle;

use crate::config::Config;

/// Bluetooth is wanted but cannot even be tried. A radio that does not work is no error: it is tried
/// again and again.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// The program has no Bluetooth.
    #[error(
        "this program was built without Bluetooth; build it with --features bluetooth-vendored, or \
         say --bluetooth off"
    )]
    NotBuilt,
    /// The operating system gave no thread or no entropy.
    #[error("cannot start Bluetooth: {0}")]
    Start(std::io::Error),
}

/// A node that was heard over the radio.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard {
    /// The first bytes of its network's id, in hexadecimal.
    pub network: String,
    /// The first bytes of its key, in hexadecimal.
    pub node: String,
    /// How many tables are open in its network, as it says; 255 are so many or more.
    pub tables: u8,
    /// Its device's address.
    pub device: String,
    /// How strongly it was heard, in dBm, if known.
    pub rssi: Option<i16>,
}

pub use built::{Radio, look_around};

#[cfg(not(feature = "bluetooth"))]
mod built {
    use std::time::Duration;

    use super::{Config, Handle, Heard, RadioError};

    /// The Bluetooth links of a node, which this program cannot have.
    pub enum Radio {}

    impl Radio {
        pub(crate) fn start(config: &Config, _handle: &Handle) -> Result<Option<Self>, RadioError> {
            if config.bluetooth.value { Err(RadioError::NotBuilt) } else { Ok(None) }
        }

        pub(crate) async fn stop(self) {
            match self {}
        }
    }

    /// Who can be heard, or why nobody; never called where there is nothing to hear with.
    ///
    /// # Errors
    ///
    /// Always, with a sentence.
    pub async fn look_around(_span: Duration) -> Result<Vec<Heard>, String> {
        Err(RadioError::NotBuilt.to_string())
    }
}

#[cfg(feature = "bluetooth")]
mod built {
    use std::time::Duration;

    use bitcraps_btleplug::system::System;
    use bitcraps_btleplug::{
        Bluetooth, Card, Config as RadioConfig, Policy, Profile as RadioProfile,
    };
    use data_encoding::HEXLOWER;
    use tokio::sync::watch;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::{Config, Handle, Heard, RadioError};
    use crate::config::Profile;
    use crate::runtime::blocking;

    /// How often tables are counted.
    const TABLES_EVERY: Duration = Duration::from_secs(5);

    /// The Bluetooth links of a node.
    pub struct Radio {
        bluetooth: Bluetooth,
        /// Ends when this is dropped.
        _tables: JoinSet<()>,
    }

    impl Radio {
        /// Begins to look for others, if the owner wants it.
        pub(crate) fn start(config: &Config, handle: &Handle) -> Result<Option<Self>, RadioError> {
            if !config.bluetooth.value {
                return Ok(None);
            }
            let status = handle.status();
            let profile = match config.profile.value {
                Profile::Desktop => RadioProfile::Desktop,
                Profile::Mobile => RadioProfile::Mobile,
            };
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| RadioError::Start(error.into()))?;
            let card = Card::of(status.network, status.peer);
            let policy = Policy { frame_bytes: config.frame.value, ..profile.policy() };
            let radio = RadioConfig { card, policy, seed };
            let system = System { adapters: config.adapters.value.clone() };
            let bluetooth = Bluetooth::start(handle.links(), radio, system);
            let bluetooth = bluetooth.map_err(RadioError::Start)?;
            let mut tables = JoinSet::new();
            tables.spawn(count_tables(handle.clone(), bluetooth.tables()));
            Ok(Some(Self { bluetooth, _tables: tables }))
        }

        pub(crate) async fn stop(self) {
            blocking(|| self.bluetooth.shut_down()).await;
        }
    }

    /// Advertises how many tables are open, until it is dropped.
    async fn count_tables(handle: Handle, advertised: watch::Sender<u8>) {
        loop {
            let advertised = advertised.clone();
            handle.query(move |node| {
                let open = node.state().tables().take(u8::MAX.into()).count() as u8;
                advertised.send_if_modified(|before| std::mem::replace(before, open) != open);
            });
            sleep(TABLES_EVERY).await;
        }
    }

    /// Who can be heard within `span`.
    ///
    /// # Errors
    ///
    /// If there is no radio, with a sentence that says what to do.
    pub async fn look_around(span: Duration) -> Result<Vec<Heard>, String> {
        let heard = bitcraps_btleplug::look_around(System::default(), span).await?;
        let heard = heard.into_iter().map(|one| Heard {
            network: HEXLOWER.encode(&one.card.network),
            node: HEXLOWER.encode(&one.card.node),
            tables: one.tables,
            device: one.device,
            rssi: one.rssi,
        });
        Ok(heard.collect())
    }
}
