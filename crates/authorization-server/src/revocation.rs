//! Ending access: a client gives its token back, or a person ends what was allowed.

use doorward_types::{
    Digest, Secret, Timestamp,
    form::Form,
    jose::KeySet,
    secret::{AccessToken, RefreshToken},
};

use crate::{
    Policy, RevocationReason, TokenRefusal, Write,
    client_auth::AuthenticatedClient,
    facts::{Grant, GrantId, RefreshFacts},
    own_token,
    session::ResourceOwner,
};

/// A token that a client gives back, of whichever kind. The request's hint is only a hint and is not needed.
#[derive(Debug)]
pub struct RevocationRequest {
    token: Secret<AccessToken>,
}

/// Reads the form.
///
/// # Errors
/// When `token` is missing or can be no token.
/// Source: RFC 7009 section 2.1.
pub fn read(form: &Form) -> Result<RevocationRequest, TokenRefusal> {
    let text = form.get("token").ok_or(TokenRefusal::Missing("token"))?;
    Ok(RevocationRequest { token: Secret::parse(text).map_err(|_| TokenRefusal::Malformed("token"))? })
}

impl RevocationRequest {
    /// What to look the token up under, when it has the form of a refresh token.
    pub fn refresh_digest(&self) -> Option<Digest<RefreshToken>> {
        let token = Secret::<RefreshToken>::parse(self.token.expose()).ok()?;
        token.is_well_formed().then(|| token.digest())
    }
}

