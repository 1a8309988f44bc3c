//! What a probe may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed that is not by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) link_local: bool,
    pub(super) loopback: bool,
}

impl Allowed {
    /// Whether a probe may connect to `address`.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        // What is mapped is where the packets go.
        match address.to_canonical() {
            address if address.is_loopback() => self.loopback,
            address => self.link_local || !is_inside(address),
        }
    }
}

/// Whether it belongs to the machine or its host, and to no service that somebody runs.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || address == WIRE_SERVER
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || is_compatible(address)
        }
    }
}

/// An IPv4 address in a form that is out of use: nothing is reached by it but a filter's gap.
fn is_compatible(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0, 0, 0, 0, 0, 0, _, _])
}

/// Azure's own, which answers on every virtual machine.
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_reached_only_when_allowed() {
        let by_default = Allowed::default();
        let link_local = Allowed { link_local: true, loopback: false };
        let loopback = Allowed { link_local: false, loopback: true };
        for (address, expected) in [
            ("10.0.0.4", [true, true, true]),
            ("20.50.1.1", [true, true, true]),
            ("2603:1020::1", [true, true, true]),
            ("169.254.169.254", [false, true, false]),
            ("169.254.0.1", [false, true, false]),
            ("168.63.129.16", [false, true, false]),
            ("::ffff:169.254.169.254", [false, true, false]),
            ("::169.254.169.254", [false, true, false]),
            ("fe80::1", [false, true, false]),
            ("0.0.0.0", [false, true, false]),
            ("::", [false, true, false]),
            ("224.0.0.1", [false, true, false]),
            ("255.255.255.255", [false, true, false]),
            ("ff02::1", [false, true, false]),
            ("127.0.0.1", [false, false, true]),
            ("127.8.8.8", [false, false, true]),
            ("::1", [false, false, true]),
            ("::ffff:127.0.0.1", [false, false, true]),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            let found = [by_default, link_local, loopback].map(|allowed| allowed.allows(parsed));
            assert_eq!(found, expected, "{address}");
        }
    }
}
