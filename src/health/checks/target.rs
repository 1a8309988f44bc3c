//! What a check connects to.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::super::Finding;
use super::blocking::Blocking;
use crate::error::InvalidConfig;

/// A host, by name or address, and a port.
#[derive(Clone, Debug)]
pub(in crate::health) struct Target {
    host: Host,
    port: u16,
    lookups: Blocking,
}

#[derive(Clone, Debug)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Target {
    /// Reads `host:port`, where an IPv6 address stands in brackets.
    pub(in crate::health) fn parse(text: &str) -> Result<Self, InvalidConfig> {
        let wrong =
            || InvalidConfig::new("address", "a host and a port, such as `db.example:5432`");
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(wrong()) } else { Ok(address.into()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        // An IPv6 address without brackets does not say where it ends.
        if host.contains(':') {
            return Err(wrong());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { port, ..Self::name(host).ok_or_else(wrong)? })
    }

    /// A host without a port.
    pub(super) fn name(host: &str) -> Option<Self> {
        let host = if let Ok(address) = host.parse() {
            Host::Address(address)
        } else {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let sound = (1..=253).contains(&host.len()) && host.bytes().all(letter);
            Host::Name(sound.then(|| host.to_owned())?)
        };
        Some(Self { host, port: 0, lookups: Blocking::new() })
    }

    /// The host alone, as it was given.
    #[cfg(feature = "tls")]
    pub(in crate::health) fn host(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    /// Its addresses; at least one.
    pub(in crate::health) async fn addresses(&self) -> Result<Vec<SocketAddr>, Finding> {
        let port = self.port;
        let name = match &self.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name.clone(),
        };
        let look_up = move || (name, port).to_socket_addrs().map(Vec::from_iter);
        match self.lookups.run(look_up).await? {
            Ok(addresses) if addresses.is_empty() => Err(Finding::down("the name has no address")),
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(Finding::down(error)),
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Address(address.ip()), port: address.port(), lookups: Blocking::new() }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts_with_ports_and_nothing_else() {
        for sound in ["db.example:5432", "127.0.0.1:1", "[::1]:65535", "a_b-c.:80"] {
            assert!(Target::parse(sound).is_ok(), "{sound}");
        }
        let long = format!("{}:80", "a".repeat(254));
        for wrong in [
            "",
            ":",
            "db",
            "db:",
            ":80",
            "db:0",
            "127.0.0.1:0",
            "db:65536",
            "db:-1",
            "::1:80",
            "u@db:1",
            "http://db:80",
            "a b:80",
            "a/b:80",
            "db:80\n",
            "ä:80",
            &long,
        ] {
            assert_eq!(Target::parse(wrong).unwrap_err().field(), "address", "{wrong:?}");
        }
    }
}
