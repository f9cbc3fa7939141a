//! Who the person is: what is kept of their sign-in, while it is good; else that is renewed; else they sign in.

use super::{
    exchange, keys, renew,
    shown::{Left, Subject, Then},
    sign_in,
};
use crate::{
    Step, StoredIdentity,
    found::Errand,
    state::{AwaitKept, Next, State},
    target::Who,
    token_request::Fresh,
};

/// Finds out who the person is.
pub(super) fn identify(errand: Errand, who: &Who, fresh: &mut Fresh<'_>) -> Next {
    match who {
        Who::Given(id_token) => {
            exchange::check_given(id_token, fresh.now)?;
            exchange::ask(errand, &Subject::IdToken(id_token.clone()), Left::Nothing, fresh)
        }
        Who::SignsIn(_) => {
            let step = Step::LoadIdentity(errand.key());
            Ok((State::Identity(errand), step))
        }
    }
}

/// Goes on with what is kept.
pub(crate) fn with(errand: Errand, stored: Option<StoredIdentity>, fresh: &mut Fresh<'_>) -> Next {
    // A store that answers with somebody else's sign-in changes nothing.
    let Some(identity) = stored.filter(|identity| identity.key() == errand.key()) else {
        return sign_in::start(errand, "nobody has signed in there yet", false, fresh);
    };
    let now = identity.clone().at(&errand.provider.server, &errand.provider.client);
    if now.is_stored_like(&identity) {
        return with_present(errand, identity, fresh);
    }
    // A renewal knows the provider and this program's secret there by what is kept alone.
    let then = Then::Use(Box::new(now.clone()));
    Ok(keys::keep(errand, now, then))
}

/// The same once it is kept as it is at present.
fn with_present(mut errand: Errand, identity: StoredIdentity, fresh: &mut Fresh<'_>) -> Next {
    if !identity.is_good(fresh.now) {
        return renew::or_sign_in(errand, identity, "the sign-in there has expired", false, fresh);
    }
    let subject = errand.rest_on(&identity);
    exchange::ask(errand, &subject, Left::Renewing(Box::new(identity)), fresh)
}

/// Goes on once a sign-in is kept.
pub(crate) fn kept(waiting: AwaitKept, fresh: &mut Fresh<'_>) -> Next {
    let AwaitKept { errand, then } = waiting;
    match then {
        Then::Show(subject, left) => exchange::ask(errand, &subject, left, fresh),
        Then::Check(unchecked) => keys::ask(errand, unchecked),
        Then::Use(identity) => with_present(errand, *identity, fresh),
        Then::SignIn(why) => sign_in::start(errand, &why, false, fresh),
    }
}
