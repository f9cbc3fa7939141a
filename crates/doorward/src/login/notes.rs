//! What a person hears when a rule was applied less than literally, or a server is not as it was.

use doorward_client::Note;

use crate::output;

/// Tells it, each time.
pub(super) fn tell(note: &Note) {
    output::tell(&format!("Note: {}.", words(note)));
}

/// What is told.
pub(super) fn words(note: &Note) -> String {
    match note {
        Note::IssuerChanged { from } => format!(
            "this server sent you to {from} to sign in, and now does not; doorward gets a client identifier and your \
             consent at the new place, and sends nothing there that the old one gave"
        ),
        Note::ForeignMetadata => tolerated("foreign-metadata", "the server's metadata lies at another origin"),
        Note::ParentResource => tolerated("parent-resource", "the server's metadata describes a parent of its URL"),
        Note::OtherIssuer { named } => {
            let named: String = output::harmless(named).chars().take(200).collect();
            tolerated("other-issuer", &format!("the authorization server calls itself {named}"))
        }
        Note::UnlistedPkce => {
            tolerated("unlisted-pkce", "the authorization server does not say that it supports PKCE; it is used")
        }
        Note::NoResource => {
            "the authorization server is not told which server the token is for (--tolerate no-resource, or a provider \
             that refuses to be told); whether the token is good elsewhere too is up to it"
                .to_owned()
        }
        Note::OtherAudience { named } => {
            let named: String = output::harmless(named).chars().take(200).collect();
            format!("the authorization server is told that the token is for {named} (--resource)")
        }
        Note::OldServer { guessed: false } => {
            "this server is of the 2025-03-26 revision: it is its own authorization server".to_owned()
        }
        Note::OldServer { guessed: true } => {
            "this server is of the 2025-03-26 revision and publishes nothing about signing in; the addresses of that \
             revision at its origin are used"
                .to_owned()
        }
        Note::TwoHosts { page, tokens } => {
            format!("you sign in at {page}, and what comes of it goes to {tokens}; do so only if both are of one hand")
        }
        Note::WholeOrigin => "the server's metadata describes everything at its origin".to_owned(),
        Note::NoneIsForHere { issuer } => {
            format!("none of the clients in --clients-file is for {issuer}, so none of them is used")
        }
        Note::RegisteredAgain => {
            "the authorization server had forgotten this client, which was registered again".to_owned()
        }
    }
}

fn tolerated(name: &str, what: &str) -> String {
    format!("{what}, which you tolerate (--tolerate {name})")
}
