//! A login where the tokens that there are do not suffice, unless another process makes it.

use std::time::Duration;

use doorward_client::{Code, Failed, StoredTokens, Target};
use doorward_relay::bridge::Credential;
use http::HeaderMap;

use super::{
    super::{browser::Way, fail, flow, identity, in_hand::same_row, turn, wishes},
    Asks, Shared,
};

/// How long those who waited for a sign-in may take to notice that its process died.
const GIVE_WAY: Duration = Duration::from_secs(2);

impl Shared {
    /// Logs in, or uses what another process has made of its login meanwhile. `refused` is what did not suffice.
    pub(super) async fn log_in(
        &self,
        mut target: Target,
        headers: &HeaderMap,
        refused: Option<&StoredTokens>,
        asks: &Asks,
    ) -> Result<Credential, Failed> {
        let resource = &self.target.resource;
        let person_needed = |but: &str| fail::person_needed(resource, &format!("{}; {but}", asks.why), &asks.command);
        identity::as_before(&self.place, &mut target).await?;
        if self.manner.way == Way::Nobody && identity::asks(&self.place, &target).await? {
            self.want(target, headers);
            return Err(person_needed("nobody can look at a browser here"));
        }
        let mut turn = turn::take(&self.place, &target, &self.manner).await?;
        let window = self.place.window_of(&target);
        let mut gave_way = false;
        loop {
            if let Some(stored) = self.stored().await?
                && !refused.is_some_and(|own| same_row(own, &stored))
            {
                return Ok(self.in_hand.take(stored, None));
            }
            let open = window.is_open();
            let asks_now = identity::asks(&self.place, &target).await?;
            let Some(ago) = window.opened_lately().filter(|_| asks_now) else { break };
            if open && turn.waited {
                // Whoever was waited for died over its page, and nobody will answer there.
                break;
            }
            if !open || gave_way {
                let but = format!("a sign-in page was opened {} s ago and was not finished", ago.as_secs());
                return Err(person_needed(&but));
            }
            // Its process may have died this moment, and others wait for it: one of them takes over.
            gave_way = true;
            drop(turn);
            tokio::time::sleep(GIVE_WAY).await;
            turn = turn::take(&self.place, &target, &self.manner).await?;
        }
        if let (Some(grants), false) = (self.grants.get(), self.target.grant.needs_a_person()) {
            target.grant = wishes::grant(grants)?;
            identity::as_before(&self.place, &mut target).await?;
        }
        let place = self.place.tracing_login(&target);
        place.trace.challenged(headers);
        let outcome = flow::log_in(&place, target.clone(), Some(headers), &self.manner).await;
        place.trace.end(outcome.as_ref().err());
        self.trouble.note(outcome.as_ref().err());
        // What was kept turned out to be good for nothing.
        if self.manner.way == Way::Nobody
            && outcome.as_ref().is_err_and(|failed| failed.code() == Code::LoginNeeded)
            && target.grant.may_ask()
        {
            self.want(target, headers);
        }
        Ok(self.in_hand.take(outcome?, None))
    }
}
