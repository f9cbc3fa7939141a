//! First connect, refresh and step-up as a machine that says what to do next, and the credential-store trait.
