//! One decision per grant type: its facts are loaded, and it is asked.

use doorward_authorization_server::{
    TokenRefusal,
    client_auth::AuthenticatedClient,
    client_credentials, code, device,
    exchange::{self, ExchangeRequest},
    facts::{GrantFacts, GrantId},
    refresh,
    store::StoreFault,
    token::{Decision, Fresh, TokenRequest},
};
use doorward_types::jose::dpop::ProofRefusal;

use crate::Site;

/// Decides on a request once. What it needs of the outside is drawn anew each time.
pub(super) async fn decide(
    site: &Site,
    client: &AuthenticatedClient,
    request: TokenRequest,
) -> Result<Decision, StoreFault> {
    if let Some(key) = client.key()
        && site.store.is_used(&key.proof()).await?
    {
        return Ok(TokenRefusal::Proof(ProofRefusal::Used).into());
    }
    let now = (site.now)();
    let signer = site.keys.signer(now);
    let entropy = || (site.entropy)();
    match request {
        TokenRequest::Code(request) => {
            let facts = site.store.code(&request.code.digest()).await?;
            let fresh = Fresh { entropy: &mut *entropy(), signer: &signer };
            Ok(code::redeem(&site.policy, client, request, facts, now, fresh))
        }
        TokenRequest::Refresh(request) => {
            let facts = site.store.refresh(&request.token.digest()).await?;
            let fresh = Fresh { entropy: &mut *entropy(), signer: &signer };
            Ok(refresh::refresh(&site.policy, client, request, facts, now, fresh))
        }
        TokenRequest::ClientCredentials(request) => {
            let fresh = Fresh { entropy: &mut *entropy(), signer: &signer };
            Ok(client_credentials::grant(&site.policy, client, &request, now, fresh))
        }
        TokenRequest::Device(request) => {
            let facts = site.store.device(&request.code.digest()).await?;
            let fresh = Fresh { entropy: &mut *entropy(), signer: &signer };
            Ok(device::poll(&site.policy, client, request, facts, now, fresh))
        }
        TokenRequest::Exchange(request) => exchanged(site, client, &request).await,
        TokenRequest::JwtBearer(_) => Ok(TokenRefusal::UnsupportedGrantType.into()),
    }
}

async fn exchanged(
    site: &Site,
    client: &AuthenticatedClient,
    request: &ExchangeRequest,
) -> Result<Decision, StoreFault> {
    let now = (site.now)();
    let ring = site.keys.current();
    let subject = match exchange::subject(&site.policy, ring.verifying(), request, now) {
        Ok(subject) => subject,
        Err(refusal) => return Ok(refusal.into()),
    };
    let facts = grant_facts(site, &subject.grant()).await?;
    let fresh = Fresh { entropy: &mut *(site.entropy)(), signer: ring.signer(now) };
    Ok(exchange::exchange(&site.policy, client, request, subject, facts, now, fresh))
}

/// A grant with the account behind it.
pub(crate) async fn grant_facts(site: &Site, id: &GrantId) -> Result<Option<GrantFacts>, StoreFault> {
    let Some(grant) = site.store.grant(id).await? else { return Ok(None) };
    let account = match &grant.account {
        Some(account) => site.store.account(account).await?,
        None => None,
    };
    Ok(Some(GrantFacts { grant, account }))
}
