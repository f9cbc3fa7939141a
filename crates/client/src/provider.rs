//! What is known of the provider, where it matters to a request.

use doorward_types::{
    Issuer, ScopeSet,
    providers::{self, ResourceParameter},
};

/// Whether a request with the `resource` parameter fails there.
pub(crate) fn refuses_resource(issuer: &Issuer) -> bool {
    providers::of(issuer).is_some_and(|known| known.resource == ResourceParameter::Refused)
}

/// Adds what the provider wants of an authorization request, unless it says that already.
pub(crate) fn authorize<'a>(issuer: &Issuer, parameters: &mut Vec<(&'a str, &'a str)>) {
    for (name, value) in providers::of(issuer).iter().flat_map(|known| &known.authorize) {
        if !parameters.iter().any(|(own, _)| own == name) {
            parameters.push((name, value));
        }
    }
}

/// Which scopes a refresh has to name there: those that were asked for, else those that were granted.
pub(crate) fn refresh_scope<'a>(
    issuer: &Issuer,
    requested: Option<&'a ScopeSet>,
    granted: Option<&'a ScopeSet>,
) -> Option<&'a ScopeSet> {
    providers::of(issuer).filter(|known| known.scope_on_refresh)?;
    requested.or(granted).filter(|scope| !scope.is_empty())
}

/// The scopes of a token answer, as this provider writes them.
pub(crate) fn granted(issuer: &Issuer, answered: Option<ScopeSet>) -> Option<ScopeSet> {
    match providers::of(issuer) {
        Some(known) => answered.map(|scope| known.granted(&scope)),
        None => answered,
    }
}

/// Why this identity provider hardly gives an assertion for another server, where that is known.
pub(crate) fn doubt_id_jag(issuer: &Issuer) -> Option<String> {
    providers::of(issuer)?.doubt_id_jag(issuer)
}
