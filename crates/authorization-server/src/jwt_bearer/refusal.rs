use doorward_types::jose::JwsRefusal;

/// Why an assertion is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefusal {
    /// It names no identity provider that is configured here.
    #[error("the assertion's issuer is not trusted here")]
    Issuer,
    /// Its signature or type is wrong.
    #[error("the assertion is not valid: {0}")]
    Jws(#[from] JwsRefusal),
    /// A claim is missing or of the wrong type.
    #[error("the assertion lacks a claim, or one has the wrong type")]
    Claims,
    /// It is not for this authorization server alone.
    #[error("the assertion's aud is not this server's issuer identifier alone")]
    Audience,
    /// It was issued to another client.
    #[error("the assertion was issued to another client")]
    Client,
    /// It has expired, is not valid yet, or lasts too long.
    #[error("the assertion has expired, is not valid yet, or lasts longer than an hour")]
    Time,
    /// It was used before.
    #[error("the assertion was used before")]
    Used,
    /// It is for a resource that is not configured here, or for none where there are several.
    #[error("the assertion's resource is not one that this server issues tokens for")]
    Resource,
    /// It restricts the access in a way that is not understood here.
    #[error("the assertion holds authorization_details or a cnf that is not supported")]
    Unsupported,
}
