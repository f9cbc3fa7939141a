//! The events in words. Each gives pieces that are not broken: joined for `-v`, folded for `doorward trace`.

use super::{
    event::{Answer, Did, How, Kind, Outcome, So, Step, Trouble, Wanted, Why},
    mask::{Pair, Shown},
    ring::{End, Flow},
    secrets::HIDDEN,
};
use crate::output;
use doorward_types::Timestamp;

/// Answers' values that are worth a word each time; the others are details.
const TELLING: &[&str] = &[
    "access_token",
    "authorization_servers",
    "client_id",
    "client_secret",
    "device_code",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "issuer",
    "location",
    "refresh_token",
    "resource",
    "retry-after",
    "scope",
    "token_endpoint_auth_method",
    "token_type",
    "user_code",
    "verification_uri",
];

/// What the flow is.
pub(super) fn title(flow: &Flow) -> String {
    let kind = match flow.kind {
        Kind::Login => "Login at",
        Kind::Refresh => "Refresh of the login at",
        Kind::Logout => "Logout at",
    };
    match &flow.account {
        Some(account) => format!("{kind} {} as {}", flow.url.as_str(), account.as_str()),
        None => format!("{kind} {}", flow.url.as_str()),
    }
}

/// When it began.
pub(super) fn began(flow: &Flow) -> String {
    let began = jiff::Timestamp::from_millisecond(i64::try_from(flow.began_ms).unwrap_or(i64::MAX));
    began.map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// How it ended, in a few words.
pub(super) fn ending(flow: &Flow) -> String {
    let after = flow.took_ms.map(|ms| format!(" after {}", time(ms))).unwrap_or_default();
    match &flow.end {
        End::Open => "not finished: it is still under way, or its process was stopped".to_owned(),
        End::Done => format!("done{after}"),
        End::Failed { error } => format!("failed{after}: {} [{}]", error.message.as_str(), error.code.as_str()),
    }
}

fn time(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        _ => format!("{} s", ms / 1000),
    }
}

/// What was done, as one line.
pub(super) fn did(step: &Step) -> String {
    format!("{:>2}  {}", step.number, did_pieces(step, false).join(" "))
}

/// What was done.
pub(super) fn did_pieces(step: &Step, details: bool) -> Vec<String> {
    let one = |text: String| vec![text];
    match &step.did {
        Did::Request { method, url, sent, .. } => {
            let mut pieces = address(method, url);
            let told = sent.iter().filter(|pair| details || !matches!(pair.name.as_str(), "accept" | "content-type"));
            pieces.extend(told.map(pair));
            pieces
        }
        Did::Challenged { said } => told("the server refused a call without a good token", said, details),
        Did::ClientLookedFor { issuer, found: Some(id) } => {
            one(format!("looked for a client of an earlier login at {}: {}", issuer.as_str(), id.as_str()))
        }
        Did::ClientLookedFor { issuer, found: None } => {
            one(format!("looked for a client of an earlier login at {}: there is none", issuer.as_str()))
        }
        Did::ClientStored => one("stored the new client".to_owned()),
        Did::PortHeld { redirect_uri } => one(format!("holding {}", redirect_uri.as_str())),
        Did::PageShown { url } => address("showed", url),
        Did::CameBack { said } => {
            let mut pieces = one("the browser's answer came back:".to_owned());
            pieces.extend(said.iter().map(pair));
            pieces
        }
        Did::CodeShown { page } => one(format!("showed a code to type at {}", page.as_str())),
        Did::Waited { seconds } => one(format!("waited {seconds} s")),
        Did::TimeUp => one("nobody came in time".to_owned()),
        Did::TokensStored => one("stored the tokens".to_owned()),
    }
}

/// An address in pieces, one for each value in it.
fn address(before: &str, url: &Shown) -> Vec<String> {
    let (place, query) = url.as_str().split_once('?').unwrap_or((url.as_str(), ""));
    let mut pieces = vec![format!("{before} {place}")];
    pieces.extend(query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned));
    pieces
}

/// What came of a request, as one line.
pub(super) fn outcome(number: u32, outcome: &Outcome) -> String {
    format!("{number:>2}  {}", outcome_pieces(outcome, false).join(" "))
}

/// What came of a request.
pub(super) fn outcome_pieces(outcome: &Outcome, details: bool) -> Vec<String> {
    let took = time(outcome.took_ms);
    match &outcome.answer {
        Answer::Answered { status, bytes, said } => {
            let bytes = bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
            told(&format!("<- {status} after {took}{bytes}"), said, details)
        }
        Answer::NotAnswered { why } => vec![format!("<- no answer after {took}: {}", why.as_str())],
    }
}

/// What is said when a request is under way.
pub(super) const UNDER_WAY: &str = "<- nothing yet";

