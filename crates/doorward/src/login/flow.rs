//! One login, from the server's 401 to a page that says how it went.

use std::time::Duration;

use doorward_client::{
    Code, Connect, Connected, CredentialStore as _, Failed, Input, RegisteredClient, Step, StoredTokens, Target,
    login_command,
    step::{NotTaken, OpenBrowser, ShowDeviceCode},
    target::By,
};
use doorward_fetch::Reach;
use doorward_types::ResourceId;
use http::HeaderMap;
use tokio::time::Instant;

pub(crate) use super::ladder::Manner;
use super::{
    answer::At,
    browser::{self, Way},
    device, fail,
    forgotten::{self, When},
    identity::Sitting,
    import,
    ladder::{Paste, Rung},
    logout, made, notes,
    pages::Page,
    paste::Typed,
    place::Place,
    probe,
    window::Window,
};
use crate::{clock::now, entropy::SystemEntropy, output};

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
    let window = place.window_of(&target);
    let (until, reach) = (Instant::now() + manner.patience, target.reach);
    let at = At::default();
    let (named, resource) = (target.clone(), target.resource.clone());
    let (rung, sitting) = (Rung::Browser, Sitting::default());
    let (window, shown, not_let_in, command) = (&window, false, false, login_command(&target));
    let mut visit = Visit {
        place,
        manner,
        window,
        at,
        stored: None,
        sitting,
        until,
        reach,
        resource,
        command,
        rung,
        shown,
        not_let_in,
    };
    let outcome = visit.run(target, challenge).await;
    match &outcome {
        Ok(_) => window.done(),
        Err(_) => window.unfinished(),
    }
    let page = match &outcome {
        Ok(_) => Page::Done,
        Err(_) if visit.not_let_in => Page::NotLetIn,
        Err(failed) => Page::of(failed),
    };
    visit.at.end(page).await;
    if let Ok(tokens) = &outcome {
        logout::replaced_by(place, &named, tokens).await;
    }
    outcome
}

/// What a login holds on this computer while it lasts.
struct Visit<'a> {
    place: &'a Place,
    manner: &'a Manner,
    window: &'a Window,
    at: At,
    /// The client that an earlier login registered, unless it was found out that the server has forgotten it.
    stored: Option<RegisteredClient>,
    sitting: Sitting,
    until: Instant,
    reach: Reach,
    resource: ResourceId,
    /// What a person types to make this login.
    command: String,
    /// The way that is tried at present.
    rung: Rung,
    /// Whether the person was shown anything.
    shown: bool,
    /// Whether there are tokens, and the MCP server does not take them.
    not_let_in: bool,
}

