//! A gateway without HTTP: the same loops that the endpoints run, over the model store and a virtual clock.

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use doorward_authorization_server::{
    PageRefusal, Policy, Resource, TokenRefusal, Write, account,
    authorize::{self, Begin},
    client_auth::{AuthenticatedClient, Presented},
    code,
    consent::{self, Answer, ConsentRefusal, Next},
    facts::{CodeFacts, RefreshFacts},
    password::PasswordHash,
    redirect_target::RedirectBack,
    refresh, registration, revocation,
    session::{self, ResourceOwner},
    store::{Committed, Store},
    token::{Decision, Fresh},
    token_request::{CodeRequest, RefreshRequest, TokenRequest},
};
use doorward_testkit::{SeededEntropy, VirtualClock, url_text};
use doorward_types::{
    CodeVerifier, Issuer, Permission, ResourceId, Secret,
    form::Form,
    jose::{self, AccessTokenClaims, KeySet, SigningKey},
    messages::{RegistrationResponse, TokenResponse},
    secret::{InteractionToken, Password, SessionToken, SetupToken},
};

use crate::model::ModelStore;

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const RESOURCE: &str = "https://as.example/mcp";
pub(crate) const CALLBACK: &str = "http://127.0.0.1/cb";
pub(crate) const AT_RUN_TIME: &str = "http://127.0.0.1:33418/cb";

/// The model store is never busy, so its futures are ready at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the model store never waits"),
    }
}

pub(crate) fn form(parameters: &[(&str, &str)]) -> Form {
    Form::parse(url_text::form(parameters).as_bytes()).unwrap()
}

/// A hash takes long on purpose, so all worlds share one.
static HASH: LazyLock<PasswordHash> = LazyLock::new(|| {
    let password = Secret::<Password>::parse("correct horse battery").unwrap();
    PasswordHash::choose(&password, &mut SeededEntropy::new(0)).unwrap()
});

static SIGNER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

