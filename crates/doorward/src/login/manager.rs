//! Keeps one server's tokens good: from the store, by a refresh, or by a login, and each of those once for everybody.

mod log_in;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use doorward_client::{
    Code, CredentialStore as _, Failed, StepUps, StoredTokens, Target, is_plain, login_command, login_command_with,
};
use doorward_relay::bridge::{BearerSource, Credential, LoginPage, Why};
use doorward_types::{ResourceId, challenge};
use http::HeaderMap;
use tokio::time::Instant;

use super::{
    asked_for_more::AskedForMore,
    browser::Way,
    elsewhere, fail,
    flow::Manner,
    in_hand::{InHand, same_row},
    place::Place,
    refresh::{self, Renewed, is_ending},
    trouble::Trouble,
    wishes,
};
use crate::{cli, clock::now};

/// A token that is refused this soon after a refresh is not helped by another one.
const FRESH: Duration = Duration::from_secs(10);
/// How long to wait before saving is tried again, at first and at most.
const SAVE_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long a command may take, at its end, to save a token that was renewed.
pub(super) const LAST_SAVE: Duration = Duration::from_secs(5);

/// The tokens of one MCP server, for every request of this process.
#[derive(Clone)]
pub(crate) struct TokenManager(Arc<Shared>);

struct Shared {
    place: Place,
    target: Target,
    manner: Manner,
    grants: OnceLock<cli::Grants>,
    /// How long a message waits for a new token while the one in hand is still good.
    hurry: OnceLock<Duration>,
    in_hand: InHand,
    /// One refresh or login at a time.
    renewing: Arc<tokio::sync::Mutex<()>>,
    /// Held while a refresh is under way, whose tokens must not be lost.
    refreshing: tokio::sync::Mutex<()>,
    trouble: Trouble,
    asked_for_more: AskedForMore,
    /// The login for want of which the last request failed, where nobody here can make it.
    wanted: Mutex<Option<Wanted>>,
    /// Where it is being made on another device.
    elsewhere: tokio::sync::Mutex<Option<LoginPage>>,
}

/// A login that somebody has to make, and the server's challenge.
struct Wanted {
    target: Target,
    challenge: HeaderMap,
}

/// What a message needs, apart from the message.
enum Need {
    ToSend,
    InPlaceOf(HeaderMap),
    /// Another token, if that takes no person.
    Refreshed,
    MoreThan(HeaderMap),
}

/// Why a person is needed, and the command with which they do it themselves.
struct Asks {
    why: String,
    command: String,
}

impl TokenManager {
    /// The same with the files that say how a token is got without a person, to be read again each time.
    #[must_use]
    pub(crate) fn reading(self, grants: cli::Grants) -> Self {
        let _ = self.0.grants.set(grants);
        self
    }

    /// The same for a process that goes on: a message waits only so long for a new token while the one in hand is good.
    #[must_use]
    pub(crate) fn hurried(self, patience: Duration) -> Self {
        let _ = self.0.hurry.set(patience);
        self
    }

    pub(crate) fn new(place: Place, target: Target, manner: Manner) -> Self {
        Self(Arc::new(Shared {
            place,
            target,
            manner,
            grants: OnceLock::new(),
            hurry: OnceLock::new(),
            in_hand: InHand::default(),
            renewing: Arc::default(),
            refreshing: tokio::sync::Mutex::default(),
            trouble: Trouble::default(),
            asked_for_more: AskedForMore::default(),
            wanted: Mutex::default(),
            elsewhere: tokio::sync::Mutex::default(),
        }))
    }