impl Visit<'_> {
    async fn run(&mut self, target: Target, challenge: Option<&HeaderMap>) -> Result<StoredTokens, Failed> {
        let connected = self.climb(target.clone(), challenge).await?;
        let mut tokens = made::save(self.place, connected).await?;
        let mut renewed = import::is_unsure(&target, &tokens);
        if renewed {
            tokens = import::renew(self.place, &target, tokens).await?;
        }
        loop {
            let tried = probe::try_token(self.place, &target, &tokens.bearer()).await;
            let Err(probe::NotLetIn { refused, failed }) = tried else { return Ok(tokens) };
            if refused && !renewed && import::can_be_renewed(&target, &tokens) {
                // What another program left may have ended early.
                tokens = import::renew(self.place, &target, tokens).await?;
                renewed = true;
                continue;
            }
            self.not_let_in = failed.code() == Code::TokenRefused;
            if refused {
                // They would be refused tomorrow as well.
                let _ = self.place.store.remove(&tokens.key(), tokens.generation).await;
            }
            return Err(failed);
        }
    }

    /// Tries one way after the other, as long as what stops one need not stop the next.
    async fn climb(&mut self, mut target: Target, challenge: Option<&HeaderMap>) -> Result<Connected, Failed> {
        if !target.grant.may_ask() {
            return self.connect(target, challenge).await;
        }
        let mut first = None;
        for rung in self.manner.rungs() {
            self.rung = rung;
            target.grant.ask_by(if rung == Rung::Device { By::Device } else { By::Browser });
            let failed = match self.connect(target.clone(), challenge).await {
                Ok(connected) => return Ok(connected),
                Err(failed) => failed,
            };
            let another_may_do = match rung {
                Rung::Browser => failed.code() == Code::PortUnusable,
                // As long as the person was shown nothing.
                Rung::Device => !self.shown && failed.exit() == doorward_client::Exit::Refused,
                Rung::Pasted => false,
            };
            if !another_may_do {
                return Err(failed);
            }
            self.place.trace.next_way(&failed);
            if rung == Rung::Browser {
                output::tell(&format!("{}: {}.", failed.what(), failed.why()));
            }
            // That there is no other way is no news; why the likely one is closed is.
            if first.is_none() || failed.code() == Code::PortUnusable {
                first = Some(failed);
            }
        }
        Err(first.expect("there is a way to try"))
    }

    async fn connect(&mut self, target: Target, challenge: Option<&HeaderMap>) -> Result<Connected, Failed> {
        match self.walk(target.clone(), challenge).await? {
            Some(connected) => Ok(connected),
            None => self.walk(target, challenge).await?.ok_or_else(fail::forgotten_again),
        }
    }

    /// Goes through the steps. `None` when the stored client turned out to be forgotten: it is no more, and another
    /// walk registers anew.
    async fn walk(&mut self, target: Target, challenge: Option<&HeaderMap>) -> Result<Option<Connected>, Failed> {
        let (mut connect, mut step) = Connect::start(target, challenge)?;
        loop {
            self.place.trace.next(connect.stage(), &step);
            if let Step::OpenBrowser(page) = &step
                // Only when the last page came to nothing may this be why; otherwise it would be asked for twice each time.
                && self.window.is_there()
                && self.is_forgotten(page, When::BeforeThePage).await?
            {
                return Ok(None);
            }
            if connect.renews_identity() {
                self.sitting.alone(self.place).await?;
            }
            let input = match step {
                Step::Done(connected) => return Ok(Some(*connected)),
                Step::OpenBrowser(page) => match self.visited(&page).await? {
                    Some(input) => input,
                    None => return Ok(None),
                },
                step => self.take(step).await?,
            };
            (connect, step) = connect.on(input, now(), &mut SystemEntropy)?;
        }
    }

    /// Whether the server has forgotten the stored client. It is looked only once.
    async fn is_forgotten(&mut self, page: &OpenBrowser, when: When) -> Result<bool, Failed> {
        match self.stored.take() {
            Some(client) => forgotten::is(self.place, &client, page, self.reach, when).await,
            None => Ok(false),
        }
    }

    /// Shows the sign-in page and waits for what comes of it; `None` when the server turned out to have forgotten the
    /// client, which it may tell nobody but the person.
    async fn visited(&mut self, page: &OpenBrowser) -> Result<Option<Input>, Failed> {
        self.open(page)?;
        if self.stored.is_some() {
            let soon = Instant::now() + self.manner.look_after;
            if soon < self.until {
                match self.at.wait(soon, self.manner).await {
                    Input::TimeUp if self.is_forgotten(page, When::WhileItIsShown).await? => return Ok(None),
                    Input::TimeUp => {}
                    input => return Ok(Some(self.came(input))),
                }
            }
        }
        let input = self.at.wait(self.until, self.manner).await;
        Ok(Some(self.came(input)))
    }

    /// Does what the machine asks for.
    async fn take(&mut self, step: Step) -> Result<Input, Failed> {
        let (store, trace) = (&self.place.store, &self.place.trace);
        Ok(match step {
            Step::Send(request) => Input::Answer(self.place.send(request).await),
            Step::LoadClient { issuer } => {
                self.stored = store.load_client(&issuer).await.map_err(|fault| fail::store(&fault))?;
                trace.client_looked_for(&issuer, self.stored.as_ref().map(|client| client.client_id().as_str()));
                Input::Client(self.stored.clone())
            }
            Step::SaveClient(client) => {
                store.save_client(&client).await.map_err(|fault| fail::store(&fault))?;
                trace.client_stored();
                Input::ClientSaved
            }
            Step::LoadIdentity(key) => {
                let begun = Instant::now();
                let stored = self.sitting.load(self.place, &key, self.manner.patience).await?;
                // Whoever waited for another process has as much time as anybody.
                self.until += begun.elapsed();
                Input::Identity(stored.map(Box::new))
            }
            Step::SaveIdentity(identity) => {
                self.sitting.save(self.place, &identity).await?;
                Input::IdentitySaved
            }
            Step::HoldPort(wanted) => {
                self.may_show()?;
                self.at.hold(&wanted, &self.resource, self.rung, self.manner).await?;
                self.place.trace.port_held(&self.at.redirect_uri);
                Input::PortHeld { redirect_uri: self.at.redirect_uri.clone() }
            }
            Step::KeepWaiting { why, at_most } => {
                match self.at.waiting.take() {
                    // What it is told depends on whether another answer comes.
                    Some(callback) if why == NotTaken::WrongIssuer => {
                        self.at.doubtful.replace(callback).into_iter().for_each(|before| before.show(Page::NotTaken));
                    }
                    Some(callback) => callback.show(Page::NotTaken),
                    None => output::tell("That address belongs to another sign-in, or is not whole. Still waiting."),
                }
                let until = at_most.map_or(self.until, |most| self.until.min(Instant::now() + most));
                let input = self.at.wait(until, self.manner).await;
                self.came(input)
            }
            Step::ShowDeviceCode(code) => {
                self.may_show()?;
                self.show_code(&code);
                trace.code_shown(&code.verification_uri);
                self.pause(code.wait).await
            }
            Step::Wait(pause) => self.pause(pause).await,
            // What is left of the person's time may be too little, and then it is said at once.
            Step::AskAgain { pause, .. } if Instant::now() + pause >= self.until => Input::TimeUp,
            Step::AskAgain { url, pause } => {
                let at = url.host_str().unwrap_or_default();
                output::tell(&format!("{at} has no time at present, and is asked again in {}.", words(pause)));
                self.pause(pause).await
            }
            Step::OpenBrowser(_) | Step::Done(_) => unreachable!("the loop does these itself"),
        })
    }

    /// Tells what came from the browser, or that nothing did.
    fn came(&self, input: Input) -> Input {
        match &input {
            Input::Callback { query } => self.place.trace.came_back(query),
            _ => self.place.trace.time_up(),
        }
        input
    }

    /// Whether a person may be shown anything. Where tokens rest on a sign-in at an identity provider, that they are needed
    /// turns out only now.
    fn may_show(&self) -> Result<(), Failed> {
        if self.manner.way == Way::Nobody && self.manner.paste != Paste::Wanted && self.manner.told.is_none() {
            return Err(self.person_needed("nobody can look at a browser here"));
        }
        // Whoever was waited for had opened a page, and a host that starts many servers must not open it again for each.
        match self.window.opened_lately().filter(|_| self.sitting.waited && self.manner.paste == Paste::No) {
            Some(ago) => {
                let why = format!("a sign-in page was opened {} s ago and was not finished", ago.as_secs());
                Err(self.person_needed(&why))
            }
            None => Ok(()),
        }
    }

    fn person_needed(&self, why: &str) -> Failed {
        fail::person_needed(&self.resource, why, &self.command)
    }

    fn open(&mut self, page: &OpenBrowser) -> Result<(), Failed> {
        if let Some(callback) = self.at.waiting.take() {
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
        for note in &page.notes {
            notes::tell(note);
            self.place.trace.note(&notes::words(note));
        }
        self.window.opening();
        self.shown = true;
        self.place.trace.page_shown(&page.url);
        output::tell(&format!("Signing in to {} at {}", page.resource, page.issuer));
        if let Some(scope) = &page.scope {
            output::tell(&format!("  asking for {scope}"));
        }
        browser::show(&self.manner.way, &page.url);
        self.manner.hints(&self.at.redirect_uri).iter().for_each(|line| output::tell(line));
        output::tell(&format!("Waiting {} for the sign-in to be finished there.", words(self.manner.patience)));
        if self.manner.paste != Paste::No && self.at.typed.is_none() {
            self.at.typed = Some(Typed::start());
        }
        Ok(())
    }

    /// Shows a code for another device; on this one, too, where the person did not ask for another and a browser is here.
    fn show_code(&mut self, code: &ShowDeviceCode) {
        self.window.opening();
        self.shown = true;
        let here = !self.manner.device && matches!(self.manner.way, Way::Command(_) | Way::Desktop);
        device::tell(&self.resource, code);
        if let Some(told) = &self.manner.told {
            let _ = told.try_send(code.clone());
        }
        let page = code.complete.as_ref().unwrap_or(&code.verification_uri);
        if here && browser::may_open(page) {
            browser::open(&self.manner.way, page);
        }
        let time = self.manner.patience.min(code.expires.since(now()));
        output::tell(&format!("Waiting {} for the code to be typed there.", words(time)));
    }

    /// Waits before the server is asked again.
    async fn pause(&self, pause: Duration) -> Input {
        let end = Instant::now() + pause;
        tokio::time::sleep_until(end.min(self.until)).await;
        if end >= self.until {
            self.place.trace.time_up();
            return Input::TimeUp;
        }
        self.place.trace.waited(pause);
        Input::Waited
    }
}

/// A time as a person says it.
fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
