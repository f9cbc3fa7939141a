//! Where a person's logins lie.

use std::path::PathBuf;

use clap::Args;

use super::network::Network;

/// Where a person's logins lie, and how they are made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where logins lie")]
pub(crate) struct ClientDir {
    /// Where logins lie [default: the doorward folder of the user's state directory].
    #[arg(long, alias = "data-dir", env = "DOORWARD_CLIENT_DIR", value_name = "DIR")]
    pub(crate) client_dir: Option<PathBuf>,
    /// Seal the logins under the passphrase in this file [default: under a key in the system's keychain].
    #[arg(long, env = "DOORWARD_PASSPHRASE_FILE", value_name = "FILE", conflicts_with = "plain_credentials")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Keep the logins so that whoever can read your files can use them.
    #[arg(long, env = "DOORWARD_PLAIN_CREDENTIALS")]
    pub(crate) plain_credentials: bool,
    /// How long the system's keychain may take, in seconds; it may want to be unlocked.
    #[arg(long, env = "DOORWARD_KEYCHAIN_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600), value_name = "SECONDS")]
    pub(crate) keychain_seconds: u64,
    #[command(flatten)]
    pub(crate) network: Network,
}

impl ClientDir {
    /// What a command has to say so that its logins lie where they do here, and its requests go the same way.
    pub(crate) fn also_typed(&self) -> Vec<String> {
        let named = |flag: &str, path: &Option<PathBuf>| {
            let path = path.as_ref().filter(|path| !path.as_os_str().is_empty())?;
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            Some([flag.to_owned(), whole.to_string_lossy().into_owned()])
        };
        // A password in it is not repeated.
        let proxy = self.network.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        let proxy = proxy.map(|proxy| if proxy.contains('@') { "PROXY" } else { proxy });
        let named = [
            named("--client-dir", &self.client_dir),
            named("--passphrase-file", &self.passphrase_file),
            named("--ca", &self.network.ca),
            proxy.map(|proxy| ["--proxy".to_owned(), proxy.to_owned()]),
        ];
        let said = [("--plain-credentials", self.plain_credentials), ("--ipv4", self.network.ipv4)];
        let said = said.into_iter().filter(|(_, said)| *said).map(|(flag, _)| flag.to_owned());
        named.into_iter().flatten().flatten().chain(said).collect()
    }
}

#[cfg(test)]
impl ClientDir {
    /// Plain files in this folder.
    pub(crate) fn plain(folder: PathBuf) -> Self {
        Self {
            client_dir: Some(folder),
            passphrase_file: None,
            plain_credentials: true,
            keychain_seconds: 30,
            network: Network::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_command_says_the_folder_and_the_way_to_the_network() {
        let mut flags = ClientDir::plain("/logins".into());
        assert_eq!(flags.also_typed(), ["--client-dir", "/logins", "--plain-credentials"]);
        flags.network = Network { ca: Some("/own.pem".into()), proxy: Some("none".into()), ipv4: true };
        let whole = "--client-dir /logins --ca /own.pem --proxy none --plain-credentials --ipv4";
        assert_eq!(flags.also_typed().join(" "), whole);
        // A password in it is not repeated.
        flags.network.proxy = Some("http://ada:s3cret@proxy.example:3128".into());
        assert_eq!(flags.also_typed().join(" "), whole.replace("none", "PROXY"));
    }
}
