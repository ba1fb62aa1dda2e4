//! Ranges of IPv4 addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// A range of IPv4 addresses, such as `10.66.3.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    /// The range of `prefix` bits that holds the address. None where `prefix` is above 32.
    pub const fn around(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        if prefix > 32 {
            return None;
        }
        Some(Self { first: address.to_bits() & mask(prefix), prefix })
    }

    /// Reads `10.66.3.1/24` as the range that holds the address.
    ///
    /// Errors: what is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(address, prefix)| Self::around(address.parse().ok()?, prefix.parse().ok()?));
        parts.ok_or_else(|| format!("`{text}` is no range of IPv4 addresses such as 10.66.3.0/24"))
    }

    /// Whether an address is within.
    pub const fn holds(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.first
    }

    /// Whether some address is within both.
    pub const fn meets(self, other: Self) -> bool {
        let shorter = if self.prefix < other.prefix { self.prefix } else { other.prefix };
        self.first & mask(shorter) == other.first & mask(shorter)
    }

    /// Whether it is so wide that it says where everything else goes, as a default route does or the two halves that VPNs
    /// make of one: it is in nobody's way.
    pub const fn is_wide(self) -> bool {
        self.prefix < 8
    }

    /// The first address that a machine can have, which is the gateway's, with the length of the range: `10.66.3.1/24`.
    pub fn gateway(self) -> String {
        format!("{}/{}", Ipv4Addr::from_bits(self.first | 1), self.prefix)
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn ranges_are_read_shown_and_compared() {
        let range = |text: &str| Subnet::parse(text);
        assert_eq!(range("10.66.3.77/24").map(|range| range.to_string()), Ok("10.66.3.0/24".to_owned()));
        assert_eq!(range("10.66.3.0/24").map(Subnet::gateway), Ok("10.66.3.1/24".to_owned()));
        let (small, large, other) = (range("10.66.3.0/24"), range("10.0.0.0/8"), range("10.66.4.0/24"));
        let (small, large, other) = (small.unwrap(), large.unwrap(), other.unwrap());
        assert!(small.meets(large) && large.meets(small) && small.meets(small) && !small.meets(other));
        assert!(small.holds(Ipv4Addr::new(10, 66, 3, 255)) && !small.holds(Ipv4Addr::new(10, 66, 4, 0)));
        assert_eq!(range("0.0.0.0/0").map(Subnet::is_wide), Ok(true));
        assert_eq!(range("10.0.0.0/8").map(Subnet::is_wide), Ok(false));
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/8", "10.0.0.0/-1"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
