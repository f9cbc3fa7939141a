//! A gateway on either engine, and a way past it to its rows: what somebody does who can write to the database.

use std::{path::PathBuf, time::Duration};

use doorward_testkit::{
    postgres::Postgres,
    process::{Gateway, GatewayOptions, http, repository},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::world::{DOORWARD, NAME, PASSWORD};

/// Longer than anything here takes on a busy machine; only a failure waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The rows behind a gateway.
pub(crate) enum Rows {
    Sqlite(PathBuf),
    Postgres(Postgres),
}

impl Rows {
    /// Changes rows behind the gateway's back.
    pub(crate) async fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(file) => {
                let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(database) => drop(database.sql(sql)),
        }
    }
}

/// A gateway with one account, and its rows.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) rows: Rows,
}

impl World {
    /// On a file.
    pub(crate) fn sqlite() -> Self {
        let gateway = Gateway::start(options());
        gateway.add_user(NAME, PASSWORD);
        let rows = Rows::Sqlite(gateway.data_dir().join("doorward.sqlite"));
        Self { gateway, rows }
    }

    /// On a database of its own.
    pub(crate) fn postgres(database: Postgres) -> Self {
        let gateway = Gateway::start(options().environment("DOORWARD_DATABASE_URL", &database.url()));
        gateway.add_user(NAME, PASSWORD);
        Self { gateway, rows: Rows::Postgres(database) }
    }

    /// One on each engine.
    pub(crate) fn each() -> Vec<Self> {
        vec![Self::sqlite(), Self::postgres(Postgres::fresh())]
    }

    /// What a command that must succeed printed, as JSON.
    pub(crate) fn json(&self, command: &str) -> Value {
        let words: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let (code, output, errors) = self.gateway.run(&words);
        assert_eq!(code, Some(0), "{command}: {errors}");
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{command} printed no JSON: {output}"))
    }

    /// The exit code and the error of a command that must fail.
    pub(crate) fn failure(&self, command: &str) -> (i32, Value) {
        let words: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let (code, output, errors) = self.gateway.run(&words);
        assert_ne!(code, Some(0), "{command} succeeded: {output}");
        let error = errors.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        (code.unwrap_or(-1), error.unwrap_or_else(|| panic!("no error in JSON: {errors}"))["error"].take())
    }
}

/// A small real server behind the gateway.
pub(crate) fn options() -> GatewayOptions {
    let server = repository().join("tests/servers/spy.mjs");
    GatewayOptions::new(DOORWARD, &["node", server.to_str().unwrap()])
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) -> Duration {
    let start = std::time::Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// The status, the headers and the body of a GET.
pub(crate) async fn get(url: &str) -> (u16, reqwest::header::HeaderMap, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
}
