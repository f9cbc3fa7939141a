//! What the forms and links of our own pages bring back.

use axum::http::StatusCode;
use doorward_types::{Secret, form::Form, secret::InteractionToken};

use crate::{
    Site,
    common::{self, Early},
};

/// The token of the request that waits, out of a query or a form.
pub(crate) fn interaction(form: &Form) -> Option<Secret<InteractionToken>> {
    form.get("interaction").and_then(|text| Secret::parse(text).ok()).filter(Secret::is_well_formed)
}

/// Reads a page's form; what it brings too much of is the sender's mistake.
pub(crate) fn read_form(site: &Site, bytes: &[u8]) -> Result<Form, Early> {
    Form::parse_repeating(bytes, &["scope"]).map_err(|refusal| {
        let why = refusal.to_string();
        let texts = [
            "This form cannot be read",
            "Nothing was changed.",
            &why,
            "Go back, load the page again, and send it once more.",
        ];
        Box::new(common::refusal_page(site, StatusCode::BAD_REQUEST, "OA-121", texts))
    })
}
