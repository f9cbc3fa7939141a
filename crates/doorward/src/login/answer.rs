//! Waiting for the answer of the sign-in page, from wherever it can come.

use std::{pin::pin, time::Duration};

use doorward_client::Input;
use tokio::time::Instant;

use super::{
    browser::Way,
    ladder::{Manner, Paste},
    listener::{Callback, Listener},
    paste::Typed,
};
use crate::output;

/// After how long a person is told that they can paste the address.
const NUDGE: Duration = Duration::from_secs(30);

/// Where the answer can come to.
pub(super) struct At {
    pub(super) listener: Option<Listener>,
    pub(super) typed: Option<Typed>,
    pub(super) redirect_uri: String,
    /// The browser that brought the answer and waits for its page.
    pub(super) waiting: Option<Callback>,
    /// The browser whose answer is not believed, but may be the only one that comes.
    pub(super) doubtful: Option<Callback>,
}

impl At {
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
}
