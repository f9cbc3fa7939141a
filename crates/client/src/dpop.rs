//! Whether the tokens of a login are bound to a key.

use doorward_types::metadata::ValidatedMetadata;

use crate::{Code, Failed, ProofKey, found::Flow, proof::ALGORITHM, target::Dpop};

/// A new key, when tokens are to be bound to one.
///
/// # Errors
/// When they are to be bound in any case and the authorization server does not say that it can.
/// Source: RFC 9449 sections 5 and 5.1, RFC 9728 section 2.
pub(crate) fn choose(flow: &Flow, server: &ValidatedMetadata) -> Result<Option<ProofKey>, Failed> {
    let listed = &server.document().dpop_signing_alg_values_supported;
    let can = listed.iter().any(|algorithm| algorithm == ALGORITHM);
    match flow.target.dpop {
        Dpop::Never => Ok(None),
        Dpop::WhenAsked => Ok((flow.wants_bound && can).then(ProofKey::generate)),
        Dpop::Always if can => Ok(Some(ProofKey::generate())),
        Dpop::Always => Err(Failed::new(
            Code::NotBound,
            "the authorization server does not say that it binds tokens to a key",
            format!("{} lists {listed:?} for DPoP, and {ALGORITHM} is needed", server.issuer()),
            "log in again without --dpop if tokens that anybody could use are good enough",
        )),
    }
}
