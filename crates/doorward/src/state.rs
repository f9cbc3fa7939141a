//! Where a gateway's state lies, and opening it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use doorward_store::{Engine, Place};

use crate::{
    cli,
    failure::{Exit, Failure},
    output,
};

/// The state of a gateway: the place and, once open, the store.
pub(crate) struct State {
    pub(crate) store: Arc<dyn Engine>,
    pub(crate) place: Place,
    /// The data folder; with a database it holds the operator key only.
    pub(crate) folder: PathBuf,
}

impl State {
    /// Opens the state, making it when it is not there yet.
    pub(crate) async fn open(flags: &cli::State) -> Result<Self, Box<Failure>> {
        Self::open_within(flags, Duration::ZERO).await
    }

    /// Opens a state that must be there already: a mistyped folder would otherwise become a new, empty state, and a copy of
    /// it would look like a backup.
    pub(crate) async fn open_existing(flags: &cli::State) -> Result<Self, Box<Failure>> {
        let place = place(flags, &folder(flags.data_dir.as_deref())?)?;
        match &place {
            Place::Sqlite(file) if !file.exists() => Err(Failure::new(
                "STO-04",
                Exit::Configuration,
                "there is no gateway's state",
                format!("{place} is not there"),
                "name the folder or database that the gateway was started with: --data-dir DIR, --database-url URL",
            )),
            _ => Self::open(flags).await,
        }
    }

    /// Like [`State::open`]; a database that is away is waited for, so that machines may start in any order.
    pub(crate) async fn open_within(flags: &cli::State, patience: Duration) -> Result<Self, Box<Failure>> {
        let folder = folder(flags.data_dir.as_deref())?;
        let place = place(flags, &folder)?;
        let end = tokio::time::Instant::now() + patience;
        let mut told = false;
        loop {
            match doorward_store::open(&place).await {
                Ok(store) => return Ok(Self { store, place, folder }),
                Err(error) if error.is_away() && tokio::time::Instant::now() < end => {
                    if !told {
                        output::tell(&format!("waiting for the database: {error}"));
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) if error.is_away() => return Err(away(&place, &error)),
                Err(error) => return Err(unusable(&place, &error)),
            }
        }
    }

    /// What to say when the store fails.
    pub(crate) fn failed(&self, fault: &dyn std::fmt::Display) -> Box<Failure> {
        match &self.place {
            Place::Sqlite(_) => unusable(&self.place, fault),
            Place::Postgres(_) => away(&self.place, fault),
        }
    }
}

/// The data folder.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, Box<Failure>> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named
        .map(Path::to_owned)
        .or_else(|| from("XDG_DATA_HOME").map(|data| data.join("doorward")))
        .or_else(|| from("HOME").map(|home| home.join(".local/share/doorward")))
        .or_else(|| from("LOCALAPPDATA").map(|data| data.join("doorward")))
        .ok_or_else(|| {
            Failure::new(
                "CFG-02",
                Exit::Configuration,
                "no folder for the state",
                "HOME is not set",
                "name one with --data-dir",
            )
        })
}

fn place(flags: &cli::State, folder: &Path) -> Result<Place, Box<Failure>> {
    let Some(url) = flags.database_url.as_deref().filter(|url| !url.is_empty()) else {
        return Ok(Place::Sqlite(folder.join("doorward.sqlite")));
    };
    // The text itself may hold a password and is not shown.
    url.parse().map(Place::Postgres).map_err(|refusal: doorward_store::InvalidDatabaseUrl| {
        Failure::new(
            "CFG-05",
            Exit::Configuration,
            "the database URL cannot be used",
            refusal,
            "write it like --database-url postgres://doorward@db.example/doorward",
        )
    })
}

fn away(place: &Place, why: &dyn std::fmt::Display) -> Box<Failure> {
    Failure::new(
        "STO-02",
        Exit::Unreachable,
        format!("the database {place} cannot be reached"),
        why,
        "check that it runs, that this machine may connect, and the name and password in --database-url",
    )
}

fn unusable(place: &Place, why: &dyn std::fmt::Display) -> Box<Failure> {
    let next = match place {
        Place::Sqlite(_) => "check that the folder is yours, writable and not full, or name another with --data-dir",
        Place::Postgres(_) => "check what the database says, or name another with --database-url",
    };
    Failure::new("STO-01", Exit::Error, format!("the state in {place} cannot be used"), why, next)
}
