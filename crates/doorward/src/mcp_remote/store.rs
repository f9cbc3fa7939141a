//! What mcp-remote holds of logins: files in a folder, named by digests of their servers' URLs.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use doorward_client::{
    AuthMethod,
    target::{TakenOver, TheirClient},
};
use doorward_types::{ClientId, RedirectUri, ScopeSet, Secret, Timestamp, json};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::Identity;
use crate::failure::{Exit, Failure};

/// The variable by which mcp-remote is told another place.
const VARIABLE: &str = "MCP_REMOTE_CONFIG_DIR";
/// The most bytes of one file.
const MOST_BYTES: u64 = 1 << 20;
const TOKENS: &str = "_tokens.json";
const CLIENT: &str = "_client_info.json";

/// The folder.
pub(crate) struct Store(PathBuf);

/// A login that lies there.
pub(crate) struct Found {
    /// What it consists of.
    pub(crate) login: TakenOver,
    /// The folder, and what its files begin with.
    pub(crate) folder: PathBuf,
    pub(crate) digest: String,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    requested_scope: Option<String>,
    /// Milliseconds since 1970. Releases of 2025 did not write it.
    expires_at: Option<Value>,
    issuer: Option<String>,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
    client_secret: Option<String>,
    client_secret_expires_at: Option<Value>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    issuer: Option<String>,
}

impl Store {
    /// Where it lies usually.
    pub(crate) const USUAL: &str = "~/.mcp-auth";

    /// The store in this folder.
    pub(crate) fn at(folder: &Path) -> Self {
        let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty() && folder == Path::new(Self::USUAL));
        let folder = named.map_or_else(|| folder.to_owned(), PathBuf::from);
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
        match (folder.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => Self(Path::new(&home).join(rest)),
            _ => Self(folder),
        }
    }

    /// The folders with logins: of the present release, and one for each release of before.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.0.clone()];
        let inside = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let is_its = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("mcp-remote-");
        folders.extend(inside.filter(|entry| is_its(&entry.file_name())).map(|entry| entry.path()));
        folders
    }

    /// How many logins there are.
    fn count(&self) -> usize {
        let files = self.folders().into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(TOKENS)).count()
    }

    /// The newest login at this server. `own_client`: the client is named by the user, not by the store.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(crate) fn find(
        &self,
        url: &str,
        identity: &Identity,
        own_client: bool,
        command: &str,
    ) -> Result<Found, Box<Failure>> {
        let other = url.strip_suffix('/').map_or_else(|| format!("{url}/"), str::to_owned);
        let digests = [url, &other].map(|url| identity.digest(url));
        let folders = self.folders();
        let places = folders.iter().flat_map(|folder| digests.iter().map(move |digest| (folder, digest)));
        let newest = places
            .filter_map(|(folder, digest)| {
                let written = fs::metadata(folder.join(format!("{digest}{TOKENS}"))).ok()?.modified().ok()?;
                Some((written, folder, digest))
            })
            .max_by_key(|(written, ..)| *written);
        let Some((_, folder, digest)) = newest else { return Err(self.absent(url, &digests[0], command)) };
        let unreadable = |why: String| {
            let next = format!("log in anew: {command}");
            Failure::new("IMP-02", Exit::Error, "the login that mcp-remote holds cannot be taken over", why, next)
        };
        let login = read(folder, digest, own_client).map_err(unreadable)?;
        Ok(Found { login, folder: folder.clone(), digest: digest.clone() })
    }

    fn absent(&self, url: &str, digest: &str, command: &str) -> Box<Failure> {
        let place = self.0.display();
        let (why, next) = match self.count() {
            0 if !self.0.is_dir() => {
                (format!("there is no folder {place}"), "name mcp-remote's folder: --import DIR".to_owned())
            }
            0 => (format!("{place} holds no login at all"), command.to_owned()),
            count => (
                format!("{place} holds {count} logins, none of them under {digest}"),
                format!(
                    "give the URL exactly as mcp-remote had it, with its --resource, --header, --authorize-param and \
                     --client-metadata-url; or log in anew: {command}"
                ),
            ),
        };
        Failure::new("IMP-01", Exit::Error, format!("mcp-remote holds no login at {url}"), why, next)
    }

    /// What to say when no URL was given.
    pub(crate) fn which(&self) -> Box<Failure> {
        Failure::new(
            "IMP-01",
            Exit::Usage,
            "it was not said which login of mcp-remote's is to be taken over",
            format!("{} holds {} logins, under digests of their servers' URLs", self.0.display(), self.count()),
            "doorward login URL --import, with the URL that a host's configuration gives to mcp-remote",
        )
    }
}

