//! One login, from the server's 401 to a page that says how it went.

use std::time::Duration;

use doorward_client::{
    Code, Connect, Connected, CredentialStore as _, Failed, Input, Note, RegisteredClient, Registration, SaveFailed,
    Step, StoredTokens, Target, step::OpenBrowser,
};
use doorward_fetch::{Outbound, Reach, Redirects};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::{
    browser::{self, Way},
    fail,
    listener::{Callback, Listener},
    pages::Page,
    place::Place,
    probe,
    window::Window,
};
use crate::{entropy::SystemEntropy, output, serve::now};

/// How often saving is tried again because another process wrote in between.
const MOST_CONFLICTS: usize = 8;

/// How a person takes part in a login.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// How they get to see the page.
    pub(crate) way: Way,
    /// How long they may take.
    pub(crate) patience: Duration,
}

/// Logs in and uses the tokens once. `challenge` are the headers with which the server refused.
///
/// # Errors
/// When the login came to nothing. The browser, if it came back, was told so.
pub(crate) async fn log_in(
    place: &Place,
    target: Target,
    challenge: Option<&HeaderMap>,
    manner: &Manner,
) -> Result<StoredTokens, Failed> {
    let window = place.window(&target.resource);
    let (until, reach) = (Instant::now() + manner.patience, target.reach);
    let mut visit = Visit { place, manner, window: &window, listener: None, waiting: None, stored: None, until, reach };
    let outcome = visit.run(target, challenge).await;
    match &outcome {
        Ok(_) => window.done(),
        Err(_) => window.unfinished(),
    }
    visit.end(outcome.as_ref().map_or_else(Page::of, |_| Page::Done)).await;
    outcome
}

/// What a login holds on this computer while it lasts.
struct Visit<'a> {
    place: &'a Place,
    manner: &'a Manner,
    window: &'a Window,
    listener: Option<Listener>,
    /// The browser that brought the answer and waits for its page.
    waiting: Option<Callback>,
    /// The client that an earlier login registered, unless it was found out that the server has forgotten it.
    stored: Option<RegisteredClient>,
    until: Instant,
    reach: Reach,
}

