//! `doorward audit-log`: what happened, for people, for programs, and whether the record is whole.

use std::collections::{HashMap, VecDeque};

use doorward_authorization_server::{
    audit::{self, Broken, Recorded},
    facts::AccountId,
};
use doorward_types::Timestamp;
use serde_json::json;

use crate::{
    cli::{self, Expected, Since, Which},
    clock::now,
    failure::{Exit, Failure},
    output,
    state::State,
};

/// How many events are read at once.
const PAGE: u32 = 1000;

/// Runs the command.
pub(crate) async fn run(command: cli::AuditLog, json: bool) -> Result<(), Box<Failure>> {
    match command {
        cli::AuditLog::Show { which, most, state } => {
            show(&State::open_existing(&state).await?, which, most, json).await
        }
        cli::AuditLog::Export { which, state } => export(&State::open_existing(&state).await?, which).await,
        cli::AuditLog::Verify { expect, state } => verify(&State::open_existing(&state).await?, &expect, json).await,
    }
}

/// What the flags ask for.
struct Filter {
    since: Option<Timestamp>,
    account: Option<AccountId>,
    which: Which,
}

impl Filter {
    async fn of(state: &State, which: Which) -> Result<Self, Box<Failure>> {
        let since = which.since.map(|since| match since {
            Since::Ago(span) => {
                let ago = i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
                Timestamp::from_unix(now().as_unix().saturating_sub(ago))
            }
            Since::At(at) => Timestamp::from_unix(at),
        });
        let account = match &which.account {
            None => None,
            Some(name) => {
                let found = state.store.account_by_name(name).await.map_err(|fault| state.failed(&fault))?;
                // An account that is gone still has its id in the record.
                Some(found.map_or_else(|| AccountId(name.clone()), |account| account.id))
            }
        };
        Ok(Self { since, account, which })
    }

    fn takes(&self, row: &Recorded) -> bool {
        let event = &row.event;
        self.since.is_none_or(|since| event.at >= since)
            && (self.which.kind.is_empty() || self.which.kind.iter().any(|kind| kind.0 == event.kind))
            && self.account.as_ref().is_none_or(|account| event.account.as_ref() == Some(account))
            && self.which.client.as_ref().is_none_or(|id| event.client.as_ref().is_some_and(|own| own.as_str() == id))
    }

    /// Whether it takes all events.
    fn is_open(&self) -> bool {
        self.since.is_none() && self.which.kind.is_empty() && self.account.is_none() && self.which.client.is_none()
    }
}

/// Reads the record in pages, from behind this number on.
async fn each(state: &State, mut after: u64, mut take: impl FnMut(Recorded)) -> Result<(), Box<Failure>> {
    loop {
        let rows = state.store.recorded(after, PAGE).await.map_err(|fault| state.failed(&fault))?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.number;
        rows.into_iter().for_each(&mut take);
    }
}

async fn show(state: &State, which: Which, most: u32, json: bool) -> Result<(), Box<Failure>> {
    let filter = Filter::of(state, which).await?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let after = if filter.is_open() {
        let (last, _) = state.store.record_head().await.map_err(|fault| state.failed(&fault))?;
        last.saturating_sub(most as u64)
    } else {
        0
    };
    let mut found = VecDeque::new();
    each(state, after, |row| {
        if filter.takes(&row) {
            found.push_back(row);
            if found.len() > most {
                found.pop_front();
            }
        }
    })
    .await?;
    if json {
        let events: Vec<_> = found.iter().map(described).collect();
        output::data(&json!({ "events": events }).to_string());
        return Ok(());
    }
    if found.is_empty() {
        output::tell("There are no such events.");
        return Ok(());
    }
    let mut names = HashMap::new();
    let mut table = vec![["NUMBER", "TIME", "EVENT", "ACCOUNT", "CLIENT", "DETAIL"].map(str::to_owned)];
    for row in &found {
        let event = &row.event;
        let account = match &event.account {
            None => String::new(),
            Some(id) => name_of(state, &mut names, id).await?,
        };
        let client = event.client.as_ref().map(ToString::to_string).unwrap_or_default();
        table.push([
            row.number.to_string(),
            output::moment(event.at),
            event.kind.as_str().to_owned(),
            output::harmless(&account),
            output::harmless(&client),
            output::harmless(&event.detail),
        ]);
    }
    output::table(&table);
    Ok(())
}

/// The name of an account; its id when it is gone.
async fn name_of(
    state: &State,
    names: &mut HashMap<AccountId, String>,
    id: &AccountId,
) -> Result<String, Box<Failure>> {
    if let Some(name) = names.get(id) {
        return Ok(name.clone());
    }
    let found = state.store.account(id).await.map_err(|fault| state.failed(&fault))?;
    let name = found.map_or_else(|| id.0.clone(), |account| account.name);
    names.insert(id.clone(), name.clone());
    Ok(name)
}

async fn export(state: &State, which: Which) -> Result<(), Box<Failure>> {
    let filter = Filter::of(state, which).await?;
    each(state, 0, |row| {
        if filter.takes(&row) {
            output::data(&described(&row).to_string());
        }
    })
    .await
}

