use doorward_types::{Entropy, Timestamp};
use http::HeaderMap;

use crate::{Code, Failed, Input, Step, Target};

/// A login at an MCP server, from its 401 to the tokens.
pub struct Connect {}

impl Connect {
    /// Starts a login. `challenge` are the headers of the 401 (or 403) that the server answered with, if there was one.
    ///
    /// # Errors
    /// When what the server says must not be followed.
    pub fn start(_target: Target, _challenge: Option<&HeaderMap>) -> Result<(Self, Step), Failed> {
        Err(Failed::new(Code::OutOfOrder, "the machine is still being built", "", ""))
    }

    /// Goes on with what came of the last step.
    ///
    /// # Errors
    /// When the login has come to nothing; the machine is used up then.
    pub fn on(self, _input: Input, _now: Timestamp, _entropy: &mut dyn Entropy) -> Result<(Self, Step), Failed> {
        Err(Failed::new(Code::OutOfOrder, "the machine is still being built", "", ""))
    }
}