impl Visit<'_> {
    async fn run(&mut self, target: Target, challenge: Option<&HeaderMap>) -> Result<StoredTokens, Failed> {
        let connected = match self.walk(target.clone(), challenge).await? {
            Some(connected) => connected,
            None => self.walk(target.clone(), challenge).await?.ok_or_else(fail::forgotten_again)?,
        };
        let tokens = self.save(connected).await?;
        if let Err(probe::NotLetIn { refused, failed }) = probe::try_token(self.place, &target, &tokens.bearer()).await
        {
            if refused {
                // They would be refused tomorrow as well.
                let _ = self.place.store.remove(&tokens.key(), tokens.generation).await;
            }
            return Err(failed);
        }
        Ok(tokens)
    }

    /// Goes through the steps. `None` when the stored client turned out to be forgotten: it is no more, and another
    /// walk registers anew.
    async fn walk(&mut self, target: Target, challenge: Option<&HeaderMap>) -> Result<Option<Connected>, Failed> {
        let (mut connect, mut step) = Connect::start(target, challenge)?;
        loop {
            if let Step::OpenBrowser(page) = &step
                && self.is_forgotten(page).await?
            {
                return Ok(None);
            }
            let input = match step {
                Step::Done(connected) => return Ok(Some(*connected)),
                step => self.take(step).await?,
            };
            (connect, step) = connect.on(input, now(), &mut SystemEntropy)?;
        }
    }

    /// Whether the sign-in page would only tell the person that the stored client is unknown, which no callback ever
    /// reports. Then the client is forgotten here as well.
    async fn is_forgotten(&mut self, page: &OpenBrowser) -> Result<bool, Failed> {
        let Some(client) = self.stored.take().filter(|client| client.registration() == Registration::Dynamic) else {
            return Ok(false);
        };
        // Only when the last page came to nothing may this be why; otherwise it would be asked for twice each time.
        if !self.window.is_there() {
            return Ok(false);
        }
        let mut look = Outbound::metadata(page.url.clone(), self.reach);
        look.redirects = Redirects::Refuse;
        look.headers.insert(http::header::ACCEPT, HeaderValue::from_static("text/html"));
        let answer = self.place.fetcher.send(look).await;
        let refused = |status: StatusCode| matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
        if !answer.is_ok_and(|answer| refused(answer.status)) {
            return Ok(false);
        }
        tracing::info!(issuer = %page.issuer, "the authorization server has forgotten this client; registering anew");
        let removed = self.place.store.remove_client(&page.issuer, client.client_id()).await;
        // Where another process was first, what it registered is as good.
        removed.map(|_| true).map_err(|fault| fail::store(&fault))
    }

    /// Does what the machine asks for.
    async fn take(&mut self, step: Step) -> Result<Input, Failed> {
        let store = &self.place.store;
        Ok(match step {
            Step::Send(request) => {
                tracing::info!(?request, "login");
                Input::Answer(self.place.fetcher.send(request).await)
            }
            Step::LoadClient { issuer } => {
                self.stored = store.load_client(&issuer).await.map_err(|fault| fail::store(&fault))?;
                Input::Client(self.stored.clone())
            }
            Step::SaveClient(client) => {
                tracing::info!(client_id = client.client_id().as_str(), "registered");
                store.save_client(&client).await.map_err(|fault| fail::store(&fault))?;
                Input::ClientSaved
            }
            Step::HoldPort(wanted) => {
                let listener = self.listener.insert(Listener::hold(&wanted).await?);
                Input::PortHeld { redirect_uri: listener.redirect_uri().to_owned() }
            }
            Step::OpenBrowser(page) => {
                self.open(&page)?;
                self.wait(self.until).await
            }
            Step::KeepWaiting { why, at_most } => {
                tracing::warn!(?why, "an answer that is not the awaited one came to the callback port");
                if let Some(callback) = self.waiting.take() {
                    callback.show(Page::NotTaken);
                }
                self.wait(at_most.map_or(self.until, |most| self.until.min(Instant::now() + most))).await
            }
            Step::Done(_) => unreachable!("the loop ends with it"),
        })
    }

    fn open(&mut self, page: &OpenBrowser) -> Result<(), Failed> {
        if let Some(callback) = self.waiting.take() {
            callback.show(Page::Again);
        }
        if !browser::may_open(&page.url) {
            return Err(Failed::new(
                Code::BadServerMetadata,
                "the authorization server's sign-in page is not one that is opened",
                format!("{} names a {} address", page.issuer, page.url.scheme()),
                "nothing was opened; ask the operator of the server",
            ));
        }
        self.window.opening();
        browser::show(&self.manner.way, &page.url);
        output::tell(&format!("Waiting for the sign-in at {} ({})", page.issuer, words(self.manner.patience)));
        Ok(())
    }

    /// Waits for a browser to come back.
    async fn wait(&mut self, until: Instant) -> Input {
        let Some(listener) = &mut self.listener else { return Input::TimeUp };
        match tokio::time::timeout_at(until, listener.next()).await {
            Err(_) => Input::TimeUp,
            Ok(callback) => {
                let query = callback.query.clone();
                self.waiting = Some(callback);
                Input::Callback { query }
            }
        }
    }

    /// Saves the tokens in place of what is there: a person has just made them.
    async fn save(&self, connected: Connected) -> Result<StoredTokens, Failed> {
        let Connected { mut tokens, notes } = connected;
        notes.iter().for_each(tell_note);
        let (store, key) = (&self.place.store, tokens.key());
        for _ in 0..MOST_CONFLICTS {
            let present = store.load(&key).await.map_err(|fault| fail::store(&fault))?;
            match store.save(&tokens, present.map_or(0, |present| present.generation)).await {
                Ok(generation) => {
                    tokens.generation = generation;
                    return Ok(tokens);
                }
                Err(SaveFailed::Conflict) => {}
                Err(SaveFailed::Fault(fault)) => return Err(fail::store(&fault)),
            }
        }
        Err(Failed::new(
            Code::Store,
            "the new login could not be saved",
            "other processes changed it again and again",
            "try again",
        ))
    }

    async fn end(mut self, page: Page) {
        if let Some(callback) = self.waiting.take() {
            callback.show(page);
        }
        if let Some(listener) = self.listener.take() {
            listener.finish().await;
        }
    }
}

/// A time as a person says it.
fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

fn tell_note(note: &Note) {
    match note {
        Note::IssuerChanged { from } => {
            output::tell(&format!("Note: this server used to send you to {from} to sign in, and now does not."));
        }
        Note::ForeignMetadata => tracing::warn!("the server's metadata lies at another origin"),
        Note::WholeOrigin => tracing::info!("the metadata describes the whole origin"),
        Note::ParentResource => tracing::warn!("the metadata describes a parent of the server's URL"),
        Note::RegisteredAgain => tracing::info!("the authorization server had forgotten this client"),
    }
}
