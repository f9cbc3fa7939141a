//! The answer of the sign-in page, from wherever it can come: its place is held, it is waited for, and its browser is told how
//! the login went.

use std::{pin::pin, time::Duration};

use doorward_client::{
    Failed, Input,
    step::{HoldPort, PortChoice},
};
use doorward_types::ResourceId;
use tokio::time::Instant;

use super::{
    browser::Way,
    ladder::{Manner, Paste, Rung},
    listener::{Callback, Listener},
    pages::Page,
    paste::Typed,
};
use crate::output;

/// The port that is named where none can be held: the address is read by a person, and never asked for by a browser that
/// could reach it.
const UNHELD_PORT: u16 = 65_535;
/// After how long a person is told that they can paste the address.
const NUDGE: Duration = Duration::from_secs(30);

/// Where the answer can come to.
#[derive(Default)]
pub(super) struct At {
    listener: Option<Listener>,
    pub(super) typed: Option<Typed>,
    pub(super) redirect_uri: String,
    /// The browser that brought the answer and waits for its page.
    pub(super) waiting: Option<Callback>,
    /// The browser whose answer is not believed, but may be the only one that comes.
    pub(super) doubtful: Option<Callback>,
}

impl At {
    /// Takes hold of a port. Where that cannot be, and somebody can paste the address at which the browser ends, that
    /// will do: it is read from it as it would have been from the request.
    pub(super) async fn hold(
        &mut self,
        wanted: &HoldPort,
        resource: &ResourceId,
        rung: Rung,
        manner: &Manner,
    ) -> Result<(), Failed> {
        // A walk before this one may still hold the port.
        if let Some(listener) = self.listener.take() {
            listener.finish().await;
        }
        let resource = resource.url();
        let failed = match Listener::hold(wanted, resource.host_str().unwrap_or_default()).await {
            Ok(listener) => {
                self.redirect_uri = listener.redirect_uri().to_owned();
                self.listener = Some(listener);
                return Ok(());
            }
            Err(failed) => failed,
        };
        if rung != Rung::Pasted {
            return Err(failed);
        }
        // Where this was not the first way, it was told before.
        if manner.paste == Paste::Wanted {
            output::tell(&format!("{}: {}.", failed.what(), failed.why()));
        }
        output::tell("So the browser will end on a page that is not ours. Paste that page's address here.");
        let port = match wanted.port {
            PortChoice::Only(port) | PortChoice::Prefer(port) => port,
            PortChoice::Any => UNHELD_PORT,
        };
        self.redirect_uri = format!("http://{}:{port}{}", wanted.host, wanted.path);
        Ok(())
    }

    /// Waits for the answer: a browser that comes back, or a person who pastes where it ended.
    pub(super) async fn wait(&mut self, until: Instant, manner: &Manner) -> Input {
        let Self { listener, typed, redirect_uri, waiting, .. } = self;
        let mut came = pin!(async {
            match listener {
                Some(listener) => listener.next().await,
                None => std::future::pending().await,
            }
        });
        let mut pasted = pin!(async {
            match typed {
                Some(typed) => typed.next(redirect_uri).await,
                None => std::future::pending().await,
            }
        });
        let mut ended = false;
        let mut nudge = pin!(tokio::time::sleep(NUDGE));
        let mut nudged = manner.paste != Paste::Offered || manner.way == Way::Print;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Input::TimeUp,
                callback = &mut came => {
                    let query = callback.query.clone();
                    *waiting = Some(callback);
                    return Input::Callback { query };
                }
                query = &mut pasted, if !ended => match query {
                    Some(query) => return Input::Callback { query },
                    // Nobody can paste any more, and that was how it was to be done.
                    None if manner.paste == Paste::Wanted => return Input::TimeUp,
                    None => ended = true,
                },
                () = &mut nudge, if !nudged => {
                    nudged = true;
                    output::tell("Nothing has come back yet. If the browser shows an error page, paste its address here.");
                }
            }
        }
    }

    /// Shows the page to every browser that waits for one, and gives the port back.
    pub(super) async fn end(mut self, page: Page) {
        if let Some(callback) = self.doubtful.take() {
            callback.show(if page == Page::Done { Page::NotTaken } else { page.clone() });
        }
        if let Some(callback) = self.waiting.take() {
            callback.show(page);
        }
        if let Some(listener) = self.listener.take() {
            listener.finish().await;
        }
    }
}
