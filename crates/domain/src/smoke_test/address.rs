//! Which addresses a smoke test may speak to.
//!
//! A smoke test runs with the network of the pipeline's own account. What it asks is written in the repository
//! that it tests, so its target is only believed where a stranger on the internet could reach it too.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, such as `127.0.0.0/8` or `fd12::/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

/// A text that is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a block of addresses: it is written such as 10.1.0.0/16 or fd12::/16, without bits set behind the prefix"
)]
pub struct InvalidCidr {
    /// The refused text, cut to 80 characters.
    pub given: String,
}

impl Cidr {
    const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Self {
        Self {
            network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            length,
        }
    }

    const fn v6(first: u16, second: u16, third: u16, length: u8) -> Self {
        Self {
            network: IpAddr::V6(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)),
            length,
        }
    }

    /// Whether the address lies in this block. An address of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u128::from(network.to_bits() ^ address.to_bits()) & mask(self.length, 32) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()) & mask(self.length, 128) == 0
            }
            _ => false,
        }
    }
}

/// The bits of an address of this width that a prefix of this length fixes.
const fn mask(length: u8, width: u8) -> u128 {
    let all = u128::MAX >> (128 - width as u32);
    match all.checked_shr(length as u32) {
        Some(free) => all & !free,
        None => all,
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr {
            given: text.chars().take(80).collect(),
        };
        let (network, length) = text.split_once('/').ok_or_else(invalid)?;
        let network: IpAddr = network.parse().map_err(|_| invalid())?;
        // u8::from_str takes a leading plus sign.
        if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let length: u8 = length.parse().map_err(|_| invalid())?;
        let (bits, width) = match network {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        if length > width || bits & !mask(length, width) != 0 {
            return Err(invalid());
        }
        Ok(Self { network, length })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

/// What a smoke test may speak to: every public address, and what the operator adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    also: Vec<Cidr>,
}

/// An address that a smoke test may not speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}, which smoke tests may not speak to")]
pub struct Denied {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is, with its article.
    pub kind: &'static str,
}

impl Allowed {
    /// Public addresses, and those of these blocks.
    pub fn public_and(also: Vec<Cidr>) -> Self {
        Self { also }
    }

    /// Whether this address may be spoken to.
    ///
    /// An IPv6 address that carries an IPv4 address is judged by that one, since that is where its packets end.
    /// The instance metadata service is refused whatever the operator allows: a block wide enough to hold it was
    /// never meant to.
    pub fn judge(&self, address: IpAddr) -> Result<(), Denied> {
        match self.objection(address) {
            Some(kind) => Err(Denied { address, kind }),
            None => Ok(()),
        }
    }

    fn objection(&self, address: IpAddr) -> Option<&'static str> {
        let carried = match address {
            IpAddr::V4(_) => Vec::new(),
            IpAddr::V6(address) => carried(address),
        };
        if METADATA.contains(&address) || carried.iter().any(|inner| METADATA.contains(&IpAddr::V4(*inner))) {
            return Some("the instance metadata service");
        }
        if self.also.iter().any(|block| block.contains(address)) {
            return None;
        }
        if carried.is_empty() {
            return not_public(address);
        }
        carried.into_iter().find_map(|inner| self.objection(IpAddr::V4(inner)))
    }
}

impl FromStr for Allowed {
    type Err = InvalidCidr;

    /// Reads the operator's list: blocks with commas between them, or nothing.
    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let blocks = text.split(',').map(str::trim).filter(|block| !block.is_empty());
        Ok(Self {
            also: blocks.map(str::parse).collect::<Result<_, _>>()?,
        })
    }
}

