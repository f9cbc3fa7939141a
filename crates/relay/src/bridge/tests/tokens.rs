use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use doorward_client::{BearerFor, Code, Failed, StoredTokens};
use doorward_types::{challenge, jose::SigningKey};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::{BearerSource, Credential, LoginPage, Why};

/// Tokens `t0`, `t1`, …: the next one each time the present one is refused.
pub(super) struct Tokens {
    resource: String,
    present: AtomicU64,
    /// Why tokens were asked for, besides sending.
    asked: Mutex<Vec<String>>,
    /// Whether there is a token from the start, and whether there will be another.
    first: bool,
    more: bool,
    /// Whether somebody has logged in elsewhere.
    elsewhere: AtomicBool,
    /// How often a token to send cannot be had for want of a network.
    away: AtomicUsize,
    sent: AtomicUsize,
    looked: AtomicUsize,
    /// Where a person can log in, when there is such a page.
    page: Option<LoginPage>,
    /// What they are bound to.
    key: Option<SigningKey>,
}

impl Tokens {
    pub(super) fn new(url: &str) -> Arc<Self> {
        Arc::new(Self::with(url, true, true))
    }

    /// Without a token until the server asks for one.
    pub(super) fn none_yet(url: &str) -> Arc<Self> {
        Arc::new(Self::with(url, false, true))
    }

    /// Without a token, and nobody to get one from.
    pub(super) fn never(url: &str) -> Arc<Self> {
        Arc::new(Self::with(url, false, false))
    }

    /// With one token and no other.
    pub(super) fn only_one(url: &str) -> Arc<Self> {
        Arc::new(Self::with(url, true, false))
    }

    /// Bound to a key.
    pub(super) fn bound(url: &str) -> Arc<Self> {
        Arc::new(Self { key: Some(SigningKey::generate()), ..Self::with(url, true, true) })
    }

    fn with(url: &str, first: bool, more: bool) -> Self {
        Self {
            resource: url.to_owned(),
            present: AtomicU64::new(0),
            asked: Mutex::default(),
            first,
            more,
            elsewhere: AtomicBool::new(false),
            away: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            looked: AtomicUsize::new(0),
            page: None,
            key: None,
        }
    }

    /// Without a token, and with a page where a person gets one.
    pub(super) fn with_page(url: &str) -> Arc<Self> {
        let page = LoginPage {
            url: "https://as.example/device".parse().unwrap(),
            message: "Open the page and type the code BCDF-GHJK there".to_owned(),
            ended: CancellationToken::new(),
        };
        Arc::new(Self { page: Some(page), ..Self::with(url, false, false) })
    }

    /// Somebody logs in elsewhere: from now on there is `t1`.
    pub(super) fn log_in(&self) {
        self.log_in_beside_the_page();
        if let Some(page) = &self.page {
            page.ended.cancel();
        }
    }

    /// The same with nothing to do with the page.
    pub(super) fn log_in_beside_the_page(&self) {
        self.present.store(1, Relaxed);
        self.elsewhere.store(true, Relaxed);
    }

    /// The token has ended, and the network is away for so many tries to renew it.
    pub(super) fn go_away(&self, times: usize) {
        self.away.store(times, Relaxed);
    }

    /// How often a token was asked for to be sent, and how often it was looked which one there is.
    pub(super) fn sent_and_looked(&self) -> (usize, usize) {
        (self.sent.load(Relaxed), self.looked.load(Relaxed))
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl BearerSource for Tokens {
    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, Failed> {
        let mut asked = self.asked.lock().unwrap();
        let present = self.present.load(Relaxed);
        self.sent.fetch_add(usize::from(matches!(why, Why::ToSend)), Relaxed);
        if self.away.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(Failed::new(Code::Unreachable, "the token was not renewed", "no network", "try again"));
        }
        match why {
            Why::ToSend if present == 0 && !self.first => return Ok(None),
            Why::ToSend => {}
            Why::RejectedUnasked { .. } => {
                asked.push("unasked".to_owned());
                return Err(Failed::new(Code::LoginNeeded, "it has ended", "no refresh", "doorward login URL"));
            }
            Why::Rejected { serial, headers } | Why::InsufficientScope { serial, headers } => {
                if !self.more && !self.elsewhere.load(Relaxed) {
                    return Err(Failed::new(Code::LoginNeeded, "nobody is there", "no screen", "doorward login URL"));
                }
                if serial.unwrap_or(0) == present {
                    self.present.fetch_add(1, Relaxed);
                    let parameters = challenge::bearer(headers).map(|challenge| challenge.parameters);
                    asked.push(format!("{serial:?} {:?}", parameters.unwrap_or_default()));
                }
            }
        }
        let serial = self.present.load(Relaxed);
        Ok(Some(Credential { bearer: stored(&self.resource, &format!("t{serial}"), self.key.as_ref()), serial }))
    }

    async fn stored(&self) -> Option<u64> {
        self.looked.fetch_add(1, Relaxed);
        let present = self.present.load(Relaxed);
        (present > 0 || self.first).then_some(present)
    }

    async fn login_page(&self) -> Option<LoginPage> {
        self.page.clone()
    }
}

/// A token as it comes from a store, the one way to a [`BearerFor`]; bound to a key where one is given.
fn stored(resource: &str, token: &str, key: Option<&SigningKey>) -> BearerFor {
    let issuer = "http://127.0.0.1:1";
    let mut record = json!({
        "resource": resource, "audience": resource, "access_token": token, "issued_at": 0, "generation": 1,
        "server": {
            "issuer": issuer, "code_challenge_methods_supported": ["S256"],
            "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        },
        "client": {
            "issuer": issuer, "client_id": "c", "auth_method": "none", "registration": "dynamic",
            "redirect_uri": "http://127.0.0.1/callback",
        },
    });
    if let Some(key) = key {
        record["token_type"] = json!("DPoP");
        record["proof_key"] = json!(Base64UrlUnpadded::encode_string(key.to_pkcs8()));
    }
    StoredTokens::from_stored(serde_json::from_value(record).unwrap()).unwrap().bearer()
}
