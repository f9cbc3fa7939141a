//! Facts in the words of the pages.

use std::time::Duration;

use doorward_authorization_server::{
    client_document::DocumentUrl,
    facts::{Client, ClientOrigin},
    known_apps,
    policy::OFFLINE_ACCESS,
};
use doorward_types::{Permission, Scope, ScopeSet, Timestamp, redirect};

use crate::{
    catalogue::Tool,
    pages::{Chip, DisplayName, Identity, ReturnTo, Risk, ScopeChoice, When},
};

/// A moment.
pub(crate) fn when(moment: Timestamp) -> When {
    let stamp = jiff::Timestamp::from_second(moment.as_unix()).unwrap_or_default();
    When {
        datetime: stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        words: stamp.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    }
}

/// A length of time, in its largest whole unit.
pub(crate) fn how_long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(24 * 3600, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let fits = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = fits.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

/// What a client calls itself.
pub(crate) fn client_name(client: &Client) -> DisplayName {
    client.name.as_deref().unwrap_or_default().into()
}

/// What is known of a client's identity.
pub(crate) fn identity(client: &Client) -> Identity {
    match client.origin {
        ClientOrigin::Administrator => Identity::RegisteredByAdmin,
        ClientOrigin::Document if known_apps::by_document(client.id.as_str()).is_some() => Identity::KnownApp,
        ClientOrigin::Document | ClientOrigin::Dynamic => {
            let name = client.name.as_deref().unwrap_or_default();
            if let Some(app) = known_apps::imitated(name, &client.redirect_uris) {
                return Identity::Imitation { of: app.name.to_owned() };
            }
            match DocumentUrl::parse(client.id.as_str()) {
                // On a host of everybody a document is nobody's word.
                Ok(url) if client.origin == ClientOrigin::Document && !known_apps::is_everybodys(url.host()) => {
                    Identity::Domain(url.host().to_owned())
                }
                _ => Identity::Unverified,
            }
        }
    }
}

/// Where an authorization response goes.
pub(crate) fn return_to(kind: &redirect::Kind, uri: &str) -> ReturnTo {
    match kind {
        redirect::Kind::Https => {
            let url = url::Url::parse(uri).ok();
            let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or(uri);
            match url.as_ref().and_then(url::Url::port) {
                Some(port) => ReturnTo::Web(format!("{host}:{port}")),
                None => ReturnTo::Web(host.to_owned()),
            }
        }
        redirect::Kind::Loopback { host } => ReturnTo::ThisComputer { host: host.clone() },
        redirect::Kind::PrivateUse { scheme } => ReturnTo::Scheme(scheme.clone()),
    }
}

fn risk(scope: &Scope) -> Risk {
    match Permission::from_scope(scope) {
        Some(Permission::Read) => Risk::Read,
        Some(Permission::Write) => Risk::Change,
        // A scope that we cannot word is shown with all caution.
        Some(Permission::Danger) | None => Risk::Danger,
    }
}

fn sentence(scope: &Scope) -> String {
    match Permission::from_scope(scope) {
        Some(Permission::Read) => "See what is there and read it".to_owned(),
        Some(Permission::Write) => "Add and change things, without destroying any".to_owned(),
        Some(Permission::Danger) => "Overwrite, delete, send, or run things".to_owned(),
        None => format!("Use the permission “{scope}”"),
    }
}

/// The permissions on the consent page.
pub(crate) fn scope_choices(asked: &ScopeSet, allowed_before: &ScopeSet, tools: &[Tool]) -> Vec<ScopeChoice> {
    let mut choices: Vec<_> = asked
        .iter()
        .map(|scope| {
            let permission = Permission::from_scope(scope);
            let names = tools.iter().filter(|tool| Some(tool.permission) == permission).map(|tool| tool.name.clone());
            let mut choice = ScopeChoice::new(scope.as_str(), risk(scope), sentence(scope), names.collect());
            choice.already_allowed = allowed_before.contains(scope);
            choice
        })
        .collect();
    choices.sort_by_key(|choice| choice.risk);
    choices
}

/// The permissions of a grant in a few words each.
pub(crate) fn chips(scope: &ScopeSet) -> Vec<Chip> {
    let words = |scope: &Scope| match Permission::from_scope(scope) {
        Some(Permission::Read) => "Read".to_owned(),
        Some(Permission::Write) => "Change".to_owned(),
        Some(Permission::Danger) => "Delete, send, run".to_owned(),
        None => scope.to_string(),
    };
    let chip = |scope: &Scope| match scope.as_str() {
        // It says how long, not what.
        OFFLINE_ACCESS => Chip { words: "Stays connected".to_owned(), risk: Risk::Read },
        _ => Chip { words: words(scope), risk: risk(scope) },
    };
    let mut chips: Vec<_> = scope.iter().map(chip).collect();
    chips.sort_by_key(|chip| chip.risk);
    chips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staying_connected_is_no_danger_and_what_cannot_be_worded_is() {
        let scope = ScopeSet::parse("mcp:read offline_access mcp:write admin").unwrap();
        let chips: Vec<_> = chips(&scope).into_iter().map(|chip| (chip.words, chip.risk)).collect();
        let wanted =
            [("Read", Risk::Read), ("Stays connected", Risk::Read), ("Change", Risk::Change), ("admin", Risk::Danger)];
        assert_eq!(chips, wanted.map(|(words, risk)| (words.to_owned(), risk)));
    }
}
