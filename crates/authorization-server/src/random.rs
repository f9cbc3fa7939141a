use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::Entropy;

/// A new name with 128 bits of entropy: unique, and not to be guessed, but no secret.
pub(crate) fn name(prefix: &str, entropy: &mut dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    format!("{prefix}{}", Base64UrlUnpadded::encode_string(&bytes))
}
