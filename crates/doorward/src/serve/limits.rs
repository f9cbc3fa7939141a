//! `--limit NAME=VALUE`: the limits that few people ever change.

use std::{str::FromStr, time::Duration};

use doorward_relay::Limits as Relay;

use crate::cli;

/// One limit with its new value, as written on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    name: String,
    value: u64,
}

/// All limits that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Those of the way to the server.
    pub(crate) relay: Relay,
    /// How many registrations a minute one address may make; requests that wait follow from it.
    pub(crate) strangers: u32,
}

impl Limits {
    /// The usual ones, with what the operator changed.
    pub(crate) fn of(flags: &cli::Limits) -> Self {
        let mut limits = Self::default();
        limits.relay = Relay {
            max_body: flags.max_body,
            max_line: flags.max_line,
            request_timeout: Duration::from_secs(flags.request_timeout),
            start_timeout: Duration::from_secs(flags.start_timeout),
            idle_child: Duration::from_secs(flags.idle_timeout),
            ..limits.relay
        };
        flags.limit.iter().for_each(|limit| limit.apply(&mut limits));
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { relay: Relay::default(), strangers: 30 }
    }
}

/// How a limit is set. Times are in seconds.
type Set = fn(&mut Limits, u64);

const NAMES: &[(&str, Set)] = &[
    ("body-timeout", |limits, value| limits.relay.body_timeout = Duration::from_secs(value)),
    ("batch", |limits, value| limits.relay.max_batch = size(value)),
    ("write-timeout", |limits, value| limits.relay.write_timeout = Duration::from_secs(value)),
    ("probe-timeout", |limits, value| limits.relay.probe_timeout = Duration::from_secs(value)),
    ("restarts-per-minute", |limits, value| limits.relay.max_restarts_per_minute = size(value)),
    ("stop-grace", |limits, value| limits.relay.stop_grace = Duration::from_secs(value)),
    ("servers", |limits, value| limits.relay.max_children = size(value)),
    ("calls", |limits, value| limits.relay.max_in_flight = size(value)),
    ("sessions", |limits, value| limits.relay.max_sessions = size(value)),
    ("sessions-per-person", |limits, value| limits.relay.max_sessions_per_subject = size(value)),
    ("idle-session", |limits, value| limits.relay.idle_session = Duration::from_secs(value)),
    ("stream-after", |limits, value| limits.relay.stream_after = Duration::from_secs(value)),
    ("keep-alive", |limits, value| limits.relay.keep_alive = Duration::from_secs(value)),
    ("grant-check", |limits, value| limits.relay.grant_check = Duration::from_secs(value)),
    ("stderr-lines", |limits, value| limits.relay.stderr_lines_per_second = u32::try_from(value).unwrap_or(u32::MAX)),
    ("strangers", |limits, value| limits.strangers = u32::try_from(value).unwrap_or(u32::MAX)),
];

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
        if !NAMES.iter().any(|(known, _)| *known == name) {
            let known: Vec<_> = NAMES.iter().map(|(known, _)| *known).collect();
            return Err(format!("there is no limit {name:?}; there are {}", known.join(", ")));
        }
        match value.parse() {
            Ok(value) if value > 0 => Ok(Self { name: name.to_owned(), value }),
            _ => Err(format!("{value:?} is not a whole number above zero")),
        }
    }
}

impl Limit {
    /// Sets this limit.
    fn apply(&self, limits: &mut Limits) {
        if let Some((_, set)) = NAMES.iter().find(|(known, _)| *known == self.name) {
            set(limits, self.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_and_above_zero() {
        let mut limits = Limits::default();
        "servers=200".parse::<Limit>().unwrap().apply(&mut limits);
        "idle-session=60".parse::<Limit>().unwrap().apply(&mut limits);
        "strangers=90".parse::<Limit>().unwrap().apply(&mut limits);
        assert_eq!((limits.relay.max_children, limits.relay.idle_session), (200, Duration::from_secs(60)));
        assert_eq!(limits.strangers, 90);
        for bad in ["servers", "servers=0", "servers=-1", "servers=many", "doors=1", ""] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }
}
