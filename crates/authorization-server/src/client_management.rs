//! A client reads, changes or deletes its own registration.

use doorward_types::{
    ClientId, Digest, Entropy, Secret, Timestamp, messages::RegistrationResponse, secret::RegistrationToken,
};

use crate::{
    Policy, Write,
    client_metadata::{Described, Method},
    facts::{Client, ClientAuthentication, ClientOrigin},
    members::{Members, MetadataRefusal},
    registration,
};

/// Nobody may do that with this token: there is no such client, or the token is not its own, or not any more. Which of them
/// it is, is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registration access token is not one of this client, or its registration has ended")]
pub struct NotItsManager;

/// A client whose registration access token was presented just now. Only [`manager`] makes one.
#[derive(Debug)]
pub struct Managed {
    client: Client,
    token: Secret<RegistrationToken>,
}

impl Managed {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Checks a registration access token against the client whose registration it wants to reach.
///
/// # Errors
/// When the client does not exist, is not one that registered itself, or the token is not its own.
/// Source: RFC 7592 section 2.
pub fn manager(
    client: Option<Client>,
    token: Secret<RegistrationToken>,
    now: Timestamp,
) -> Result<Managed, NotItsManager> {
    let digest: Digest<RegistrationToken> = token.digest();
    client
        .filter(|client| {
            client.origin == ClientOrigin::Dynamic && client.exists(now) && client.management == Some(digest)
        })
        .map(|client| Managed { client, token })
        .ok_or(NotItsManager)
}

/// All that is registered. The secret is not in it: only its digest is kept.
///
/// Source: RFC 7592 section 2.1.
pub fn read(policy: &Policy, managed: &Managed) -> RegistrationResponse {
    registration::managed_answer(policy, &managed.client, &managed.token, None)
}

/// Replaces a registration by what the client sent; what it left out gets its default. The registration access token stays
/// the same: if a new one were given and the answer got lost, the client could never reach its registration again.
/// A secret stays too, unless the client had none or does not need it any more.
///
/// # Errors
/// Names what is wrong, and with which value.
/// Source: RFC 7592 section 2.2.
pub fn update(
    policy: &Policy,
    managed: &Managed,
    body: &[u8],
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(RegistrationResponse, Vec<Write>), MetadataRefusal> {
    let members = Members::read(body, registration::MOST_BYTES)?;
    let before = &managed.client;
    check_own_members(&members, before)?;
    let mut description = Described::read(policy, &members)?;
    let method = registration::method(policy, &mut description);
    let fingerprint = registration::fingerprint(&description, &method);
    let (authentication, secret) = match (method, kept(&before.authentication)) {
        (Method::SecretBasic, Some(digest)) => (ClientAuthentication::SecretBasic(digest), None),
        (Method::SecretPost, Some(digest)) => (ClientAuthentication::SecretPost(digest), None),
        (method, _) => registration::authentication(method, entropy),
    };
    let after = Client {
        created_at: before.created_at,
        management: before.management,
        fingerprint,
        last_used_at: before.last_used_at,
        expires_at: before.expires_at,
        ..description.client(before.id.clone(), before.origin, authentication, now)
    };
    let response = registration::managed_answer(policy, &after, &managed.token, secret);
    let write = Write::ReplaceClient { before: Box::new(before.clone()), after: Box::new(after), at: now };
    Ok((response, vec![write]))
}

/// Deletes a registration; its grants end. Only as it was seen: if somebody else registered the same meanwhile, it is theirs
/// too, and nobody may delete it any more.
///
/// Source: RFC 7592 section 2.3.
pub fn delete(managed: &Managed, now: Timestamp) -> Vec<Write> {
    let seen = Box::new(managed.client.clone());
    vec![
        Write::ReplaceClient { before: seen.clone(), after: seen, at: now },
        Write::DeleteClient { client: managed.client.id.clone(), at: now },
    ]
}

fn kept(authentication: &ClientAuthentication) -> Option<Digest<doorward_types::secret::ClientSecret>> {
    match authentication {
        ClientAuthentication::SecretBasic(digest) | ClientAuthentication::SecretPost(digest) => Some(*digest),
        ClientAuthentication::None | ClientAuthentication::PrivateKeyJwt(_) => None,
    }
}

/// The client names itself, leaves out what the server alone decides, and sends its secret only as it is.
fn check_own_members(members: &Members, client: &Client) -> Result<(), MetadataRefusal> {
    let named = members.text("client_id")?.and_then(|text| ClientId::parse(text).ok());
    if named.as_ref() != Some(&client.id) {
        return Err(MetadataRefusal::metadata("client_id is missing or not the one of this registration"));
    }
    let decided =
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
    if let Some(name) = members.first_of(&decided) {
        return Err(MetadataRefusal::metadata(format!("{name} is decided by the server and must be left out")));
    }
    let Some(secret) = members.text("client_secret")? else { return Ok(()) };
    let digest = Secret::<doorward_types::secret::ClientSecret>::parse(secret).ok().map(|secret| secret.digest());
    if digest.is_some() && digest == kept(&client.authentication) {
        Ok(())
    } else {
        Err(MetadataRefusal::metadata(
            "client_secret is not the one that was issued, and a client cannot choose its own",
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures::{at, entropy, policy};

    fn registered(body: &Value) -> (RegistrationResponse, Client) {
        let wanted = registration::read(&policy(), body.to_string().as_bytes()).unwrap();
        let (response, mut writes) = registration::register(&policy(), wanted, None, 0, at(0), &mut entropy()).unwrap();
        match writes.pop() {
            Some(Write::InsertClient(client)) => (response, client),
            other => panic!("{other:?}"),
        }
    }

    fn public() -> Value {
        json!({"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none", "client_name": "One"})
    }

    fn token(response: &RegistrationResponse) -> Secret<RegistrationToken> {
        Secret::parse(response.registration_access_token.clone().unwrap()).unwrap()
    }

    fn managed(body: &Value) -> (RegistrationResponse, Managed) {
        let (response, client) = registered(body);
        let token = token(&response);
        (response, manager(Some(client), token, at(1)).unwrap())
    }

    fn change(managed: &Managed, body: &Value) -> Result<(RegistrationResponse, Client), MetadataRefusal> {
        let (response, writes) = update(&policy(), managed, body.to_string().as_bytes(), at(9), &mut entropy())?;
        let [Write::ReplaceClient { before, after, .. }] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!(**before, managed.client);
        assert_eq!((&after.id, after.origin, after.created_at), (&before.id, before.origin, before.created_at));
        assert_eq!((after.management, after.expires_at), (before.management, before.expires_at));
        Ok((response, (**after).clone()))
    }

    #[test]
    fn a_registration_is_reached_with_its_own_token_alone() {
        // proves: R7592-01, R7592-02, R7592-03, REG-11, REG-12
        let (response, client) = registered(&public());
        let expected = format!("https://as.example/oauth/register/{}", client.id);
        assert_eq!(response.registration_client_uri.as_deref(), Some(expected.as_str()));
        let own = token(&response);
        assert_eq!(client.management, Some(own.digest()));
        let managed = manager(Some(client.clone()), own.clone(), at(1)).unwrap();
        let read = read(&policy(), &managed);
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&response).unwrap());
        let other = Secret::<RegistrationToken>::generate(&mut doorward_testkit::SeededEntropy::new(5));
        let another = Client { management: Some(other.digest()), ..client.clone() };
        let by_operator = Client { origin: ClientOrigin::Administrator, ..client.clone() };
        for (client, token) in [
            (None, &own),
            (Some(client.clone()), &other),
            (Some(another), &own),
            (Some(Client { management: None, ..client.clone() }), &own),
            (Some(Client { expires_at: Some(at(1)), ..client }), &own),
            (Some(by_operator), &own),
        ] {
            assert_eq!(manager(client, token.clone(), at(1)).unwrap_err(), NotItsManager);
        }
    }

    #[test]
    fn an_update_replaces_all_of_it() {
        // proves: R7592-04, R7592-05, R7592-06
        let mut body = public();
        body["client_uri"] = json!("https://a.example/");
        let (_, managed) = managed(&body);
        let id = managed.client.id.to_string();
        let changed =
            json!({"client_id": id, "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none"});
        let (response, after) = change(&managed, &changed).unwrap();
        assert_eq!((after.name.clone(), after.client_uri.clone()), (None, None));
        assert_ne!(after.fingerprint, managed.client.fingerprint);
        assert_eq!(response.registration_access_token.as_deref(), Some(managed.token.expose()));
        assert_eq!(response.metadata.redirect_uris, ["https://a.example/cb"]);
        // A client that says nothing of its method any more gets the default, and with it a secret.
        let silent = json!({"client_id": id, "redirect_uris": ["https://a.example/cb"]});
        let (response, after) = change(&managed, &silent).unwrap();
        let secret = Secret::parse(response.client_secret.unwrap()).unwrap();
        assert_eq!(after.authentication, ClientAuthentication::SecretBasic(secret.digest()));
        let deletes = delete(&managed, at(9));
        let [Write::ReplaceClient { before, after, .. }, Write::DeleteClient { client, .. }] = deletes.as_slice()
        else {
            panic!("{deletes:?}")
        };
        assert_eq!((before, &**before, client.as_str()), (after, &managed.client, id.as_str()));
    }

    #[test]
    fn a_secret_is_neither_chosen_nor_lost() {
        // proves: R7592-04, R7592-05
        let (response, managed) = managed(&json!({"redirect_uris": ["https://a.example/cb"]}));
        let (id, secret) = (managed.client.id.to_string(), response.client_secret.unwrap());
        let body = |secret: &str| json!({"client_id": id, "redirect_uris": ["https://a.example/cb"], "client_secret": secret, "token_endpoint_auth_method": "client_secret_post"});
        let (response, after) = change(&managed, &body(&secret)).unwrap();
        let digest = Secret::parse(secret.as_str()).unwrap().digest();
        assert_eq!((response.client_secret, after.authentication), (None, ClientAuthentication::SecretPost(digest)));
        for chosen in ["mine", ""] {
            assert!(change(&managed, &body(chosen)).unwrap_err().to_string().contains("client_secret"));
        }
        // Whoever has none cannot send one, not even one that cannot be any.
        let (_, public) = self::managed(&public());
        for chosen in ["mine", "\u{e9}"] {
            let mut body =
                json!({"client_id": public.client.id.to_string(), "redirect_uris": ["https://a.example/cb"]});
            body["client_secret"] = json!(chosen);
            assert!(change(&public, &body).unwrap_err().to_string().contains("client_secret"), "{chosen}");
        }
    }

    #[test]
    fn an_update_that_says_what_is_not_its_to_say_is_refused() {
        // proves: R7592-04, REG-03
        let (_, managed) = managed(&public());
        let mut right = public();
        right["client_id"] = json!(managed.client.id.to_string());
        assert!(change(&managed, &right).is_ok());
        for (name, value) in [
            ("client_id", json!("dwcl_other")),
            ("client_id", Value::Null),
            ("registration_access_token", json!(managed.token.expose())),
            ("registration_client_uri", json!("https://as.example/")),
            ("client_secret_expires_at", json!(0)),
            ("client_id_issued_at", json!(0)),
            ("redirect_uris", json!(["http://evil.example/cb"])),
            ("grant_types", json!(["client_credentials"])),
        ] {
            let mut wrong = right.clone();
            wrong[name] = value;
            assert!(change(&managed, &wrong).is_err(), "{name}");
        }
    }
}
