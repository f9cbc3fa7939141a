//! One decision per grant type: its facts are loaded, and it is asked.

use doorward_authorization_server::{
    TokenRefusal,
    client_auth::AuthenticatedClient,
    client_credentials, code, device,
    exchange::{self, ExchangeRequest},
    facts::{GrantFacts, GrantId},
    jwt_bearer::{self, AssertionRefusal, Believed, JwtBearerFacts, JwtBearerRequest},
    refresh,
    store::StoreFault,
    token::{Decision, Fresh},
    token_request::TokenRequest,
};
use doorward_types::{
    Timestamp,
    jose::{JwsRefusal, dpop::ProofRefusal},
};

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
        TokenRequest::JwtBearer(request) => asserted(site, client, &request).await,
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

async fn asserted(
    site: &Site,
    client: &AuthenticatedClient,
    request: &JwtBearerRequest,
) -> Result<Decision, StoreFault> {
    let now = (site.now)();
    let believed = match believed(site, client, request, now).await {
        Ok(believed) => believed,
        Err(refusal) => return Ok(refusal.into()),
    };
    let facts = JwtBearerFacts {
        used: site.store.is_used(&believed.used()).await?,
        account: site.store.account_by_identity(believed.identity()).await?,
        name_taken: site.store.account_by_name(believed.name()).await?.is_some(),
    };
    let ring = site.keys.current();
    let fresh = Fresh { entropy: &mut *(site.entropy)(), signer: ring.signer(now) };
    Ok(jwt_bearer::grant(&site.policy, client, &believed, facts, now, fresh))
}

/// Judges an assertion. A key that is not known yet may be a new one, so the provider's keys are read once more.
async fn believed(
    site: &Site,
    client: &AuthenticatedClient,
    request: &JwtBearerRequest,
    now: Timestamp,
) -> Result<Believed, TokenRefusal> {
    let enterprise = jwt_bearer::claimed_issuer(&site.policy, request)?;
    let http = site.http.as_deref().ok_or(TokenRefusal::ProviderAway)?;
    let judge = async |again| {
        let keys = site.providers.keys(http, enterprise, again, now).await.ok_or(TokenRefusal::ProviderAway)?;
        jwt_bearer::believe(&site.policy, client, request, enterprise, &keys, now)
    };
    match judge(false).await {
        Err(TokenRefusal::Assertion(AssertionRefusal::Jws(JwsRefusal::UnknownKey))) => judge(true).await,
        other => other,
    }
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