fn read(folder: &Path, digest: &str, own_client: bool) -> Result<TakenOver, String> {
    let tokens: Tokens = file(&folder.join(format!("{digest}{TOKENS}")))?.ok_or("the tokens have just gone")?;
    if !tokens.token_type.as_deref().unwrap_or("Bearer").eq_ignore_ascii_case("bearer") {
        return Err("the access token is of a type that cannot be sent without more".into());
    }
    let client: Option<Client> = if own_client { None } else { file(&folder.join(format!("{digest}{CLIENT}")))? };
    let issuer = match (tokens.issuer, client.as_ref().and_then(|client| client.issuer.clone())) {
        (Some(one), Some(other)) if one.trim_end_matches('/') != other.trim_end_matches('/') => {
            return Err(format!("the tokens are {one}'s, and the client is {other}'s"));
        }
        (one, other) => one.or(other),
    };
    let granted = tokens.scope.as_deref().and_then(|scope| ScopeSet::parse(scope).ok());
    let requested = tokens.requested_scope.as_deref().and_then(|scope| ScopeSet::parse(scope).ok());
    Ok(TakenOver {
        issuer,
        client: client.map(theirs).transpose()?,
        access_token: Secret::parse(tokens.access_token).map_err(|why| why.to_string())?,
        expires_at: number(tokens.expires_at.as_ref()).map(|milliseconds| Timestamp::from_unix(milliseconds / 1000)),
        refresh_token: tokens.refresh_token.map(Secret::parse).transpose().map_err(|why| why.to_string())?,
        requested: requested.or_else(|| granted.clone()),
        granted,
    })
}

fn theirs(client: Client) -> Result<TheirClient, String> {
    let method = client.token_endpoint_auth_method.as_deref();
    let unknown = || format!("its client proves itself by {:?}, which cannot be done here", method.unwrap_or_default());
    let redirect_uri = client.redirect_uris.iter().find_map(|uri| RedirectUri::parse(uri.as_str()).ok());
    Ok(TheirClient {
        client_id: ClientId::parse(client.client_id).map_err(|why| why.to_string())?,
        secret: client
            .client_secret
            .filter(|secret| !secret.is_empty())
            .map(Secret::parse)
            .transpose()
            .map_err(|why| why.to_string())?,
        secret_expires_at: number(client.client_secret_expires_at.as_ref())
            .filter(|at| *at != 0)
            .map(Timestamp::from_unix),
        auth_method: method.map(|name| AuthMethod::parse(name).ok_or_else(unknown)).transpose()?,
        redirect_uri: redirect_uri.ok_or("it does not say with which redirect URI its client was registered")?,
    })
}

/// A number, also where it stands as text.
fn number(value: Option<&Value>) -> Option<i64> {
    let number = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    // What is no moment is no known end.
    (number.is_finite() && number.abs() < 1e15).then_some(number as i64)
}

