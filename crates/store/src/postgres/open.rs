//! Opening a database: refusing what cannot be used, and bringing the schema up to date.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{PATIENCE, error};
use crate::{engine::DatabaseUrl, open::OpenError, sql};

/// The schema, step by step. A step that was released is never changed.
const MIGRATIONS: &[(&str, &str)] = &[("first", include_str!("../../migrations/postgres/0001_first.sql"))];

/// The oldest server that will do: `pg_current_xact_id` came with it.
const OLDEST: i32 = 13;

/// The most connections of one process.
const CONNECTIONS: u32 = 16;

/// How long to wait for another process that changes the schema.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn open(place: &DatabaseUrl) -> Result<(PgPool, PgConnectOptions), OpenError> {
    let failed = |error: sqlx::Error| judge(place, &error);
    let options = PgConnectOptions::from_str(place.expose()).map_err(failed)?.application_name("doorward");
    let late = || OpenError::Away { place: place.clone(), reason: "nobody answers there".into() };
    let connected = timeout(PATIENCE, options.connect()).await.map_err(|_| late())?;
    let mut connection = connected.map_err(failed)?;
    check(place, &mut connection).await?;
    timeout(MIGRATION_PATIENCE, migrate(place, &mut connection)).await.map_err(|_| late())??;
    connection.close().await.map_err(failed)?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(sql::SETTINGS).fetch_one(connection).await.map(drop) })
        })
        .connect_lazy_with(options.clone());
    Ok((pool, options))
}

async fn check(place: &DatabaseUrl, connection: &mut PgConnection) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| judge(place, &error);
    let row = sqlx::query(sql::ABOUT_SERVER).fetch_one(connection).await.map_err(failed)?;
    let version: i32 = row.try_get("version").map_err(failed)?;
    let encoding: String = row.try_get("encoding").map_err(failed)?;
    let replica: bool = row.try_get("replica").map_err(failed)?;
    let unusable = |reason: String| Err(OpenError::Database { place: place.clone(), reason });
    if version / 10_000 < OLDEST {
        return unusable(format!("it is PostgreSQL {}, and version {OLDEST} or newer is needed", version / 10_000));
    }
    if encoding != "UTF8" {
        return unusable(format!(
            "its encoding is {encoding}; make one with: createdb --encoding=UTF8 --template=template0"
        ));
    }
    if replica {
        return unusable("it is a read-only replica; name the primary server".into());
    }
    Ok(())
}

async fn migrate(place: &DatabaseUrl, connection: &mut PgConnection) -> Result<(), OpenError> {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
        Migration::new(version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    match Migrator::with_migrations(migrations.collect()).run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(OpenError::NewerDatabase { place: place.clone(), found, known: MIGRATIONS.len() })
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(judge(place, &error)),
        Err(error) => Err(OpenError::Database { place: place.clone(), reason: error.to_string() }),
    }
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
