//! Which addresses belong to the public internet, and which targets a request may name at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use doorward_types::outbound::{FetchFailed, Reach};
use url::{Host, Url};

/// Checks what can be said of a target before its name is resolved. Runs on every hop.
pub(crate) fn check_target(url: &Url, reach: Reach) -> Result<(), FetchFailed> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchFailed::Other("the URL carries a user name or password, which is never sent".into()));
    }
    match (url.scheme(), reach) {
        ("https", _) | ("http", Reach::Anywhere) => {}
        ("http", Reach::Public) => {
            return Err(FetchFailed::Other(
                "plain http is not used on the public internet; the URL must be https".into(),
            ));
        }
        (other, _) => return Err(FetchFailed::Other(format!("{other} is no scheme for a request"))),
    }
    let forbidden = match url.host() {
        None => return Err(FetchFailed::Other("the URL names no host".into())),
        Some(_) if reach == Reach::Anywhere => None,
        Some(Host::Ipv4(ip)) => (!is_public(ip.into())).then(|| ip.to_string()),
        Some(Host::Ipv6(ip)) => (!is_public(ip.into())).then(|| ip.to_string()),
        // Also refused by its address; said here so that a proxy is not asked for it either.
        Some(Host::Domain(name)) => is_local_name(name).then(|| name.to_owned()),
    };
    forbidden.map_or(Ok(()), |what| Err(FetchFailed::Forbidden(what)))
}

/// Whether the host is this computer, which no proxy may stand in front of.
pub(crate) fn is_this_computer(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// Names that by definition lie inside a network: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`.
fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    ["localhost", "local", "internal", "home.arpa"]
        .iter()
        .any(|local| name == *local || name.strip_suffix(local).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether an address is one of the public internet: none of the special-use ranges, in whatever form it is written.
///
/// Source: RFC 6890, IANA IPv4 and IPv6 Special-Purpose Address Registries.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Ranges that are not the public internet: address and prefix length.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT; a cloud's metadata service
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's host service, in a public range
    ([169, 254, 0, 0], 16),   // link local; most clouds' metadata service
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // 6to4 relay
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// Parts of the global unicast range 2000::/3 that are not the public internet.
const SPECIAL_V6: &[([u16; 3], u32)] = &[
    ([0x2001, 0, 0], 23),     // protocol assignments: Teredo, benchmarks, ORCHID
    ([0x2001, 0xdb8, 0], 32), // documentation
    ([0x2002, 0, 0], 16),     // 6to4: retired, and it can wrap any IPv4 address
    ([0x3fff, 0, 0], 20),     // documentation
];

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let ip = u32::from(ip);
    !SPECIAL_V4.iter().any(|(net, bits)| {
        let mask = u32::MAX << (32 - bits);
        ip & mask == u32::from(Ipv4Addr::from(*net)) & mask
    })
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = || Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]));
    match s {
        // IPv4-mapped (RFC 4291), IPv4-translated (RFC 7915) and NAT64 (RFC 6052): another way to write an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            is_public_v4(embedded())
        }
        // ISATAP (RFC 5214): the interface identifier is an IPv4 address, whatever network stands before it.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] if !is_public_v4(embedded()) => false,
        // All that is public lies in 2000::/3; loopback, private, link-local and multicast lie outside.
        [first, ..] if first & 0xe000 == 0x2000 => {
            let high = (u64::from(s[0]) << 32) | (u64::from(s[1]) << 16) | u64::from(s[2]);
            !SPECIAL_V6.iter().any(|(net, bits)| {
                let net = (u64::from(net[0]) << 32) | (u64::from(net[1]) << 16) | u64::from(net[2]);
                high >> (48 - bits) == net >> (48 - bits)
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        // proves: MCP-SBP-018, INV-11, CIMD-01, CIMD-13
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2003::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "2606:4700::5efe:a00:1",
            "2606:4700::200:5efe:7f00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
    }

    #[test]
    fn a_target_is_judged_before_it_is_resolved() {
        // proves: DISC-01, DISC-02, MCP-SBP-016, MCP-SBP-017
        let check = |url: &str, reach| check_target(&Url::parse(url).unwrap(), reach);
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://localhost/",
            "https://localhost./",
            "https://a.localhost/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://10.1.2.3:8443/",
        ] {
            assert!(matches!(check(url, Reach::Public), Err(FetchFailed::Forbidden(_))), "{url}");
            assert_eq!(check(url, Reach::Anywhere), Ok(()), "{url}");
        }
        for url in [
            "http://a.example/",
            "https://u:p@a.example/",
            "https://u@a.example/",
            "ftp://a.example/",
            "file:///etc/passwd",
        ] {
            assert!(matches!(check(url, Reach::Public), Err(FetchFailed::Other(_))), "{url}");
        }
        for url in ["ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "http://u@localhost/"] {
            assert!(check(url, Reach::Anywhere).is_err(), "{url}");
        }
        for url in ["https://a.example/", "https://notlocal/", "https://mylocalhost/", "https://1.1.1.1/"] {
            assert_eq!(check(url, Reach::Public), Ok(()), "{url}");
        }
    }
}
