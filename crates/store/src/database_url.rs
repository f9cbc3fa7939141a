use std::{fmt, str::FromStr};

/// A `postgres://` URL. It prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A text that is no URL of a PostgreSQL database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it starts with postgres:// or postgresql://, for example postgres://doorward@db.example/doorward")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;
    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if known { Ok(Self(text.to_owned())) } else { Err(InvalidDatabaseUrl) }
    }
}

impl DatabaseUrl {
    /// The URL with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, all) = self.0.split_once("://").unwrap_or_default();
        // What follows the question mark may hold a password as well.
        let (rest, more) = all.split_once('?').unwrap_or((all, ""));
        // A password may hold any sign where somebody forgot to escape it, so only what follows the last @ is no part of it.
        match rest.rsplit_once('@') {
            Some((user, place)) if !more.contains('@') => write!(f, "{scheme}://{}@{place}", before_colon(user)),
            // Nobody can say where the place begins.
            _ if all.contains('@') => write!(f, "{scheme}://{}@…", before_colon(all)),
            _ if has_port_at_most(rest) => write!(f, "{scheme}://{rest}"),
            _ => write!(f, "{scheme}://{}:…", before_colon(rest)),
        }
    }
}

fn before_colon(text: &str) -> &str {
    text.split(':').next().unwrap_or_default()
}

/// Whether no colon of a place begins anything but a port: without an @, a password could stand there by mistake.
fn has_port_at_most(place: &str) -> bool {
    let after_address = place.rsplit_once(']').map_or(place, |(_, rest)| rest);
    let port = after_address.split_once(':').map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        // proves: LEAK-01
        for (text, shown) in [
            ("postgres://ana:s3cret@db.example:5432/doorward", "postgres://ana@db.example:5432/doorward"),
            ("postgres://ana:s3cret@db/d?sslmode=require&password=s3cret", "postgres://ana@db/d"),
            ("postgresql://ana:p@s3cret@db/d", "postgresql://ana@db/d"),
            ("postgres://db.example/doorward", "postgres://db.example/doorward"),
            ("postgres://ana@/doorward?host=/run/postgresql", "postgres://ana@/doorward"),
            ("postgres://ana:a/s3cret@db/d", "postgres://ana@db/d"),
            ("postgres://ana:s3cret/b@db:5432/d?sslmode=require", "postgres://ana@db:5432/d"),
            ("postgres://ana:s3cret?b@db/d", "postgres://ana@…"),
            ("postgres://ana:a@s3cret?b@db/d", "postgres://ana@…"),
            ("postgres://ana:a#s3cret@db/d", "postgres://ana@db/d"),
            ("postgres://ana:s3cret/d", "postgres://ana:…"),
            ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cret"));
        }
        assert!("mysql://db/d".parse::<DatabaseUrl>().is_err() && "doorward.db".parse::<DatabaseUrl>().is_err());
    }
}