/// An event for programs.
fn described(row: &Recorded) -> serde_json::Value {
    let event = &row.event;
    json!({
        "number": row.number,
        "at": output::moment(event.at),
        "kind": event.kind.as_str(),
        "account": event.account.as_ref().map(|account| &account.0),
        "client": event.client.as_ref().map(ToString::to_string),
        "grant": event.grant.as_ref().map(|grant| &grant.0),
        "resource": event.resource.as_ref().map(ToString::to_string),
        "detail": event.detail,
        "digest": hex(&row.digest),
    })
}

/// Goes through the record from its beginning.
struct Check<'a> {
    number: u64,
    digest: [u8; 32],
    expected: &'a [Expected],
    broken: Option<Broken>,
}

impl<'a> Check<'a> {
    fn new(expected: &'a [Expected]) -> Self {
        Self { number: 0, digest: audit::START, expected, broken: None }
    }

    fn take(&mut self, row: &Recorded) {
        if self.broken.is_some() {
            return;
        }
        match audit::check(self.number, &self.digest, row) {
            Err(broken) => self.broken = Some(broken),
            Ok(()) => (self.number, self.digest) = (row.number, row.digest),
        }
        let kept = self.expected.iter().find(|expected| expected.number == row.number);
        if self.broken.is_none() && kept.is_some_and(|kept| kept.digest != row.digest) {
            self.broken = Some(Broken::Rewritten(row.number));
        }
    }

    /// Compares where it ended with what was said of its end.
    fn ended(&self, head: Expected) -> Result<(), Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let furthest = self.expected.iter().map(|expected| expected.number).max().unwrap_or(0).max(head.number);
        if furthest > self.number {
            return Err(Broken::End { expected: furthest, found: self.number });
        }
        Ok(())
    }
}

async fn verify(state: &State, expected: &[Expected], json: bool) -> Result<(), Box<Failure>> {
    // The end is read first: what is recorded meanwhile lies behind it.
    let (number, digest) = state.store.record_head().await.map_err(|fault| state.failed(&fault))?;
    let head = Expected { number, digest };
    let mut all = expected.to_vec();
    all.extend((number > 0).then_some(head));
    let mut check = Check::new(&all);
    each(state, 0, |row| check.take(&row)).await?;
    if let Err(broken) = check.ended(head) {
        return Err(Failure::new(
            "AUD-01",
            Exit::Error,
            "the record is broken",
            broken,
            format!("keep a copy of {} as it is, and compare it with a backup", state.place),
        ));
    }
    let (events, digest) = (check.number, hex(&check.digest));
    if json {
        output::data(&json!({ "unbroken": true, "events": events, "digest": digest }).to_string());
    } else {
        output::data(&format!("{events} events, unbroken."));
        if events > 0 {
            output::data(&format!("Keep this elsewhere, and later give it with --expect: {events}:{digest}"));
        }
    }
    Ok(())
}

fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use doorward_authorization_server::audit::{Event, EventKind};

    use super::*;

    fn record(count: u64, detail: &str) -> Vec<Recorded> {
        let mut rows: Vec<Recorded> = Vec::new();
        for _ in 0..count {
            let (number, digest) = rows.last().map_or((0, audit::START), |row| (row.number, row.digest));
            let event = Event::new(Timestamp::from_unix(1), EventKind::SignedIn).with_detail(detail);
            rows.push(Recorded::after(number, &digest, event));
        }
        rows
    }

    fn head(rows: &[Recorded]) -> Expected {
        rows.last().map_or(Expected { number: 0, digest: audit::START }, |row| Expected {
            number: row.number,
            digest: row.digest,
        })
    }

    fn judged(rows: &[Recorded], expected: &[Expected], head: Expected) -> Result<(), Broken> {
        let mut check = Check::new(expected);
        rows.iter().for_each(|row| check.take(row));
        check.ended(head)
    }

    #[test]
    fn what_was_kept_elsewhere_shows_a_record_that_was_written_anew() {
        // proves: INV-12
        let (old, new) = (record(5, "x"), record(5, "y"));
        let kept = [head(&old[..3])];
        assert_eq!(judged(&old, &kept, head(&old)), Ok(()));
        assert_eq!(judged(&new, &[], head(&new)), Ok(()), "a new chain is whole in itself");
        assert_eq!(judged(&new, &kept, head(&new)), Err(Broken::Rewritten(3)));
        assert_eq!(judged(&old[..4], &kept, head(&old)), Err(Broken::End { expected: 5, found: 4 }));
        assert_eq!(judged(&old[..2], &kept, head(&old[..2])), Err(Broken::End { expected: 3, found: 2 }));
        assert_eq!(judged(&[], &[], head(&[])), Ok(()));
    }

    #[test]
    fn a_digest_is_printed_as_it_is_read() {
        let digest = [0x0a; 32];
        let text = format!("7:{}", hex(&digest));
        assert_eq!(text.parse(), Ok(Expected { number: 7, digest }));
    }
}
