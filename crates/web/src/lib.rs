//! HTTP endpoints and pages: protocol endpoints, sign-in, consent, connected apps, administration. No decisions.
