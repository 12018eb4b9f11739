//! Where the API is.

use std::net::IpAddr;
use std::str::FromStr;

/// The address of an API: `https://`, a host, and where GitHub Enterprise Server has it a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Scheme, host and port.
    origin: String,
    /// What paths are put after; without a slash at its end.
    base: String,
}

/// An address that no API is asked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a GitHub API: it is written https://host or https://host/path, and http only for this machine"
)]
pub struct UnusableAddress(String);

impl Address {
    /// The address of a path.
    pub(crate) fn of(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.base)
    }

    /// The address that a redirect leads to; nothing, where that is another host: what is asked there is asked with our
    /// token.
    pub(crate) fn redirected(&self, location: &str) -> Option<String> {
        let path = match location.strip_prefix(&self.origin) {
            Some(path) => path,
            None => location,
        };
        (path.starts_with('/') && !path.starts_with("//")).then(|| format!("{}{path}", self.origin))
    }
}

impl FromStr for Address {
    type Err = UnusableAddress;

    fn from_str(text: &str) -> Result<Self, UnusableAddress> {
        let unusable = || UnusableAddress(text.chars().take(80).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(unusable)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_host = match host.strip_prefix('[') {
            Some(rest) => rest.ends_with(']') && ip(host).is_some(),
            None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
        };
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        let is_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b));
        let is_scheme = match scheme {
            "https" => true,
            "http" => host == "localhost" || ip(host).is_some_and(|ip| ip.is_loopback()),
            _ => false,
        };
        if is_scheme && is_host && is_port && is_path {
            Ok(Self {
                origin: format!("{scheme}://{authority}"),
                base: path.trim_end_matches('/').to_owned(),
            })
        } else {
            Err(unusable())
        }
    }
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_on_this_machine() {
        for (text, of_rate_limit) in [
            ("https://api.github.com", "https://api.github.com/rate_limit"),
            ("https://api.github.com/", "https://api.github.com/rate_limit"),
            (
                "https://github.acme.example:8443/api/v3",
                "https://github.acme.example:8443/api/v3/rate_limit",
            ),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/rate_limit"),
            ("http://localhost:4000", "http://localhost:4000/rate_limit"),
            ("http://[::1]:4000", "http://[::1]:4000/rate_limit"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().of("/rate_limit"), of_rate_limit);
        }
        for bad in [
            "",
            "api.github.com",
            "ftp://api.github.com",
            "HTTPS://api.github.com",
            "http://api.github.com",
            "http://127.0.0.1.attacker.example",
            "http://localhost.attacker.example",
            "http://10.0.0.1",
            "http://169.254.169.254",
            "https://",
            "https:///path",
            "https://user@api.github.com",
            "https://api.github.com@attacker.example",
            "https://api.github.com:port",
            "https://api.github.com:99999",
            "https://api.github.com?x=1",
            "https://api.github.com#x",
            "https://api.github.com/a b",
            "https://api.github.com\r\nx: y",
            "https://[::1",
            "https://[x]",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_redirect_stays_on_its_host() {
        let address: Address = "https://api.github.com".parse().unwrap();
        for (location, target) in [
            (
                "https://api.github.com/repositories/1/git/ref/tags/v1",
                Some("https://api.github.com/repositories/1/git/ref/tags/v1"),
            ),
            ("/repositories/1?x=1", Some("https://api.github.com/repositories/1?x=1")),
            ("https://api.github.com.attacker.example/x", None),
            ("https://api.github.com@attacker.example/x", None),
            ("https://api.github.com:8443/x", None),
            ("http://api.github.com/x", None),
            ("https://attacker.example/x", None),
            ("//attacker.example/x", None),
            ("https://api.github.com//attacker.example", None),
            ("repositories/1", None),
            ("", None),
        ] {
            assert_eq!(address.redirected(location).as_deref(), target, "{location}");
        }
    }
}
