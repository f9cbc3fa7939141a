//! A secret of one kind is none of another, and its digest neither.

use doorward_types::{
    Digest, Secret,
    secret::{AuthorizationCode, RefreshToken},
};

fn look_up(_: Digest<RefreshToken>) {}

fn main() {
    let code = Secret::<AuthorizationCode>::parse("a").unwrap();
    look_up(code.digest());
    let _: Secret<RefreshToken> = code;
}
