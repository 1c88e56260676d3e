//! What can be a host.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text can be a host: an address, or a name by the rules of the DNS (RFC 1123, section
/// 2.1), in which an underscore may stand too, as container engines make them. What ends in a number
/// is an address or nothing. An IPv6 address stands without brackets and has no zone.
pub(super) fn is_host(text: &str) -> bool {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().is_ok();
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        let long = !label.is_empty() && label.len() <= 63;
        long && label.bytes().all(of_name) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let long = "a".repeat(63);
        for host in [
            "db",
            "db.monitoring.svc.cluster.local.",
            "monitoring_influxdb_1",
            "1.example",
            "xn--bcher-kva.example",
            "10.0.0.1",
            "::1",
            "fd00::10.0.0.1",
            &long,
        ] {
            assert!(is_host(host), "{host}");
        }
        let too_long = format!("{long}a");
        let far_too_long = [long.as_str(); 4].join(".");
        for host in [
            "",
            ".",
            "a..b",
            ".a",
            "-a",
            "a-",
            "a,b",
            "a%20b",
            "ä",
            "a;b",
            "10.0.0.256",
            "10.0.0",
            "80",
            "10.0.0.1.",
            "::g",
            "fe80::1%25eth0",
            "a:b",
            &too_long,
            &far_too_long,
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