/// Where EC2 hands out credentials (EC2 user guide, "Instance metadata and user data": IPv4 and IPv6 endpoint), and
/// where ECS does (ECS developer guide, "Task IAM role": 169.254.170.2).
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// Blocks that no public server stands in: IANA's IPv4 and IPv6 special-purpose address registries. The first that
/// contains an address names it.
const NOT_PUBLIC: &[(Cidr, &str)] = &[
    (Cidr::v4(0, 0, 0, 0, 32), "the unspecified address"),
    (Cidr::v4(0, 0, 0, 0, 8), "an address of this network (RFC 791)"),
    (Cidr::v4(10, 0, 0, 0, 8), "a private address (RFC 1918)"),
    (Cidr::v4(100, 64, 0, 0, 10), "a carrier's shared address (RFC 6598)"),
    (Cidr::v4(127, 0, 0, 0, 8), "a loopback address"),
    (Cidr::v4(169, 254, 0, 0, 16), "a link-local address"),
    (Cidr::v4(172, 16, 0, 0, 12), "a private address (RFC 1918)"),
    (Cidr::v4(192, 0, 0, 0, 24), "a protocol assignment (RFC 6890)"),
    (Cidr::v4(192, 0, 2, 0, 24), "a documentation address (RFC 5737)"),
    (Cidr::v4(192, 88, 99, 0, 24), "a 6to4 relay (RFC 7526)"),
    (Cidr::v4(192, 168, 0, 0, 16), "a private address (RFC 1918)"),
    (Cidr::v4(198, 18, 0, 0, 15), "a benchmarking address (RFC 2544)"),
    (Cidr::v4(198, 51, 100, 0, 24), "a documentation address (RFC 5737)"),
    (Cidr::v4(203, 0, 113, 0, 24), "a documentation address (RFC 5737)"),
    (Cidr::v4(224, 0, 0, 0, 4), "a multicast address"),
    (Cidr::v4(255, 255, 255, 255, 32), "the broadcast address"),
    (Cidr::v4(240, 0, 0, 0, 4), "a reserved address (RFC 1112)"),
    (Cidr::v6(0, 0, 0, 128), "the unspecified address"),
    (Cidr::v6(0xfc00, 0, 0, 7), "a private address (RFC 4193)"),
    (Cidr::v6(0xfe80, 0, 0, 10), "a link-local address"),
    (Cidr::v6(0xfec0, 0, 0, 10), "a site-local address (RFC 3879)"),
    (Cidr::v6(0xff00, 0, 0, 8), "a multicast address"),
    (Cidr::v6(0x0100, 0, 0, 64), "a discard address (RFC 6666)"),
    (Cidr::v6(0x2001, 0x0002, 0, 48), "a benchmarking address (RFC 5180)"),
    (Cidr::v6(0x2001, 0x0db8, 0, 32), "a documentation address (RFC 3849)"),
    (Cidr::v6(0x2001, 0, 0, 23), "a protocol assignment (RFC 2928)"),
    (Cidr::v6(0x3fff, 0, 0, 20), "a documentation address (RFC 9637)"),
];

/// The only block of IPv6 from which public addresses are given out (IANA IPv6 address space registry).
const GLOBAL_UNICAST: Cidr = Cidr::v6(0x2000, 0, 0, 3);

fn not_public(address: IpAddr) -> Option<&'static str> {
    if address == IpAddr::V6(Ipv6Addr::LOCALHOST) {
        return Some("a loopback address");
    }
    if let Some((_, kind)) = NOT_PUBLIC.iter().find(|(block, _)| block.contains(address)) {
        return Some(kind);
    }
    (address.is_ipv6() && !GLOBAL_UNICAST.contains(address)).then_some("a reserved address (RFC 4291)")
}

