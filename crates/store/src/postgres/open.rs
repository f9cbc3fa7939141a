//! Opening a database: refusing what cannot be used, and bringing the schema up to date.

use std::{net::IpAddr, str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::time::timeout;

use super::{PATIENCE, error};
use crate::{database_url::DatabaseUrl, open::OpenError, sql};

/// The schema, step by step. A step that was released is never changed.
const MIGRATIONS: &[(&str, &str)] = &[
    ("first", include_str!("../../migrations/postgres/0001_first.sql")),
    ("exchange", include_str!("../../migrations/postgres/0002_exchange.sql")),
];

/// The oldest server that will do: `pg_current_xact_id` came with it.
const OLDEST: i32 = 13;

/// How long a connection out of the pool may take to show that somebody is there.
const PING: Duration = Duration::from_secs(1);

/// The most connections of one process.
const CONNECTIONS: u32 = 16;

/// How long to wait for another process that changes the schema.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn open(place: DatabaseUrl) -> Result<(PgPool, PgConnectOptions), OpenError> {
    let options = match PgConnectOptions::from_str(place.expose()) {
        Ok(options) => options.application_name("doorward"),
        Err(error) => return Err(judge(&place, &error)),
    };
    if is_open_to_others(&options) {
        tracing::warn!(
            database = %place,
            "whoever is on the way to PostgreSQL could read or change what goes over the wire; end the URL with ?sslmode=verify-full"
        );
    }
    let mut connection = match timeout(PATIENCE, options.connect()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return Err(judge(&place, &error)),
        Err(_) => return Err(OpenError::Away { place, reason: "nobody answers there".into() }),
    };
    match check(&mut connection).await {
        Ok(None) => {}
        Ok(Some(reason)) => return Err(unusable(&place, &reason)),
        Err(error) => return Err(judge(&place, &error)),
    }
    let steps = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
        Migration::new(version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(steps.collect());
    match timeout(MIGRATION_PATIENCE, migrator.run(&mut connection)).await {
        Ok(Ok(())) => {}
        Ok(Err(MigrateError::VersionMissing(found))) => {
            return Err(OpenError::NewerDatabase { place, found, known: MIGRATIONS.len() });
        }
        Ok(Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))) => {
            return Err(judge(&place, &error));
        }
        Ok(Err(error)) => return Err(unusable(&place, &error.to_string())),
        Err(_) => {
            let reason = "another process has been changing its schema for long".into();
            return Err(OpenError::Away { place, reason });
        }
    }
    if let Err(error) = connection.close().await {
        return Err(judge(&place, &error));
    }
    Ok((pool(&options, CONNECTIONS), options))
}

/// Whether the way to the server leaves this machine without a check of who is there.
fn is_open_to_others(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let here = host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    options.get_socket().is_none() && !here && !verified
}

/// Connections that are made when they are wanted.
pub(super) fn pool(options: &PgConnectOptions, most: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            // One that nobody answers on is given up, and the next one taken.
            Box::pin(async move { Ok(matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))) })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(sql::SETTINGS).fetch_one(connection).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

/// Says why the server will not do, if it will not.
async fn check(connection: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(sql::ABOUT_SERVER).fetch_one(connection).await?;
    let version: i32 = row.try_get("version")?;
    let encoding: String = row.try_get("encoding")?;
    let replica: bool = row.try_get("replica")?;
    let major = version / 10_000;
    Ok(if major < OLDEST {
        Some(format!("it is PostgreSQL {major}, and version {OLDEST} or newer is needed"))
    } else if encoding != "UTF8" {
        Some(format!("its encoding is {encoding}; make one with: createdb --encoding=UTF8 --template=template0 NAME"))
    } else if replica {
        Some("it is a read-only replica; name the primary server".to_owned())
    } else {
        None
    })
}

fn unusable(place: &DatabaseUrl, reason: &str) -> OpenError {
    OpenError::Database { place: place.clone(), reason: reason.to_owned() }
}

/// Names what PostgreSQL's error code says, and what helps.
fn judge(place: &DatabaseUrl, error: &sqlx::Error) -> OpenError {
    let advice = match error::code(error).as_deref() {
        Some("28P01" | "28000") => "; check the user and the password in the URL",
        Some("3D000") => "; make it with: createdb --encoding=UTF8 NAME",
        Some("42501") => "; its owner must allow it: GRANT CREATE ON SCHEMA public TO USER",
        Some("42P07") => "; another program has tables of the same name there: name a database of doorward's own",
        Some("53300") => "; raise max_connections, or run fewer processes",
        Some(_) => "",
        None => "; see that PostgreSQL runs there and that the URL is right",
    };
    let said = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let (place, reason) = (place.clone(), format!("{said}{advice}"));
    // It starts, or it has no place left for now: like one that does not answer, it may be there in a moment.
    if error::is_cut(error) || error::code(error).as_deref() == Some("53300") {
        OpenError::Away { place, reason }
    } else {
        OpenError::Database { place, reason }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgConnectOptions;

    use super::is_open_to_others;

    #[test]
    fn a_way_that_others_can_read_is_known_as_such() {
        for (url, open) in [
            ("postgres://doorward@db.example/doorward", true),
            ("postgres://doorward@192.0.2.7/doorward?sslmode=require", true),
            ("postgres://doorward@db.example/doorward?sslmode=verify-full", false),
            ("postgres://doorward@127.0.0.1/doorward", false),
            ("postgres://doorward@localhost/doorward", false),
            ("postgres://doorward@%2Frun%2Fpostgresql/doorward", false),
            ("postgres:///doorward?host=/run/postgresql", false),
        ] {
            let options: PgConnectOptions = url.parse().unwrap();
            assert_eq!(is_open_to_others(&options), open, "{url}");
        }
    }
}
