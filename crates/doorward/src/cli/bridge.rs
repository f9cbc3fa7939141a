//! How `connect` speaks to its server, and how long and how much.

use std::time::Duration;

use clap::{Args, ValueEnum};
use doorward_relay::bridge::{self, BridgeSettings};

/// A year: what is longer is a mistake, and sums with it could overflow.
const LONGEST: u64 = 366 * 86_400;

/// How to speak to a server of an unknown age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Streamable HTTP; where the server does not know it, the HTTP+SSE of 2024-11-05.
    #[default]
    #[value(alias = "auto")]
    HttpFirst,
    /// The other way round.
    SseFirst,
    /// Streamable HTTP and nothing else.
    #[value(alias = "http")]
    HttpOnly,
    /// The HTTP+SSE of 2024-11-05 and nothing else.
    #[value(alias = "sse")]
    SseOnly,
}

impl From<Transport> for bridge::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::HttpFirst => Self::HttpFirst,
            Transport::SseFirst => Self::SseFirst,
            Transport::HttpOnly => Self::HttpOnly,
            Transport::SseOnly => Self::SseOnly,
        }
    }
}

/// The way to the server, and its limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Between the host and the server")]
pub(crate) struct Bridge {
    /// How to speak to the server.
    #[arg(long, env = "DOORWARD_TRANSPORT", value_enum, default_value_t)]
    pub(crate) transport: Transport,
    /// How long the server may take to start its answer to a request, and then to finish it, in seconds; of a stream, how
    /// long it may be silent.
    #[arg(long, env = "DOORWARD_REQUEST_TIMEOUT", default_value_t = 600, value_parser = seconds(1), value_name = "SECONDS")]
    pub(crate) request_timeout: u64,
    /// How long a request that did not reach the server is tried again, in seconds. One that may have reached it never is.
    #[arg(long, env = "DOORWARD_RECONNECT_FOR", default_value_t = 20, value_parser = seconds(0), value_name = "SECONDS")]
    pub(crate) reconnect_for: u64,
    /// How long it is tried to resume a stream that broke, in seconds.
    #[arg(long, env = "DOORWARD_RESUME_FOR", default_value_t = 120, value_parser = seconds(0), value_name = "SECONDS")]
    pub(crate) resume_for: u64,
    /// How long the stream for what the server says unasked may be silent before another is asked for, in seconds.
    #[arg(long, env = "DOORWARD_LISTEN_SILENCE", default_value_t = 300, value_parser = seconds(1), value_name = "SECONDS")]
    pub(crate) listen_silence: u64,
    /// How long open requests may still take when the host is done, in seconds.
    #[arg(long, env = "DOORWARD_DRAIN", default_value_t = 5, value_parser = seconds(0), value_name = "SECONDS")]
    pub(crate) drain: u64,
    /// The longest line that the host may write, in bytes.
    #[arg(long, env = "DOORWARD_MAX_LINE", default_value_t = 10 << 20, value_parser = size(1024), value_name = "BYTES")]
    pub(crate) max_line: u64,
    /// The longest message that the server may send, in bytes.
    #[arg(long, env = "DOORWARD_MAX_MESSAGE", default_value_t = 64 << 20, value_parser = size(1024), value_name = "BYTES")]
    pub(crate) max_message: u64,
    /// How many requests of the host may be open at one time; more are answered with an error.
    #[arg(long, env = "DOORWARD_MAX_CALLS", default_value_t = 256, value_parser = size(1), value_name = "NUMBER")]
    pub(crate) max_calls: u64,
}

fn seconds(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=LONGEST)
}

/// A number of things that are held in memory.
fn size(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=u64::from(u32::MAX))
}

impl Bridge {
    /// These, and what else is usual.
    pub(crate) fn settings(&self) -> BridgeSettings {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        BridgeSettings {
            transport: self.transport.into(),
            max_line: size(self.max_line),
            max_message: size(self.max_message),
            max_in_flight: size(self.max_calls),
            answer_timeout: Duration::from_secs(self.request_timeout),
            reconnect_for: Duration::from_secs(self.reconnect_for),
            resume_for: Duration::from_secs(self.resume_for),
            listen_silence: Duration::from_secs(self.listen_silence),
            drain: Duration::from_secs(self.drain),
            ..BridgeSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        bridge: Bridge,
    }

    fn settings(arguments: &[&str]) -> Option<BridgeSettings> {
        let alone = Alone::try_parse_from([&["doorward"], arguments].concat());
        alone.ok().map(|alone| alone.bridge.settings())
    }

    #[test]
    fn what_is_not_said_is_as_the_bridge_has_it() {
        let (said, usual) = (settings(&[]).unwrap(), BridgeSettings::default());
        assert_eq!(format!("{said:?}"), format!("{usual:?}"));
    }

    #[test]
    fn each_flag_changes_its_setting() {
        for (name, transport) in [
            ("auto", bridge::Transport::HttpFirst),
            ("http-first", bridge::Transport::HttpFirst),
            ("sse-first", bridge::Transport::SseFirst),
            ("http-only", bridge::Transport::HttpOnly),
            ("http", bridge::Transport::HttpOnly),
            ("sse-only", bridge::Transport::SseOnly),
            ("sse", bridge::Transport::SseOnly),
        ] {
            assert_eq!(settings(&["--transport", name]).unwrap().transport, transport, "{name}");
        }
        let flags = "--request-timeout=1 --reconnect-for=2 --resume-for=3 --listen-silence=4 --drain=5 --max-line=2001 \
                     --max-message=2002 --max-calls=8";
        let changed = settings(&flags.split(' ').collect::<Vec<_>>()).unwrap();
        let times =
            [changed.answer_timeout, changed.reconnect_for, changed.resume_for, changed.listen_silence, changed.drain];
        assert_eq!(times.map(|time| time.as_secs()), [1, 2, 3, 4, 5]);
        assert_eq!((changed.max_line, changed.max_message, changed.max_in_flight), (2001, 2002, 8));
    }

    #[test]
    fn what_could_not_work_is_refused() {
        for bad in [
            "--transport=stdio",
            "--request-timeout=0",
            "--resume-for=99999999999",
            "--max-line=0",
            "--max-calls=0",
            "--max-message=18446744073709551615",
            "--drain=-1",
        ] {
            assert!(settings(&[bad]).is_none(), "{bad}");
        }
    }
}
