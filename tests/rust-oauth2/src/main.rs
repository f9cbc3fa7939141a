//! `rust-oauth2-client ISSUER RESOURCE OPTIONS`: the `oauth2` crate goes through a code flow and more. It writes one JSON
//! object per line, as the scripts in tests/clients do: `{"authorize": URL}`, `{"device": URL}`, then `{"done": {…}}`.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use oauth2::{
    AccessToken, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl, HttpRequest,
    HttpResponse, IntrospectionUrl, PkceCodeChallenge, RedirectUrl, RefreshToken, RevocationUrl, Scope,
    StandardDeviceAuthorizationResponse, StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
    basic::BasicClient,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, issuer, resource, options] = &arguments[..] else { return Err("ISSUER RESOURCE OPTIONS".into()) };
    let options: Value = serde_json::from_str(options)?;
    let mut done = json!({});

    // Discovery and registration are not the crate's business: plain JSON over HTTP.
    let server = json_of(send(
        oauth2::http::Request::get(format!("{issuer}/.well-known/oauth-authorization-server")).body(vec![])?,
    )?)?;
    if server["issuer"] != issuer.as_str() {
        return Err("another issuer".into());
    }
    let at = |name: &str| -> Result<String> {
        Ok(server[name].as_str().ok_or_else(|| format!("no {name} in the metadata"))?.to_owned())
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let redirect = format!("http://127.0.0.1:{}/callback", listener.local_addr()?.port());
    let confidential = options["confidential"] == true;
    let mut grant_types = vec!["authorization_code", "refresh_token"];
    if options["device"] == true {
        grant_types.push("urn:ietf:params:oauth:grant-type:device_code");
    }
    let wanted = json!({
        "client_name": "The oauth2 crate",
        "redirect_uris": [redirect],
        "grant_types": grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": if confidential { "client_secret_basic" } else { "none" },
        "application_type": "native",
    });
    let registered = json_of(send(
        oauth2::http::Request::post(at("registration_endpoint")?)
            .header("content-type", "application/json")
            .body(wanted.to_string().into_bytes())?,
    )?)?;
    let id = registered["client_id"].as_str().ok_or("no client_id")?.to_owned();
    done["registered"] = json!(id);

    let mut client = BasicClient::new(ClientId::new(id));
    if let Some(secret) = registered["client_secret"].as_str() {
        client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
    }
    let client = client
        .set_auth_uri(AuthUrl::new(at("authorization_endpoint")?)?)
        .set_token_uri(TokenUrl::new(at("token_endpoint")?)?)
        .set_revocation_url(RevocationUrl::new(at("revocation_endpoint")?.replacen("http://", TLS, 1))?)
        .set_redirect_uri(RedirectUrl::new(redirect)?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("mcp:read".into()))
        .add_extra_param("resource", resource)
        .set_pkce_challenge(challenge)
        .url();
    println!("{}", json!({"authorize": url.as_str()}));
    let back = answer(&listener)?;
    let value = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if value("state").as_deref() != Some(state.secret()) || value("iss").as_deref() != Some(issuer) {
        return Err("the answer is not for this request".into());
    }
    let code = value("code").ok_or("no code")?;

    let first = client
        .exchange_code(AuthorizationCode::new(code))
        .set_pkce_verifier(verifier)
        .add_extra_param("resource", resource)
        .request(&send)?;
    done["token"] = json!({
        "type": first.token_type().as_ref(),
        "scope": first.scopes().map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")),
        "expires_in": first.expires_in().map(|left| left.as_secs()),
    });
    done["call"] = json!(call(resource, first.access_token())?);

    let old = first.refresh_token().ok_or("no refresh token")?;
    let second = client.exchange_refresh_token(old).add_extra_param("resource", resource).request(&send)?;
    let new: RefreshToken = second.refresh_token().ok_or("no second refresh token")?.clone();
    done["refreshed"] =
        json!(new.secret() != old.secret() && second.access_token().secret() != first.access_token().secret());
    done["refreshed_call"] = json!(call(resource, second.access_token())?);

    let introspect = || -> Result<Value> {
        let client = client.clone().set_introspection_url(IntrospectionUrl::new(at("introspection_endpoint")?)?);
        let about = client.introspect(second.access_token()).request(&send)?;
        let scope =
            about.scopes().map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "));
        Ok(match about.active() {
            true => json!({"active": true, "scope": scope, "client_id": about.client_id().map(|id| id.as_str())}),
            false => json!({"active": false}),
        })
    };
    if confidential {
        done["introspected"] = introspect()?;
    }
    client.revoke_token(StandardRevocableToken::RefreshToken(new.clone()))?.request(&send)?;
    done["revoked_call"] = json!(call(resource, second.access_token())?);
    if confidential {
        done["revoked_introspected"] = introspect()?;
    }
    let dead = client.exchange_refresh_token(&new).add_extra_param("resource", resource).request(&send);
    if let Err(oauth2::RequestTokenError::ServerResponse(refusal)) = dead {
        done["revoked"] = json!(refusal.error().as_ref());
    }

    if options["device"] == true {
        let client =
            client.set_device_authorization_url(DeviceAuthorizationUrl::new(at("device_authorization_endpoint")?)?);
        let details: StandardDeviceAuthorizationResponse = client
            .exchange_device_code()
            .add_scope(Scope::new("mcp:read".into()))
            .add_extra_param("resource", resource)
            .request(&send)?;
        let url = details.verification_uri().as_str();
        println!("{}", json!({"device": url, "code": details.user_code().secret()}));
        let tokens = client.exchange_device_access_token(&details).add_extra_param("resource", resource).request(
            &send,
            std::thread::sleep,
            None,
        )?;
        done["device"] = json!({"type": tokens.token_type().as_ref(), "call": call(resource, tokens.access_token())?});
    }
    println!("{}", json!({"done": done}));
    Ok(())
}

/// Waits for the browser on the callback address.
fn answer(listener: &TcpListener) -> Result<url::Url> {
    let (mut stream, _) = listener.accept()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\ndone\n",
    )?;
    let path = line.split(' ').nth(1).ok_or("no request line")?;
    Ok(url::Url::parse("http://127.0.0.1/")?.join(path)?)
}

/// The crate revokes under https only, and a loopback address has none: the carrier below takes it off again.
const TLS: &str = "https://";

/// The crate's requests, carried by ureq.
fn send(mut request: HttpRequest) -> std::result::Result<HttpResponse, ureq::Error> {
    if let Some(rest) = request.uri().to_string().strip_prefix(TLS) {
        *request.uri_mut() = format!("http://{rest}").parse().map_err(|_| ureq::Error::BadUri(rest.to_owned()))?;
    }
    let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent();
    let mut response = agent.run(request)?;
    let mut answer = HttpResponse::new(response.body_mut().read_to_vec()?);
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    Ok(answer)
}

fn json_of(response: HttpResponse) -> Result<Value> {
    if !response.status().is_success() {
        return Err(format!("{}: {}", response.status(), String::from_utf8_lossy(response.body())).into());
    }
    Ok(serde_json::from_slice(response.body())?)
}

/// The status of one MCP call with this token.
fn call(resource: &str, token: &AccessToken) -> Result<u16> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let request = oauth2::http::Request::post(resource)
        .header("authorization", format!("Bearer {}", token.secret()))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .body(body.to_string().into_bytes())?;
    Ok(send(request)?.status().as_u16())
}