/// Decides on a token that a client gives back: its grant ends, with all tokens, access tokens on every node among them. A
/// token that is unknown is no error: then there is nothing to write.
///
/// A token of another client is an error, and not a success without effect: RFC 7009 section 2.1 says that the request is
/// refused and the client informed. It tells the caller nothing that it could use, since it holds the whole token already.
/// A token that was exchanged by another client than the one that was given the access cannot be revoked alone, and that
/// client may not end what a person allowed to somebody else.
///
/// # Errors
/// When the token belongs to another client, or to another client's access; then nothing happens.
/// Source: RFC 7009 sections 2.1, 2.2 and 2.2.1.
pub fn revoke(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: &RevocationRequest,
    refresh: Option<&RefreshFacts>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Vec<Write>, TokenRefusal> {
    let digest = request.refresh_digest();
    let (owner, grant) = if let Some(facts) = refresh.filter(|facts| Some(facts.token.digest) == digest) {
        (facts.grant.client.clone(), facts.grant.id.clone())
    } else if let Some(claims) = own_token::claims(policy, keys, request.token.expose()) {
        if claims.act.is_some() && claims.client_id == *client.id() {
            return Err(TokenRefusal::ExchangedToken);
        }
        (claims.client_id, GrantId(claims.gid))
    } else {
        return Ok(Vec::new());
    };
    if owner != *client.id() {
        return Err(TokenRefusal::TokenOfAnotherClient);
    }
    Ok(vec![Write::RevokeGrant { grant, at: now, reason: RevocationReason::Client }])
}

/// Decides on a grant that a person wants to end: nothing for one that does not exist or is another person's, which look alike.
pub fn by_person(owner: &ResourceOwner, grant: Option<&Grant>, now: Timestamp) -> Option<Vec<Write>> {
    let grant = grant.filter(|grant| grant.account.as_ref() == Some(owner.account()))?;
    Some(vec![Write::RevokeGrant { grant: grant.id.clone(), at: now, reason: RevocationReason::Person }])
}

#[cfg(test)]
mod tests {
    use doorward_testkit::SeededEntropy;
    use doorward_types::{
        Issuer,
        jose::{AccessTokenClaims, SigningKey},
    };

    use super::*;
    use crate::{
        facts::{Account, AccountId, Refresh, Session},
        fixtures::{
            SIGNER, account, another_client, at, authenticated, browser, client, form, grant, owner, policy, session,
        },
    };

    fn claims() -> AccessTokenClaims {
        let grant = grant();
        AccessTokenClaims {
            iss: policy().issuer,
            sub: grant.account.unwrap().0,
            aud: grant.resource,
            client_id: grant.client,
            scope: grant.scope,
            iat: at(0),
            exp: at(10),
            jti: "x".into(),
            gid: grant.id.0,
            cnf: None,
            act: None,
        }
    }

    fn refresh() -> (Secret<RefreshToken>, RefreshFacts) {
        let secret = Secret::<RefreshToken>::generate(&mut SeededEntropy::new(3));
        let token =
            Refresh { digest: secret.digest(), grant: grant().id, issued_at: at(0), expires_at: at(9), rotated: None };
        (secret, RefreshFacts { token, successor_used: false, grant: grant(), account: None })
    }

    fn give_back(
        client: &crate::facts::Client,
        token: &str,
        facts: Option<&RefreshFacts>,
    ) -> Result<usize, TokenRefusal> {
        let request = read(&form(&[("token", token), ("token_type_hint", "nonsense")]))?;
        let keys = KeySet::new(vec![SIGNER.verifying_key()]);
        let writes = super::revoke(&policy(), &authenticated(client), &request, facts, &keys, at(1000))?;
        for write in &writes {
            let Write::RevokeGrant { grant: id, reason: RevocationReason::Client, .. } = write else { panic!() };
            assert_eq!(*id, grant().id);
        }
        Ok(writes.len())
    }

    #[test]
    fn a_token_given_back_ends_its_grant_and_only_its_owner_can() {
        // proves: INT-03, R7009-01, R7009-02, R7009-03, R7009-04, R7009-05
        let (secret, facts) = refresh();
        let access = SIGNER.sign(AccessTokenClaims::TYP, &claims());
        assert_eq!(give_back(&client(), secret.expose(), Some(&facts)), Ok(1));
        assert_eq!(give_back(&client(), &access, None), Ok(1));
        assert_eq!(
            give_back(&another_client(), secret.expose(), Some(&facts)),
            Err(TokenRefusal::TokenOfAnotherClient)
        );
        assert_eq!(give_back(&another_client(), &access, None), Err(TokenRefusal::TokenOfAnotherClient));
        let foreign = AccessTokenClaims { iss: Issuer::parse("https://evil.tld").unwrap(), ..claims() };
        for unknown in [
            "garbage",
            secret.expose(),
            &access[..access.len() - 2],
            &SigningKey::generate().sign(AccessTokenClaims::TYP, &claims()),
            &SIGNER.sign("jwt", &claims()),
            &SIGNER.sign(AccessTokenClaims::TYP, &foreign),
        ] {
            assert_eq!(give_back(&client(), unknown, None), Ok(0), "{unknown}");
        }
        // The facts of another token do not count.
        let another = Secret::<RefreshToken>::generate(&mut SeededEntropy::new(4));
        assert_eq!(give_back(&client(), another.expose(), Some(&facts)), Ok(0));
        assert_eq!(read(&form(&[("token", "")])).map(|_| ()), Err(TokenRefusal::Missing("token")));
    }

    #[test]
    fn who_exchanged_a_token_does_not_end_the_access_it_rests_on() {
        // proves: R7009-02, R7009-06
        let act = Some(doorward_types::jose::Actor { sub: another_client().id.to_string(), act: None });
        let exchanged = AccessTokenClaims { client_id: another_client().id, act, ..claims() };
        let token = SIGNER.sign(AccessTokenClaims::TYP, &exchanged);
        assert_eq!(give_back(&another_client(), &token, None), Err(TokenRefusal::ExchangedToken));
        assert_eq!(give_back(&client(), &token, None), Err(TokenRefusal::TokenOfAnotherClient));
    }

    #[test]
    fn a_person_ends_what_is_their_own() {
        // proves: WEB-19
        let ann = owner(browser(1).digest());
        assert!(matches!(
            by_person(&ann, Some(&grant()), at(1)).unwrap().as_slice(),
            [Write::RevokeGrant { reason: RevocationReason::Person, .. }]
        ));
        let bob = Account { id: AccountId("dwa_bob".into()), ..account() };
        let session = Session { account: bob.id.clone(), ..session(browser(2).digest()) };
        let bob = ResourceOwner::of(&session, &bob, at(0)).unwrap();
        assert!(by_person(&bob, Some(&grant()), at(1)).is_none());
        assert!(by_person(&ann, None, at(1)).is_none());
    }
}