fn told(first: &str, said: &[Pair], details: bool) -> Vec<String> {
    let mut pieces = vec![first.to_owned()];
    let telling = |pair: &&Pair| {
        let name = pair.name.as_str();
        let is_page = name == "content-type" && !pair.value.as_str().starts_with("application/json");
        details || is_page || name.starts_with("www-authenticate") || TELLING.contains(&name)
    };
    pieces.extend(said.iter().filter(telling).map(pair));
    pieces
}

fn pair(pair: &Pair) -> String {
    let value = pair.value.as_str();
    match value {
        HIDDEN => format!("{}={HIDDEN}", pair.name.as_str()),
        _ if value.contains(' ') || value.is_empty() => format!("{}={value:?}", pair.name.as_str()),
        _ => format!("{}={value}", pair.name.as_str()),
    }
}

/// What followed, as one line.
pub(super) fn so(number: u32, so: &So) -> String {
    format!("{number:>2}  {}", so_words(so))
}

/// What followed.
pub(super) fn so_words(so: &So) -> String {
    match so {
        So::Ask { what } => format!(
            "=> {}",
            match what {
                Wanted::ResourceMetadata => "asking where the server's metadata lies",
                Wanted::ServerMetadata => "asking the authorization server for its metadata",
                Wanted::Client => "registering a client",
                Wanted::PushedRequest => "pushing the request for a sign-in",
                Wanted::DeviceCode => "asking for a code for another device",
                Wanted::DeviceAnswer => "asking whether the code was typed",
                Wanted::IdentityProvider => "asking the identity provider for its metadata",
                Wanted::Assertion => "asking the identity provider for an assertion",
                Wanted::Tokens => "asking for tokens",
            }
        ),
        So::LookForClient { issuer } => format!("=> the authorization server is {}", issuer.as_str()),
        So::KeepClient { client_id, how } => {
            let how = match how {
                How::PreRegistered => "given by the user",
                How::Document => "the address of its document",
                How::Dynamic => "registered now",
            };
            format!("=> the client is {} ({how})", client_id.as_str())
        }
        So::HoldPort => "=> holding a port for the browser to come back to".to_owned(),
        So::ShowPage { issuer, scope: Some(scope) } => {
            format!("=> a person signs in at {}, for: {}", issuer.as_str(), scope.as_str())
        }
        So::ShowPage { issuer, scope: None } => format!("=> a person signs in at {}", issuer.as_str()),
        So::NotTaken { why } => {
            let why = match why {
                Why::Malformed => "its parameters are malformed or repeated",
                Why::ForeignState => "its state is not of this sign-in",
                Why::WrongIssuer => "it is not from the server that was asked",
                Why::NoAnswer => "it holds neither a code nor an error, or both",
            };
            format!("=> not taken: {why}; waiting on")
        }
        So::ShowCode { issuer } => format!("=> a person signs in at {} on another device", issuer.as_str()),
        So::Wait { seconds } => format!("=> asking again in {seconds} s"),
        So::Tokens { scope, expires_at, refreshable, bound } => {
            let scope = scope.as_ref().map_or_else(|| "unnamed scopes".to_owned(), |scope| scope.as_str().to_owned());
            let until = match expires_at {
                Some(at) => format!("until {}", output::moment(Timestamp::from_unix(*at))),
                None => "without a known end".to_owned(),
            };
            let renewed = if *refreshable { "to be renewed" } else { "not to be renewed" };
            let bound = if *bound { ", bound to a key" } else { "" };
            format!("=> a token for {scope}, {until}, {renewed}{bound}")
        }
        So::Note { words } => format!("=> note: {}", words.as_str()),
        So::ClientForgotten => "=> the server has forgotten this client; registering again".to_owned(),
        So::Again => "=> sending it again with the server's nonce".to_owned(),
        So::NextWay { because } => format!("=> trying another way, since {}", short(because)),
        So::OnceMore { because } => format!("=> asking once more, since {}", short(because)),
        So::Later { because } => format!("=> nothing is lost: {}", short(because)),
        So::Over { because } => format!("=> the login is over: {}", short(because)),
    }
}

fn short(trouble: &Trouble) -> String {
    format!("{}: {} [{}]", trouble.message.as_str(), trouble.reason.as_str(), trouble.code.as_str())
}

/// Pieces in lines of at most `width` characters where that can be, all but the first line further in.
pub(super) fn fold(first: &str, indent: usize, pieces: &[String], width: usize) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let mut is_empty = true;
    for piece in pieces {
        // A sentence may be broken at its spaces, a name and its value may not.
        let parts = if piece.contains('=') && !piece.starts_with("=>") {
            vec![piece.as_str()]
        } else {
            piece.split(' ').collect()
        };
        for part in parts {
            let line = lines.last_mut().expect("there is a line");
            if !is_empty && line.chars().count() + 1 + part.chars().count() > width {
                lines.push(format!("{}{part}", " ".repeat(indent)));
                continue;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(part);
            is_empty = false;
        }
    }
    lines
}
