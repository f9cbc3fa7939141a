//! By what mcp-remote files a login, and the port that follows from it.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

/// What makes one login of mcp-remote's another than the next, besides the server's URL.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// `--resource`.
    pub(super) audience: Option<String>,
    /// `--authorize-param`.
    pub(super) parameters: BTreeMap<String, String>,
    /// `--header`, before anything in it is replaced.
    pub(super) headers: BTreeMap<String, String>,
    /// `--client-metadata-url`.
    pub(super) metadata_url: Option<String>,
}

impl Identity {
    /// The name that its files begin with. It is no protection of anything: it only has to be the same.
    pub(crate) fn digest(&self, url: &str) -> String {
        let mut parts = vec![url.to_owned()];
        parts.extend(self.audience.clone());
        for members in [&self.parameters, &self.headers] {
            if !members.is_empty() {
                parts.push(serde_json::to_string(members).expect("texts serialise"));
            }
        }
        parts.extend(self.metadata_url.clone());
        hex(&parts.join("|"))
    }

    /// The port that its browser comes back to, unless it is told another.
    pub(super) fn port(&self, url: &str) -> u16 {
        const FIRST: u32 = 3335;
        const HOW_MANY: u32 = 45_816;
        let head = u32::from_str_radix(&self.digest(url)[..4], 16).expect("a digest has four digits");
        u16::try_from(FIRST + head % HOW_MANY).expect("the sum is below 49151")
    }
}

/// The digest of a text.
pub(super) fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_under_the_name_that_mcp_remote_gives_it() {
        // Each was computed by version 0.15.1 itself.
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let url = "https://mcp.example.com/mcp";
        let alone = Identity::default();
        let whole = Identity {
            audience: Some("https://tenant1.example.com/".into()),
            parameters: pairs(&[("prompt", "consent"), ("access_type", "offline")]),
            headers: pairs(&[("X-Tenant", "o\"n\\e"), ("Authorization", "Bearer ${TOKEN}")]),
            metadata_url: Some("https://client.example.com/id.json".into()),
        };
        let tenant = Identity { audience: whole.audience.clone(), ..Identity::default() };
        for (identity, digest, port) in [
            (&alone, "94baabe3c3fadb285b26c035e4e86046", 41409),
            (&tenant, "7eb84a60e4de092a3b0c74e788f90d42", 35775),
            (&whole, "b3c154d610fac1694707dea29612fa1d", 3536),
        ] {
            assert_eq!((identity.digest(url).as_str(), identity.port(url)), (digest, port));
        }
    }
}
