//! The commands of whoever runs a gateway, beside `serve`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};

use super::units::Span;

/// Where a gateway keeps its state.
#[derive(Clone, Debug, Args)]
pub(crate) struct State {
    /// Where accounts, grants and keys lie [default: the doorward folder of the user's data directory].
    #[arg(long, env = "DOORWARD_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep accounts, grants and keys in this PostgreSQL database, so that several machines can share them. A password
    /// belongs into the variable, or into ~/.pgpass: other users of the machine can read command lines.
    #[arg(long, env = "DOORWARD_DATABASE_URL", hide_env_values = true, value_name = "postgres://…")]
    pub(crate) database_url: Option<String>,
}

/// What the signing keys are sealed under.
#[derive(Clone, Debug, Args)]
pub(crate) struct OperatorKeyFile {
    /// The file with the operator key, under which the signing keys are sealed; DOORWARD_KEY holds the key itself
    /// [default: operator.key in the data folder, made when it is not there].
    #[arg(long, env = "DOORWARD_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account, without a browser.
    Add {
        /// The name to sign in with.
        name: String,
        /// A file whose first line is the password; `-` reads it from standard input.
        #[arg(long, env = "DOORWARD_PASSWORD_FILE", value_name = "FILE")]
        password_file: PathBuf,
        /// The account may administer the gateway.
        #[arg(long)]
        administrator: bool,
        #[command(flatten)]
        state: State,
    },
    /// Disable an account: its browsers are signed out, and all that it allowed ends at once.
    Disable {
        /// The name it signs in with.
        name: String,
        #[command(flatten)]
        state: State,
    },
    /// Let a disabled account sign in again. What ended stays ended.
    Enable {
        /// The name it signs in with.
        name: String,
        #[command(flatten)]
        state: State,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Show which key signs, which is next and which retire.
    List {
        #[command(flatten)]
        state: State,
    },
    /// Make a new signing key. It is published at once and signs after ten minutes; tokens signed before stay good.
    Rotate {
        /// Sign with it at once and drop all other keys: for a key in wrong hands, or a lost operator key. Access tokens
        /// signed before stop working; clients get new ones by themselves.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        key: OperatorKeyFile,
        #[command(flatten)]
        state: State,
    },
    /// Print a fresh operator key, for the key file of several machines.
    Generate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditLog {
    /// Show what happened, the newest last.
    Show {
        #[command(flatten)]
        which: Which,
        /// The most events to show.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
        most: u32,
        #[command(flatten)]
        state: State,
    },
    /// Print every event as a line of JSON, with its number and digest.
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        state: State,
    },
    /// Check that no event was changed, removed or put in.
    Verify {
        /// Check against a digest that was kept elsewhere, as printed by an earlier verify. Repeatable.
        #[arg(long, value_name = "NUMBER:DIGEST")]
        expect: Vec<Expected>,
        #[command(flatten)]
        state: State,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// From this moment on: a time ago (8h, 30d) or a date (2026-07-28, 2026-07-28T12:00:00Z).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,
    /// Of this kind, such as signed_in or revoked. Repeatable.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kind: Vec<Kind>,
    /// About this account, by its name or id.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// About this client.
    #[arg(long, value_name = "CLIENT_ID")]
    pub(crate) client: Option<String>,
}

/// A moment on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Span),
    /// In seconds since 1970.
    At(i64),
}

impl FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        let day = || format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
        text.parse::<jiff::Timestamp>()
            .or_else(|_| day())
            .map(|at| Self::At(at.as_second()))
            .map_err(|_| "write a time ago, such as 8h or 30d, or a date, such as 2026-07-28".to_owned())
    }
}

/// A kind of event, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) doorward_authorization_server::audit::EventKind);

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use doorward_authorization_server::audit::EventKind;
        EventKind::parse(text).map(Self).ok_or_else(|| {
            let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("there is no kind {text:?}; there are {}", known.join(", "))
        })
    }
}

/// An event's number and digest, as kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) number: u64,
    pub(crate) digest: [u8; 32],
}