/// The IPv4 addresses that an IPv6 address stands for: mapped and compatible (RFC 4291), NAT64 (RFC 6052),
/// 6to4 (RFC 3056), and server and client of Teredo (RFC 4380, the client's bits inverted).
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            vec![pair(high, low)]
        }
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            vec![pair(server_high, server_low), pair(!high, !low)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(address: &str) -> &'static str {
        Allowed::default()
            .judge(address.parse().unwrap())
            .err()
            .map_or("public", |denied| denied.kind)
    }

    #[test]
    fn every_kind_of_address_is_known() {
        for (address, expected) in [
            ("8.8.8.8", "public"),
            ("52.95.110.1", "public"),
            ("172.15.255.255", "public"),
            ("172.32.0.0", "public"),
            ("100.63.255.255", "public"),
            ("100.128.0.0", "public"),
            ("198.17.255.255", "public"),
            ("198.20.0.0", "public"),
            ("223.255.255.255", "public"),
            ("2600:1f18::1", "public"),
            ("2a05:d018::1", "public"),
            ("2001:4860:4860::8888", "public"),
            ("0.0.0.0", "the unspecified address"),
            ("0.1.2.3", "an address of this network (RFC 791)"),
            ("10.0.0.1", "a private address (RFC 1918)"),
            ("10.255.255.255", "a private address (RFC 1918)"),
            ("172.16.0.0", "a private address (RFC 1918)"),
            ("172.31.255.255", "a private address (RFC 1918)"),
            ("192.168.1.1", "a private address (RFC 1918)"),
            ("100.64.0.0", "a carrier's shared address (RFC 6598)"),
            ("100.127.255.255", "a carrier's shared address (RFC 6598)"),
            ("127.0.0.1", "a loopback address"),
            ("127.255.255.255", "a loopback address"),
            ("169.254.0.1", "a link-local address"),
            ("169.254.169.254", "the instance metadata service"),
            ("169.254.170.2", "the instance metadata service"),
            ("192.0.0.8", "a protocol assignment (RFC 6890)"),
            ("192.0.2.1", "a documentation address (RFC 5737)"),
            ("192.88.99.1", "a 6to4 relay (RFC 7526)"),
            ("198.18.0.1", "a benchmarking address (RFC 2544)"),
            ("198.19.255.255", "a benchmarking address (RFC 2544)"),
            ("198.51.100.1", "a documentation address (RFC 5737)"),
            ("203.0.113.1", "a documentation address (RFC 5737)"),
            ("224.0.0.1", "a multicast address"),
            ("240.0.0.1", "a reserved address (RFC 1112)"),
            ("255.255.255.255", "the broadcast address"),
            ("::", "the unspecified address"),
            ("::1", "a loopback address"),
            ("fd00:ec2::254", "the instance metadata service"),
            ("fd12:3456::1", "a private address (RFC 4193)"),
            ("fc00::1", "a private address (RFC 4193)"),
            ("fe80::1", "a link-local address"),
            ("febf::1", "a link-local address"),
            ("fec0::1", "a site-local address (RFC 3879)"),
            ("ff02::1", "a multicast address"),
            ("100::1", "a discard address (RFC 6666)"),
            ("2001:2::1", "a benchmarking address (RFC 5180)"),
            ("2001:20::1", "a protocol assignment (RFC 2928)"),
            ("2001:db8::1", "a documentation address (RFC 3849)"),
            ("3fff:fff::1", "a documentation address (RFC 9637)"),
            ("4000::1", "a reserved address (RFC 4291)"),
            ("5f00::1", "a reserved address (RFC 4291)"),
            // The local NAT64 prefix (RFC 8215) hides its IPv4 address where only the operator knows.
            ("64:ff9b:1::a00:1", "a reserved address (RFC 4291)"),
            // IPv4-translated (RFC 2765).
            ("::ffff:0:8.8.8.8", "a reserved address (RFC 4291)"),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn an_embedded_address_is_what_counts() {
        for (address, expected) in [
            ("::ffff:127.0.0.1", "a loopback address"),
            ("::ffff:169.254.169.254", "the instance metadata service"),
            ("::ffff:10.0.0.1", "a private address (RFC 1918)"),
            ("::ffff:8.8.8.8", "public"),
            ("::127.0.0.1", "a loopback address"),
            ("::2", "an address of this network (RFC 791)"),
            ("64:ff9b::169.254.169.254", "the instance metadata service"),
            ("64:ff9b::10.0.0.1", "a private address (RFC 1918)"),
            ("64:ff9b::8.8.8.8", "public"),
            ("2002:7f00:1::1", "a loopback address"),
            ("2002:a9fe:a9fe::", "the instance metadata service"),
            ("2002:808:808::1", "public"),
            // Teredo: server 8.8.8.8, client 10.0.0.1 with its bits inverted; then the other way round.
            ("2001:0:808:808:0:0:f5ff:fffe", "a private address (RFC 1918)"),
            ("2001:0:a00:1:0:0:f7f7:f7f7", "a private address (RFC 1918)"),
            ("2001:0:808:808:0:0:f7f7:f7f7", "public"),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn the_operators_blocks_are_allowed_and_nothing_else() {
        let allowed: Allowed = "127.0.0.0/8, fd12::/16".parse().unwrap();
        for (address, ok) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("fd12:1::1", true),
            ("8.8.8.8", true),
            ("::1", false),
            ("10.0.0.1", false),
            ("fd13::1", false),
            ("2001:0:7f00:1:0:0:f5ff:fffe", false),
        ] {
            assert_eq!(allowed.judge(address.parse().unwrap()).is_ok(), ok, "{address}");
        }
        assert_eq!("".parse::<Allowed>().unwrap(), Allowed::default());
    }

    #[test]
    fn the_metadata_service_is_refused_even_where_everything_is_allowed() {
        let allowed: Allowed = "0.0.0.0/0,::/0".parse().unwrap();
        assert!(allowed.judge("10.0.0.1".parse().unwrap()).is_ok());
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(allowed.judge(address.parse().unwrap()).is_err(), "{address}");
        }
    }

    #[test]
    fn a_block_is_written_one_way_only() {
        for good in [
            "0.0.0.0/0",
            "10.1.0.0/16",
            "10.1.2.3/32",
            "::/0",
            "fd12::/16",
            "::1/128",
        ] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0/8",
            "010.0.0.0/8",
            "10.0.0.0/+8",
            "::/129",
            "fd12::1/16",
            "10.0.0.0/8/8",
            "localhost/8",
            "10.0.0.0/8 ",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_address_lies_in_the_block_of_its_first_bits(bits: u128, length in 0u8..=128, flip in 0u8..128) {
            let network = Ipv6Addr::from_bits(bits & mask(length, 128));
            let block: Cidr = format!("{network}/{length}").parse().unwrap();
            prop_assert!(block.contains(IpAddr::V6(Ipv6Addr::from_bits(bits))));
            let flipped = IpAddr::V6(Ipv6Addr::from_bits(bits ^ (1 << (127 - flip))));
            prop_assert_eq!(block.contains(flipped), flip >= length);
        }

        #[test]
        fn no_clothing_makes_an_address_better(bits: u32, list in "(|10\\.0\\.0\\.0/8|0\\.0\\.0\\.0/0)") {
            let allowed: Allowed = list.parse().unwrap();
            let inner = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = inner.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            prop_assume!(bits > 1);
            let bare = allowed.judge(IpAddr::V4(inner)).is_ok();
            for dressed in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
            ] {
                prop_assert_eq!(allowed.judge(IpAddr::V6(dressed)).is_ok(), bare, "{}", dressed);
            }
        }

        #[test]
        fn the_standard_library_agrees(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let plainly_not_public = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!plainly_not_public || Allowed::default().judge(IpAddr::V4(address)).is_err());
        }
    }
}
