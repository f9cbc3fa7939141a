//! Whose address a request comes from, where proxies stand in front.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::HeaderMap;

/// The most hops that are followed back.
const MOST_HOPS: usize = 32;

/// A network: all addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is no network: write an address, or one with its number of fixed bits, such as 10.0.0.0/8"
            )
        };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(refuse)?
            }
            Some(_) => return Err(refuse()),
        };
        // Senders are IPv4 addresses where they can be, so networks are too.
        let (address, bits) = match address {
            IpAddr::V6(v6)
                if bits >= 96
                    && let Some(v4) = v6.to_ipv4_mapped() =>
            {
                (v4.into(), bits - 96)
            }
            other => (other, bits),
        };
        if bits == 0 {
            return Err(format!("{text} is everybody: then any caller could claim any address"));
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()) >> (32 - self.bits) == 0,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()) >> (128 - self.bits) == 0,
            _ => false,
        }
    }
}

/// The address of whoever sent a request: the connection's, or, as long as that is a trusted proxy's, the one that the
/// proxy says it comes from. Read from the right, since whatever stands further left may be the sender's own invention.
///
/// Source: RFC 9700 section 4.13.
pub(crate) fn sender(connected: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut sender = connected.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MOST_HOPS) {
        if !trusted.iter().any(|network| network.contains(sender)) {
            break;
        }
        match read(hop.trim()) {
            Some(address) => sender = address.to_canonical(),
            None => break,
        }
    }
    sender
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn read(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip())).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::HeaderName};

    use super::*;

    fn said(lines: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("x-forwarded-for");
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_network_is_an_address_and_its_fixed_bits() {
        // proves: ADM-06
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{text}");
            assert!(!network.contains(outside.parse().unwrap()), "{text}");
        }
        for bad in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "ten",
            "0.0.0.0/0",
            "::/0",
            "::ffff:0.0.0.0/96",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_trusted_proxies_say_counts() {
        // proves: HTTP-04
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "2001:db8::/32", "::ffff:198.51.100.7"].iter().map(|text| text.parse().unwrap()).collect();
        for (connected, lines, sent_from) in [
            // Somebody else's word is nothing.
            ("192.0.2.1", &["1.1.1.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9"], "192.0.2.9"),
            // What the sender put there itself stands to the left.
            ("10.0.0.1", &["1.1.1.1, 192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["1.1.1.1", "192.0.2.9"], "192.0.2.9"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.9,10.0.0.2"], "192.0.2.9"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["192.0.2.9, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9, "], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.9:4711"], "192.0.2.9"),
            ("2001:db8::1", &["[2001:db9::1]:443"], "2001:db9::1"),
            ("2001:db8::1", &["[2001:db9::1]"], "2001:db9::1"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.9"], "192.0.2.9"),
            ("::ffff:198.51.100.7", &["192.0.2.9"], "192.0.2.9"),
            ("198.51.100.7", &["192.0.2.9"], "192.0.2.9"),
        ] {
            let found = sender(connected.parse().unwrap(), &said(lines), &trusted);
            assert_eq!(found, sent_from.parse::<IpAddr>().unwrap(), "{connected} {lines:?}");
        }
        // Nobody is followed back through more proxies than there can be.
        let many = format!("192.0.2.9,{}", vec!["10.0.0.2"; 10_000].join(","));
        assert_eq!(
            sender("10.0.0.1".parse().unwrap(), &said(&[&many]), &trusted),
            "10.0.0.2".parse::<IpAddr>().unwrap()
        );
        // No other header means anything.
        let mut other = HeaderMap::new();
        for name in ["forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
            other.insert(HeaderName::from_static(name), HeaderValue::from_static("1.1.1.1"));
        }
        assert_eq!(sender("10.0.0.1".parse().unwrap(), &other, &trusted), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