impl FromStr for Expected {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (number, hex) = text.split_once(':')?;
            let mut digest = [0; 32];
            let bytes = hex.as_bytes();
            if bytes.len() != 64 || !bytes.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            Some(Self { number: number.parse().ok().filter(|number| *number > 0)?, digest })
        };
        read().ok_or_else(|| "write it as doorward audit-log verify prints it: 42:9f86d0…".to_owned())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Add an app that you know. It never expires, and people see that you vouch for it.
    Add(Box<AddClient>),
    /// Show the clients that you added.
    List {
        /// Those too that registered themselves or came by a document.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        state: State,
    },
    /// Remove a client. All that people allowed it ends at once.
    Revoke {
        /// Its identifier.
        #[arg(value_name = "CLIENT_ID")]
        client: String,
        #[command(flatten)]
        state: State,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  doorward client add \"Our IDE\" --redirect-uri http://127.0.0.1/callback\n  doorward client add \"Nightly job\" --auth basic --grant client-credentials --scope mcp:read"
)]
pub(crate) struct AddClient {
    /// Its name for people.
    pub(crate) name: String,
    /// Where answers may go; the port of a loopback address is free. Repeatable.
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Vec<String>,
    /// How it proves who it is [default: not at all, a public client].
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) auth: Option<Auth>,
    /// A file with its public keys (a JWK set), for --auth private-key-jwt.
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    pub(crate) jwks_file: Option<PathBuf>,
    /// Where its public keys are, for --auth private-key-jwt.
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    /// What it may ask for tokens with. Repeatable [default: authorization-code and refresh-token].
    #[arg(long, value_enum, value_name = "GRANT", value_delimiter = ',')]
    pub(crate) grant: Vec<Grant>,
    /// The most it may ask for, scopes parted by spaces [default: all].
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: Option<String>,
    /// Its identifier [default: a drawn one].
    #[arg(long, value_name = "CLIENT_ID")]
    pub(crate) id: Option<String>,
    /// Bind all its tokens to a key of its own (DPoP).
    #[arg(long)]
    pub(crate) dpop: bool,
    /// It may only authorize with a pushed request (PAR).
    #[arg(long)]
    pub(crate) par: bool,
    /// It is itself a resource server, and may ask about tokens for this resource.
    #[arg(long, value_name = "URL")]
    pub(crate) protects: Option<String>,
    /// It may exchange tokens for ones of this other resource, with --grant token-exchange; people who allow access are
    /// told. Repeatable [default: for none; less at the same resource is always to be had].
    #[arg(long, value_name = "URL")]
    pub(crate) exchanges_for: Vec<String>,
    #[command(flatten)]
    pub(crate) state: State,
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// Not at all: a public client.
    None,
    /// Its secret, in the Authorization header.
    Basic,
    /// Its secret, in the form.
    Post,
    /// A JWT that it signs with a key of its own.
    PrivateKeyJwt,
}

impl Auth {
    /// The registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// What a client asks for tokens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grant {
    /// A person's consent in a browser.
    AuthorizationCode,
    /// Renewal without asking the person again.
    RefreshToken,
    /// A person's consent for a device without a browser.
    DeviceCode,
    /// Its own right, without a person.
    ClientCredentials,
    /// A token, for another resource.
    TokenExchange,
    /// The word of an enterprise's identity provider.
    JwtBearer,
}

impl Grant {
    /// The registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_kept_elsewhere_is_read_as_it_was_printed() {
        let hex = "9f".repeat(32);
        let read = format!("42:{hex}").parse::<Expected>().unwrap();
        assert_eq!((read.number, read.digest), (42, [0x9f; 32]));
        let short = "9f".repeat(31);
        for bad in ["", "42", "42:", &hex, &format!("0:{hex}"), &format!("x:{hex}"), &format!("42:{short}+f")] {
            assert!(bad.parse::<Expected>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_a_time_ago_or_a_date() {
        assert_eq!("8h".parse(), Ok(Since::Ago("8h".parse().unwrap())));
        assert_eq!("1970-01-02".parse(), Ok(Since::At(86_400)));
        assert_eq!("1970-01-01T00:01:00Z".parse(), Ok(Since::At(60)));
        assert!("yesterday".parse::<Since>().is_err());
        assert!("nothing".parse::<Kind>().is_err() && "signed_in".parse::<Kind>().is_ok());
    }
}