/// A JSON file, if it is there. What is wrong with it is told without what stands in it.
fn file<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
        Ok(_) => {}
    }
    json::parse_as(&bytes).map(Some).map_err(|_| format!("{} is not as mcp-remote writes it", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    const URL: &str = "https://mcp.example.com/mcp";

    fn write(folder: &Path, name: &str, document: &Value) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(format!("{}{name}", Identity::default().digest(URL))), document.to_string()).unwrap();
    }

    fn tokens() -> Value {
        json!({
            "access_token": "at", "token_type": "bearer", "refresh_token": "rt", "scope": "a b", "expires_in": 600,
            "expires_at": 1_800_000_000_123_i64, "requested_scope": "a b c", "issuer": "https://as.example",
        })
    }

    fn client() -> Value {
        json!({
            "client_id": "c", "redirect_uris": ["http://localhost:41409/oauth/callback"], "client_id_issued_at": 1,
            "token_endpoint_auth_method": "none", "client_name": "MCP CLI Proxy",
        })
    }

    const COMMAND: &str = "doorward login --account work https://mcp.example.com/mcp";

    fn find(folder: &TempDir, own_client: bool) -> Result<TakenOver, Box<Failure>> {
        Store::at(folder.path()).find(URL, &Identity::default(), own_client, COMMAND).map(|found| found.login)
    }

    #[test]
    fn a_login_is_read_as_it_was_written() {
        let folder = TempDir::new().unwrap();
        let release = folder.path().join("mcp-remote-v1");
        write(&release, TOKENS, &tokens());
        write(&release, CLIENT, &client());
        let login = find(&folder, false).unwrap();
        assert_eq!(login.access_token.expose(), "at");
        assert_eq!(login.refresh_token.unwrap().expose(), "rt");
        assert_eq!(login.expires_at, Some(Timestamp::from_unix(1_800_000_000)));
        assert_eq!(login.issuer.as_deref(), Some("https://as.example"));
        assert_eq!((login.requested, login.granted), (ScopeSet::parse("a b c").ok(), ScopeSet::parse("a b").ok()));
        let theirs = login.client.unwrap();
        assert_eq!(theirs.redirect_uri.as_str(), "http://localhost:41409/oauth/callback");
        assert_eq!(theirs.auth_method, Some(AuthMethod::None));
        assert!(find(&folder, true).unwrap().client.is_none());
        // The folder of the release itself, and the URL with a slash, will do.
        let with_slash = format!("{URL}/");
        assert!(Store::at(&release).find(&with_slash, &Identity::default(), false, COMMAND).is_ok());
    }

    #[test]
    fn what_older_releases_did_not_write_is_not_known() {
        let folder = TempDir::new().unwrap();
        let release = folder.path().join("mcp-remote-0.1.16");
        write(&release, TOKENS, &json!({"access_token": "at", "token_type": "Bearer", "expires_in": 3600}));
        let login = find(&folder, false).unwrap();
        assert!(login.client.is_none() && login.issuer.is_none() && login.refresh_token.is_none());
        assert_eq!((login.expires_at, login.granted), (None, None));
        for (written, known) in
            [(json!("1800000000000"), true), (json!(null), false), (json!("soon"), false), (json!(1e300), false)]
        {
            let mut tokens = tokens();
            tokens["expires_at"] = written;
            write(&release, TOKENS, &tokens);
            assert_eq!(find(&folder, false).unwrap().expires_at.is_some(), known);
        }
    }

    #[test]
    fn what_is_not_there_or_not_as_it_should_be_is_told_without_secrets() {
        let folder = TempDir::new().unwrap();
        assert_eq!(find(&folder, false).err().unwrap().code, "IMP-01");
        let release = folder.path().join("mcp-remote-v1");
        let with = |document: Value, name: &str, value: Value| {
            let mut document = document;
            document[name] = value;
            document
        };
        for (tokens, client) in [
            (json!("s3cret"), client()),
            (with(tokens(), "access_token", json!("s3cret\n")), client()),
            (with(tokens(), "token_type", json!("DPoP")), client()),
            (tokens(), json!({"client_secret": "s3cret"})),
            (tokens(), with(client(), "token_endpoint_auth_method", json!("private_key_jwt_x"))),
            (tokens(), with(client(), "redirect_uris", json!([]))),
            (tokens(), with(client(), "issuer", json!("https://other.example"))),
        ] {
            write(&release, TOKENS, &tokens);
            write(&release, CLIENT, &client);
            let failure = find(&folder, false).err().unwrap_or_else(|| panic!("{tokens} {client}"));
            assert_eq!(failure.code, "IMP-02", "{tokens} {client}");
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
        let other = Store::at(folder.path()).find("https://other.example/mcp", &Identity::default(), false, COMMAND);
        let other = other.err().unwrap();
        assert!(other.code == "IMP-01" && other.next.ends_with(COMMAND), "{other:?}");
        assert!(other.why.contains("holds 1 logins"), "{}", other.why);
    }
}