    /// Waits for a refresh that is under way, so that its tokens are not lost at the end of the process.
    pub(crate) async fn settle(&self, patience: Duration) {
        let settled = async {
            let _none_under_way = self.0.refreshing.lock().await;
            while !self.0.save().await {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        if tokio::time::timeout(patience, settled).await.is_err() && self.0.in_hand.unsaved().is_some() {
            tracing::warn!("the renewed tokens are lost: they could not be saved");
        }
    }

    /// Gets what a message needs, and nothing else at the same time.
    async fn get(&self, why: Why<'_>) -> Result<Option<Credential>, Failed> {
        let asked = Instant::now();
        let one = Arc::clone(&self.0.renewing).lock_owned().await;
        // Whoever was before us may have done it.
        if let Some(credential) = self.0.in_hand.ready(why) {
            return Ok(Some(credential));
        }
        let need = match why {
            Why::ToSend => Need::ToSend,
            Why::Rejected { headers, .. } => Need::InPlaceOf(headers.clone()),
            Why::RejectedUnasked { .. } => Need::Refreshed,
            Why::InsufficientScope { headers, .. } => Need::MoreThan(headers.clone()),
        };
        // In a task of its own: a message that is taken back loses neither new tokens nor a person's sign-in.
        let shared = Arc::clone(&self.0);
        let getting = tokio::spawn(async move {
            let _one = one;
            shared.get(need, asked).await
        });
        getting.await.unwrap_or_else(|_| {
            let why = "getting a token stopped in the middle, which is a defect of the program";
            Err(Failed::new(Code::OutOfOrder, "there is no access token", why, "try again and report it"))
        })
    }

    /// The tokens that are sent at present.
    pub(super) fn in_hand(&self) -> Option<StoredTokens> {
        self.0.in_hand.tokens()
    }
}

#[async_trait]
impl BearerSource for TokenManager {
    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, Failed> {
        if let Some(credential) = self.0.in_hand.ready(why) {
            return Ok(Some(credential));
        }
        let mut getting = std::pin::pin!(self.get(why));
        let Some(patience) = self.0.hurry.get().filter(|_| matches!(why, Why::ToSend)) else { return getting.await };
        // A server that takes its time to give the next token holds nobody up who has one.
        if self.0.renewing.try_lock().is_err()
            && let Some(good) = self.0.in_hand.still_good()
        {
            return Ok(Some(good));
        }
        match tokio::time::timeout(*patience, &mut getting).await {
            Ok(got) => got,
            Err(_) => match self.0.in_hand.still_good() {
                Some(good) => Ok(Some(good)),
                None => getting.await,
            },
        }
    }

    async fn stored(&self) -> Option<u64> {
        let stored = self.0.place.newest(&self.0.target).await;
        self.0.place.warn();
        let tokens = stored.ok()??;
        let mut which = DefaultHasher::new();
        (tokens.key(), tokens.generation, tokens.issued_at).hash(&mut which);
        Some(which.finish())
    }

    fn login_command(&self, _: &ResourceId) -> String {
        login_command_with(&self.0.target, &["--force"])
    }

    async fn login_page(&self) -> Option<LoginPage> {
        let mut page = self.0.elsewhere.lock().await;
        if page.as_ref().is_none_or(|page| page.ended.is_cancelled()) {
            let wanted = self.0.wanted.lock().expect("nobody panics with it in hand").take();
            *page = match wanted {
                Some(Wanted { target, challenge }) => {
                    elsewhere::begin(&self.0.place, target, challenge, self.0.manner.patience).await
                }
                None => None,
            };
        }
        page.clone()
    }
}

impl Shared {
    /// `asked` is when it was first asked for.
    async fn get(self: &Arc<Self>, need: Need, asked: Instant) -> Result<Option<Credential>, Failed> {
        match need {
            Need::ToSend => self.to_send(asked).await,
            Need::InPlaceOf(headers) => self.after_rejection(&headers, asked).await.map(Some),
            Need::Refreshed => self.refreshed(asked).await?.map(Some).ok_or_else(|| self.ended()),
            Need::MoreThan(headers) => self.after_insufficient_scope(&headers).await.map(Some),
        }
    }

    /// Takes what a refresh gave into hand, and has it saved if it is not.
    fn adopt_renewed(self: &Arc<Self>, renewed: Renewed) -> Credential {
        if !renewed.unsaved {
            return self.in_hand.take(renewed.tokens, Some(Instant::now()));
        }
        let (credential, first) = self.in_hand.take_unsaved(renewed.tokens);
        if first {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let (mut pause, longest) = SAVE_AGAIN;
                while !shared.save().await {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            });
        }
        credential
    }

    /// Saves what is not saved yet; says whether nothing is left to be saved.
    async fn save(&self) -> bool {
        let Some((serial, tokens)) = self.in_hand.unsaved() else { return true };
        self.in_hand.saved(serial, self.place.store.save(&tokens, tokens.generation).await)
    }

    /// Tokens for the next message: stored ones, renewed when they are about to end.
    async fn to_send(self: &Arc<Self>, asked: Instant) -> Result<Option<Credential>, Failed> {
        let Some(tokens) = self.stored().await? else {
            // The server's challenge says how to log in.
            self.in_hand.forget();
            return Ok(None);
        };
        let credential = self.in_hand.take(tokens.clone(), None);
        if !is_ending(&tokens) || !tokens.can_be_renewed() {
            return Ok(Some(credential));
        }
        let end = tokens.expires_at;
        let has_ended = || end.is_some_and(|end| end <= now());
        if !has_ended() && self.in_hand.is_put_off() {
            return Ok(Some(credential));
        }
        match self.refresh(tokens, asked).await {
            Ok(Some(new)) => Ok(Some(self.adopt_renewed(new))),
            Ok(None) => {
                self.in_hand.end();
                Ok(None)
            }
            // It may have ended in the meantime.
            Err(failed) if has_ended() => Err(failed),
            // What is in hand may still do.
            Err(failed) => {
                tracing::warn!(code = failed.code().as_str(), "the token was not renewed: {}", failed.what());
                self.in_hand.put_off();
                Ok(Some(credential))
            }
        }
    }

    /// Tokens in place of refused ones: what another process has put there, a refresh, or a login.
    async fn after_rejection(self: &Arc<Self>, headers: &HeaderMap, asked: Instant) -> Result<Credential, Failed> {
        let refused = self.in_hand.tokens();
        if let Some(credential) = self.refreshed(asked).await? {
            return Ok(credential);
        }
        self.trouble.none_since(asked)?;
        let mut target = self.target.clone();
        remember(&mut target, self.in_hand.last().as_ref());
        let command = login_command(&target);
        let asks = Asks { why: "the server asks for a login".into(), command };
        self.log_in(target, headers, refused.as_ref(), &asks).await
    }

    /// Tokens in place of refused ones without a person: what another process has put there, or a refresh.
    async fn refreshed(self: &Arc<Self>, asked: Instant) -> Result<Option<Credential>, Failed> {
        let refused = self.in_hand.tokens();
        if let Some(stored) = self.stored().await? {
            if !refused.as_ref().is_some_and(|own| same_row(own, &stored)) {
                return Ok(Some(self.in_hand.take(stored, None)));
            }
            let lives = !stored.expires_within(Duration::ZERO, now());
            let is_new = lives && self.in_hand.were_refreshed_within(FRESH);
            if !is_new
                && stored.can_be_renewed()
                && let Some(new) = self.refresh(stored, asked).await?
            {
                return Ok(Some(self.adopt_renewed(new)));
            }
        }
        Ok(None)
    }

    fn ended(&self) -> Failed {
        fail::log_in_as(&self.target, "the login has ended")
    }

    /// Tokens with more scopes, by a login.
    async fn after_insufficient_scope(&self, headers: &HeaderMap) -> Result<Credential, Failed> {
        let refused = self.in_hand.tokens();
        if let (Some(stored), Some(refused)) = (self.stored().await?, &refused)
            && !same_row(&stored, refused)
        {
            return Ok(self.in_hand.take(stored, None));
        }
        let mut target = self.target.clone();
        remember(&mut target, refused.as_ref());
        let before = target.requested_before.take();
        let before = before.or_else(|| refused.as_ref().and_then(|tokens| tokens.granted.clone()));
        let wanted = challenge::bearer(headers).and_then(|c| c.get("scope").map(str::to_owned)).unwrap_or_default();
        let more = match self.nobody_is_here(&target) {
            // No login is made, so there is none to count.
            true => StepUps::default().next(before.as_ref(), headers)?,
            false => self.asked_for_more.next(&wanted, before.as_ref(), headers)?,
        };
        let scopes = more.to_string();
        let mut why = format!("this operation needs more scopes than the login has ({wanted})");
        let named = if is_plain(&scopes) {
            &scopes
        } else {
            why += &format!("; SCOPES stands for {scopes}");
            "SCOPES"
        };
        let asks = Asks { why, command: login_command_with(&target, &["--force", "--scope", named]) };
        target.requested_before = Some(more);
        self.log_in(target, headers, refused.as_ref(), &asks).await
    }

    /// The newest tokens: the stored ones, or those in hand that could not be stored.
    async fn stored(&self) -> Result<Option<StoredTokens>, Failed> {
        if !self.save().await {
            return Ok(self.in_hand.tokens());
        }
        let newest = self.place.newest(&self.target).await;
        self.place.warn();
        newest
    }

    async fn refresh(&self, tokens: StoredTokens, asked: Instant) -> Result<Option<Renewed>, Failed> {
        self.trouble.none_since(asked)?;
        let _under_way = self.refreshing.lock().await;
        // A file that cannot be read at the moment leaves what is known.
        let grant = self.grants.get().and_then(|grants| wishes::grant(grants).ok());
        let place = self.place.with_provider_of(grant.as_ref().unwrap_or(&self.target.grant));
        let renewed = refresh::run(&place, tokens, &self.target).await;
        self.trouble.note(renewed.as_ref().err());
        renewed
    }

    /// Whether nobody who would be needed can be sent to a browser from here.
    fn nobody_is_here(&self, target: &Target) -> bool {
        self.manner.way == Way::Nobody && target.grant.needs_a_person()
    }

    /// Notes a login that nobody here can make.
    fn want(&self, target: Target, headers: &HeaderMap) {
        let wanted = Wanted { target, challenge: headers.clone() };
        *self.wanted.lock().expect("nobody panics with it in hand") = Some(wanted);
    }
}

/// Lets a login lose nothing of the one before.
pub(super) fn remember(target: &mut Target, before: Option<&StoredTokens>) {
    if let Some(before) = before {
        target.known_issuer = Some(before.server.issuer().clone());
        target.requested_before.clone_from(&before.requested);
    }
}
