//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The other end of the connection: of the socket, never of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct From(pub(crate) SocketAddr);

impl From {
    /// What counts as one address: of IPv6 the /64, which is one subscriber's.
    pub(crate) fn key(&self) -> String {
        match self.0.ip().to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => {
                let mut segments = ip.segments();
                if let Some(host) = segments.get_mut(4..) {
                    host.fill(0);
                }
                format!("{}/64", Ipv6Addr::from(segments))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_address() {
        let key = |text: &str| From(text.parse().unwrap()).key();
        assert_eq!(key("192.0.2.7:1"), "192.0.2.7");
        assert_eq!(key("[::ffff:192.0.2.7]:1"), "192.0.2.7");
        assert_eq!(key("[2001:db8:1:2:3:4:5:6]:1"), key("[2001:db8:1:2::9]:2"));
        assert_ne!(key("[2001:db8:1:2::1]:1"), key("[2001:db8:1:3::1]:1"));
    }
}
