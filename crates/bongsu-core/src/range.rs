//! Ranges of addresses, as `10.0.0.0/8` or `::1`.
//!
//! Invariant: an IPv4 address that comes as IPv6 is the same address.

// The library's core knows addresses and no sockets.
use core::net::IpAddr;
use std::fmt;

/// A range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressRange {
    first: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Reads an address, or an address and how many of its bits count; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let all = width(first);
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => all,
        };
        (bits <= all).then_some(Self { first, bits })
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, address) = (self.first.to_canonical(), address.to_canonical());
        // A range of IPv4 that is written as IPv6 counts its bits from there.
        let bits = u32::from(self.bits).saturating_sub(u32::from(width(self.first) - width(first)));
        match (first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                alike(first.to_bits().into(), address.to_bits().into(), 32, bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => alike(first.to_bits(), address.to_bits(), 128, bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether the first bits of two numbers of a width are the same.
const fn alike(one: u128, other: u128, width: u32, bits: u32) -> bool {
    if bits == 0 {
        return true;
    }
    (one ^ other) >> (width - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        AddressRange::parse(range)
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("127.0.0.0/8", "127.255.0.1", "128.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.0/23", "10.1.3.255", "10.1.4.0"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("192.168.0.0/16", "::ffff:192.168.7.7", "::ffff:192.169.0.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
        ] {
            assert!(contains(range, inside), "{range} has {inside}");
            assert!(!contains(range, outside), "{range} has not {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_none() {
        for bad in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "::/129",
            "1.2.3/8",
            "::1/+4",
        ] {
            assert_eq!(AddressRange::parse(bad), None, "{bad}");
        }
        assert_eq!(
            AddressRange::parse("10.0.0.0/8").unwrap().to_string(),
            "10.0.0.0/8"
        );
    }
}