pub(crate) struct World {
    pub(crate) store: ModelStore,
    pub(crate) policy: Policy,
    pub(crate) clock: VirtualClock,
    pub(crate) entropy: SeededEntropy,
    registered: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let id = ResourceId::parse(RESOURCE).unwrap();
        let resource = Resource { id, name: "Files".into(), scopes: Permission::all_scopes() };
        Self {
            store: ModelStore::default(),
            policy: Policy { resources: vec![resource], ..Policy::new(Issuer::parse(ISSUER).unwrap()) },
            clock: VirtualClock::default(),
            entropy: SeededEntropy::new(seed),
            registered: 0,
        }
    }

    pub(crate) fn commit(&self, writes: Vec<Write>) -> Committed {
        ready(self.store.commit(writes)).unwrap()
    }

    pub(crate) fn register(&mut self, redirect_uri: &str) -> RegistrationResponse {
        let body = serde_json::json!({
            "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            // Each is a client of its own, even at the same address.
            "software_id": self.registered.to_string(),
        });
        self.registered += 1;
        let body = serde_json::to_vec(&body).unwrap();
        let wanted = registration::read(&self.policy, &body).unwrap();
        let like =
            wanted.fingerprint().and_then(|digest| ready(self.store.client_like(digest, self.clock.now())).unwrap());
        let now = self.clock.now();
        let registered = registration::register(&self.policy, wanted, like.as_ref(), 0, now, &mut self.entropy);
        let (response, writes) = registered.unwrap();
        assert_eq!(self.commit(writes), Committed::Done);
        response
    }

    pub(crate) fn browser(&mut self) -> Secret<SessionToken> {
        Secret::generate(&mut self.entropy)
    }

    /// The first account, signed in at a browser with the request that waits for it.
    pub(crate) fn set_up(&mut self, browser: &Secret<SessionToken>) -> Secret<SessionToken> {
        let link = Secret::<SetupToken>::generate(&mut self.entropy);
        self.commit(vec![Write::ReplaceSetup(link.digest())]);
        let now = self.clock.now();
        let current = ready(self.store.setup()).unwrap();
        let link = account::set_up_link(current.as_ref(), false, &link).unwrap();
        let hash = HASH.clone();
        let (_, verified, writes) = account::set_up(&link, "ann", hash.clone(), now, &mut self.entropy).unwrap();
        assert_eq!(self.commit(writes), Committed::Done);
        let (_, _, again) = account::set_up(&link, "bob", hash, now, &mut self.entropy).unwrap();
        assert_eq!(self.commit(again), Committed::Conflict);
        let (token, writes) = session::sign_in(&self.policy, &verified, browser.digest(), now, &mut self.entropy);
        assert_eq!(self.commit(writes), Committed::Done);
        token
    }

    pub(crate) fn owner(&self, browser: &Secret<SessionToken>) -> Option<ResourceOwner> {
        let (session, account) = ready(self.store.session(&browser.digest())).unwrap()?;
        ResourceOwner::of(&session, &account, self.clock.now())
    }

    pub(crate) fn begin(&mut self, browser: &Secret<SessionToken>, client: &str, verifier: &CodeVerifier) -> Begin {
        let form = form(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", AT_RUN_TIME),
            ("code_challenge", verifier.challenge().as_str()),
            ("code_challenge_method", "S256"),
            ("scope", "mcp:read mcp:write"),
            ("resource", RESOURCE),
            ("state", "xyz"),
        ]);
        let client = ready(self.store.client(&authorize::client_id(&form).unwrap())).unwrap();
        let now = self.clock.now();
        let begin = authorize::begin(&self.policy, &form, client.as_ref(), browser.digest(), now, &mut self.entropy);
        if let Begin::Interact { writes, .. } = &begin {
            assert_eq!(self.commit(writes.clone()), Committed::Done);
        }
        begin
    }

    pub(crate) fn waiting(
        &mut self,
        browser: &Secret<SessionToken>,
        client: &str,
        verifier: &CodeVerifier,
    ) -> Secret<InteractionToken> {
        match self.begin(browser, client, verifier) {
            Begin::Interact { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn answer(
        &mut self,
        browser: &Secret<SessionToken>,
        token: &Secret<InteractionToken>,
        answer: Answer,
    ) -> Result<RedirectBack, Refused> {
        let now = self.clock.now();
        let found = ready(self.store.interaction(&token.digest())).unwrap();
        let found = found.ok_or(PageRefusal::UnknownInteraction)?;
        let client = ready(self.store.client(&consent::client_of(&found, token)?)).unwrap();
        let pending = consent::open(&self.policy, &found, token, &browser.digest(), client.as_ref(), now)?;
        let owner = self.owner(browser).ok_or(Refused::NobodySignedIn)?;
        let answered = consent::answer(&self.policy, pending, &owner, answer, now, &mut self.entropy)?;
        match self.commit(answered.writes) {
            Committed::Done => match answered.next {
                Next::Leave(back) => Ok(back),
                Next::Stay => panic!("a browser is led back"),
            },
            Committed::Conflict => Err(PageRefusal::AlreadyAnswered.into()),
        }
    }

    /// The token endpoint: load, decide, commit; on a conflict once more.
    pub(crate) fn token(&mut self, parameters: &[(&str, &str)]) -> Result<TokenResponse, TokenRefusal> {
        let form = form(parameters);
        let client = self.authenticated(&form)?;
        match TokenRequest::read(&form)? {
            TokenRequest::Code(request) => {
                let facts = self.code_facts(&request);
                self.redeem(&client, &request, facts)
            }
            TokenRequest::Refresh(request) => {
                let facts = self.refresh_facts(&request);
                self.refresh(&client, &request, facts)
            }
            other => panic!("{other:?}"),
        }
    }

    fn authenticated(&self, form: &Form) -> Result<AuthenticatedClient, TokenRefusal> {
        let presented = Presented::read(None, form)?;
        let client = ready(self.store.client(presented.client_id())).unwrap();
        presented.authenticate(&self.policy, client.as_ref(), None, self.clock.now())
    }

    pub(crate) fn client(&self, id: &str) -> AuthenticatedClient {
        self.authenticated(&form(&[("client_id", id)])).unwrap()
    }

    pub(crate) fn code_facts(&self, request: &CodeRequest) -> Option<CodeFacts> {
        ready(self.store.code(&request.code.digest())).unwrap()
    }

    pub(crate) fn refresh_facts(&self, request: &RefreshRequest) -> Option<RefreshFacts> {
        ready(self.store.refresh(&request.token.digest())).unwrap()
    }

    /// Decides with facts that may be stale by now, as those of a slow node are.
    pub(crate) fn redeem(
        &mut self,
        client: &AuthenticatedClient,
        request: &CodeRequest,
        mut facts: Option<CodeFacts>,
    ) -> Result<TokenResponse, TokenRefusal> {
        for _ in 0..8 {
            let now = self.clock.now();
            let fresh = Fresh { entropy: &mut self.entropy, signer: &SIGNER };
            let decision = code::redeem(&self.policy, client, request.clone(), facts, now, fresh);
            if let Some(answer) = self.settle(decision) {
                return answer;
            }
            facts = self.code_facts(request);
        }
        panic!("a code was contended for too often")
    }

    pub(crate) fn refresh(
        &mut self,
        client: &AuthenticatedClient,
        request: &RefreshRequest,
        mut facts: Option<RefreshFacts>,
    ) -> Result<TokenResponse, TokenRefusal> {
        for _ in 0..8 {
            let now = self.clock.now();
            let fresh = Fresh { entropy: &mut self.entropy, signer: &SIGNER };
            let decision = refresh::refresh(&self.policy, client, request.clone(), facts, now, fresh);
            if let Some(answer) = self.settle(decision) {
                return answer;
            }
            facts = self.refresh_facts(request);
        }
        panic!("a refresh token was contended for too often")
    }

    fn settle(&self, decision: Decision) -> Option<Result<TokenResponse, TokenRefusal>> {
        let (answer, writes) = match decision {
            Decision::Issue { response, writes } => (Ok(response), writes),
            Decision::Deny { refusal, writes } => (Err(refusal), writes),
        };
        (self.commit(writes) == Committed::Done).then_some(answer)
    }

    pub(crate) fn give_back(&mut self, client: &str, token: &str) -> Result<(), TokenRefusal> {
        let request = revocation::read(&form(&[("token", token)]))?;
        let facts = request.refresh_digest().and_then(|digest| ready(self.store.refresh(&digest)).unwrap());
        let (client, now) = (self.client(client), self.clock.now());
        let writes = revocation::revoke(&self.policy, &client, &request, facts.as_ref(), &self.keys(), now)?;
        assert_eq!(self.commit(writes), Committed::Done);
        Ok(())
    }

    fn keys(&self) -> KeySet {
        KeySet::new(vec![SIGNER.verifying_key()])
    }

    pub(crate) fn claims(&self, response: &TokenResponse) -> AccessTokenClaims {
        let verified = jose::verify(response.access_token.expose(), &self.keys(), AccessTokenClaims::TYP).unwrap();
        serde_json::from_value(verified.claims().clone().into()).unwrap()
    }
}

/// Any No on the way to a code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Page(PageRefusal),
    Consent(ConsentRefusal),
    NobodySignedIn,
}

impl From<PageRefusal> for Refused {
    fn from(refusal: PageRefusal) -> Self {
        Self::Page(refusal)
    }
}

impl From<ConsentRefusal> for Refused {
    fn from(refusal: ConsentRefusal) -> Self {
        Self::Consent(refusal)
    }
}
