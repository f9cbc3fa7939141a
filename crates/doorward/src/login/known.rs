//! What the flags say about clients that came from providers, the document that stands for this program, and what is
//! tolerated from a server.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use doorward_client::{
    AuthMethod, Failed, Target,
    target::{Lenient, MetadataDocument, PreRegistered},
};
use doorward_types::{ClientId, Issuer, RedirectUri, Secret};
use serde::Deserialize;

use super::named::{from_file, from_variable, refuse};
use crate::{cli, output};

/// The most bytes of a file with clients.
const MOST_BYTES: u64 = 256 * 1024;
/// The redirect URI that documents of ours list.
const USUAL_REDIRECT: &str = "http://127.0.0.1/callback";
/// The variable that may hold the secret itself, where no flag names another place.
const SECRET: &str = "DOORWARD_CLIENT_SECRET";

/// Completes what the flags say of clients, once the one that they name by itself stands in the target.
///
/// # Errors
/// When a text or file cannot be what it should be.
pub(super) fn apply(target: &mut Target, flags: &cli::OwnClient) -> Result<(), Failed> {
    let redirect = flags.redirect_uri.as_deref().map(|text| redirect("--redirect-uri", text)).transpose()?;
    target.redirect_uri.clone_from(&redirect);
    if let Some(own) = target.clients.last_mut() {
        own.redirect_uri.clone_from(&redirect);
        if let Some(issuer) = &flags.client_issuer {
            own.issuer = Some(Issuer::parse(issuer.as_str()).map_err(|why| refuse("--client-issuer", &why))?);
        }
        if own.secret.is_none() && own.key.is_none() && std::env::var_os(SECRET).is_some_and(|value| !value.is_empty())
        {
            own.secret = Some(from_variable(SECRET, SECRET)?);
        }
    }
    if let Some(file) = &flags.clients_file {
        target.clients_elsewhere.extend(clients(file)?);
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        target.also_typed.extend(["--clients-file".to_owned(), whole.to_string_lossy().into_owned()]);
    }
    if let Some(url) = &flags.client_metadata_url {
        target.metadata_document = Some(document(url, redirect)?);
    }
    for name in &flags.tolerate {
        if !target.lenient.tolerate(name) {
            let names: Vec<_> = Lenient::NAMES.iter().map(|(name, _)| *name).collect();
            return Err(refuse("--tolerate", &format!("there is no rule {name}; there are {}", names.join(", "))));
        }
    }
    for (name, meaning) in Lenient::NAMES.iter().filter(|(name, _)| flags.tolerate.iter().any(|own| own == name)) {
        output::tell(&format!("Tolerated for {}: {meaning} (--tolerate {name}).", target.resource));
    }
    Ok(())
}

/// Refuses to read a secret from an input that is the host's.
///
/// # Errors
/// When a flag asks for that.
pub(crate) fn input_is_the_hosts(client: &cli::OwnClient, grants: &cli::Grants) -> Result<(), Failed> {
    let files = [
        ("--client-secret-file -", &client.client_secret_file),
        ("--client-key-file -", &client.client_key_file),
        ("--enterprise-client-secret-file -", &grants.enterprise_client_secret_file),
        ("--enterprise-client-key-file -", &grants.enterprise_client_key_file),
        ("--id-token-file -", &grants.id_token_file),
    ];
    let files = files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_deref()?)));
    let assertions = grants.assertion_file.iter().map(|file| ("--assertion-file -", file.as_path()));
    match files.chain(assertions).find(|(_, file)| *file == Path::new("-")) {
        Some((flag, _)) => {
            let why =
                "the standard input of doorward connect is what the host writes; name a file or a variable instead";
            Err(refuse(flag, &why))
        }
        None => Ok(()),
    }
}

fn redirect(flag: &str, text: &str) -> Result<RedirectUri, Failed> {
    RedirectUri::parse(text).map_err(|why| refuse(flag, &why))
}

/// The document by which this program is known.
///
/// Source: MCP 2026-07-28 client registration, "Implementation Requirements".
fn document(url: &str, own: Option<RedirectUri>) -> Result<MetadataDocument, Failed> {
    const FLAG: &str = "--client-metadata-url";
    let parsed = url::Url::parse(url).map_err(|why| refuse(FLAG, &why))?;
    let as_written = parsed.as_str() == url;
    if parsed.scheme() != "https" || parsed.path() == "/" || parsed.fragment().is_some() || !as_written {
        let why =
            "the identifier is an https URL with a path, written as it is sent, as in https://example.com/client.json";
        return Err(refuse(FLAG, &why));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refuse(FLAG, &"it holds a user name or password"));
    }
    let url = ClientId::parse(url).map_err(|why| refuse(FLAG, &why))?;
    let redirect_uri = own.map_or_else(|| redirect(FLAG, USUAL_REDIRECT), Ok)?;
    Ok(MetadataDocument { url, redirect_uri })
}

/// A file with clients of several providers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    issuer: String,
    client_id: String,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    auth_method: Option<String>,
    redirect_uri: Option<String>,
}

fn clients(file: &Path) -> Result<Vec<PreRegistered>, Failed> {
    const FLAG: &str = "--clients-file";
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|opened| opened.take(MOST_BYTES + 1).read_to_string(&mut text));
    let length = read.map_err(|error| refuse(FLAG, &format!("{}: {error}", file.display())))?;
    // Half of a file is another file.
    if length as u64 > MOST_BYTES {
        return Err(refuse(FLAG, &format!("{}: it holds more than {MOST_BYTES} bytes", file.display())));
    }
    let File { client } =
        toml::from_str(&text).map_err(|error| refuse(FLAG, &format!("{}: {}", file.display(), error.message())))?;
    client.into_iter().map(|entry| pre_registered(FLAG, entry)).collect()
}

fn pre_registered(flag: &str, entry: Entry) -> Result<PreRegistered, Failed> {
    let secret: Option<Secret<_>> = match (&entry.secret_file, &entry.secret_env) {
        (Some(file), None) => Some(from_file(flag, file)?),
        (None, Some(name)) => Some(from_variable(flag, name)?),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(refuse(flag, &"a client has both secret_file and secret_env")),
    };
    let method = entry.auth_method.as_deref().map(|name| {
        AuthMethod::parse(name).ok_or_else(|| refuse(flag, &format!("{name} is no way of client authentication here")))
    });
    Ok(PreRegistered {
        issuer: Some(Issuer::parse(entry.issuer).map_err(|why| refuse(flag, &why))?),
        client_id: ClientId::parse(entry.client_id).map_err(|why| refuse(flag, &why))?,
        secret,
        key: None,
        auth_method: method.transpose()?,
        redirect_uri: entry.redirect_uri.as_deref().map(|text| redirect(flag, text)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use doorward_client::Code;

    use super::*;

    fn flags() -> cli::OwnClient {
        cli::OwnClient::default()
    }

    fn target() -> Target {
        Target::new("https://mcp.example.com/mcp", "t").unwrap()
    }

    #[test]
    fn a_document_is_named_by_an_https_url_with_a_path() {
        // proves: MCP-AUTH-037
        for good in ["https://example.com/client.json", "https://g.example/.well-known/doorward-client.json"] {
            let mut target = target();
            let flags = cli::OwnClient { client_metadata_url: Some(good.into()), ..flags() };
            apply(&mut target, &flags).unwrap();
            let document = target.metadata_document.unwrap();
            assert_eq!((document.url.as_str(), document.redirect_uri.as_str()), (good, USUAL_REDIRECT));
        }
        for bad in [
            "http://example.com/client.json",
            "https://example.com",
            "https://example.com/",
            "https://example.com/a#b",
            "https://example.com/a/../b",
            "https://u:p@example.com/a",
            "https://u@example.com/a",
            "https://:p@example.com/a",
            "HTTPS://example.com/a",
            "client.json",
        ] {
            let flags = cli::OwnClient { client_metadata_url: Some(bad.into()), ..flags() };
            assert_eq!(apply(&mut target(), &flags).unwrap_err().code(), Code::BadTarget, "{bad}");
        }
    }

    #[test]
    fn clients_of_several_providers_come_from_a_file() {
        // proves: MCP-AUTH-032
        let folder = tempfile::TempDir::new().unwrap();
        let (file, secret) = (folder.path().join("clients.toml"), folder.path().join("secret"));
        std::fs::write(&secret, "s3cret\n").unwrap();
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write(&format!(
            "[[client]]\nissuer = \"https://a.example\"\nclient_id = \"one\"\nsecret_file = {secret:?}\n\
             auth_method = \"client_secret_post\"\n[[client]]\nissuer = \"https://b.example\"\nclient_id = \"two\"\n\
             redirect_uri = \"http://localhost:8763/callback\"\n"
        ));
        let flags = cli::OwnClient { clients_file: Some(file.clone()), ..flags() };
        let mut first = target();
        apply(&mut first, &flags).unwrap();
        let found: Vec<_> = first
            .clients_elsewhere
            .iter()
            .map(|c| (c.issuer.as_ref().unwrap().as_str(), c.client_id.as_str()))
            .collect();
        assert_eq!(found, [("https://a.example", "one"), ("https://b.example", "two")]);
        assert_eq!(first.clients_elsewhere[0].secret.as_ref().unwrap().expose(), "s3cret");
        let long = format!("# {}\n", "x".repeat(MOST_BYTES as usize));
        let both = format!(
            "[[client]]\nissuer = \"https://a.example\"\nclient_id = \"x\"\nsecret_env = \"PATH\"\nsecret_file = {secret:?}"
        );
        for bad in [
            &long,
            &both,
            "client_secret = \"in plain sight\"",
            "[[client]]\nclient_id = \"x\"",
            "[[client]]\nissuer = \"https://a.example\"\nclient_id = \"x\"\nclient_secret = \"y\"",
            "[[client]]\nissuer = \"https://a.example\"\nclient_id = \"x\"\nauth_method = \"tls\"",
        ] {
            write(bad);
            assert_eq!(apply(&mut target(), &flags).unwrap_err().code(), Code::BadTarget, "{bad}");
        }
        // A variable that is set wherever there are programs.
        write("[[client]]\nissuer = \"https://a.example\"\nclient_id = \"x\"\nsecret_env = \"PATH\"");
        let mut from_variable = target();
        apply(&mut from_variable, &flags).unwrap();
        assert_eq!(
            from_variable.clients_elsewhere[0].secret.as_ref().unwrap().expose(),
            std::env::var("PATH").unwrap()
        );
        std::fs::remove_file(&file).unwrap();
        assert_eq!(apply(&mut target(), &flags).unwrap_err().code(), Code::BadTarget, "there is no such file");
    }

    #[test]
    fn what_is_said_of_the_client_that_is_named_by_itself_is_said_of_no_other() {
        // proves: MCP-AUTH-067
        let client = |id: &str| PreRegistered {
            issuer: None,
            client_id: ClientId::parse(id).unwrap(),
            secret: None,
            key: None,
            auth_method: None,
            redirect_uri: None,
        };
        let (issuer, redirect) = ("https://a.example", "http://localhost:8763/callback");
        let flags =
            cli::OwnClient { client_issuer: Some(issuer.into()), redirect_uri: Some(redirect.into()), ..flags() };
        let mut target = target();
        target.clients = vec![client("other"), client("own")];
        apply(&mut target, &flags).unwrap();
        let [other, own] = target.clients.as_slice() else { panic!() };
        assert_eq!(own.issuer.as_ref().map(Issuer::as_str), Some(issuer));
        assert_eq!(own.redirect_uri.as_ref().map(RedirectUri::as_str), Some(redirect));
        assert!(other.issuer.is_none() && other.redirect_uri.is_none());
        // It is where the browser ends, whoever the client is.
        assert_eq!(target.redirect_uri.as_ref().map(RedirectUri::as_str), Some(redirect));
        let bad = cli::OwnClient { client_issuer: Some("a.example".into()), ..flags };
        assert_eq!(apply(&mut target, &bad).unwrap_err().code(), Code::BadTarget);
    }

    #[test]
    fn what_is_tolerated_is_named_and_no_other_name_is_taken() {
        let mut first = target();
        apply(&mut first, &cli::OwnClient { tolerate: vec!["unlisted-pkce".into()], ..flags() }).unwrap();
        assert_eq!(first.lenient, Lenient { unlisted_pkce: true, ..Lenient::default() });
        let failed = apply(&mut target(), &cli::OwnClient { tolerate: vec!["all".into()], ..flags() }).unwrap_err();
        assert!(failed.why().contains("other-issuer"), "{failed}");
    }

    #[test]
    fn a_hosts_words_are_never_taken_for_a_secret() {
        let client = cli::OwnClient { client_secret_file: Some("-".into()), ..flags() };
        let none = cli::Grants::default();
        assert!(input_is_the_hosts(&client, &none).is_err() && input_is_the_hosts(&flags(), &none).is_ok());
        let key = cli::OwnClient { client_key_file: Some("-".into()), ..flags() };
        assert!(input_is_the_hosts(&key, &none).is_err());
        for grants in [
            cli::Grants { enterprise_client_secret_file: Some("-".into()), ..none.clone() },
            cli::Grants { enterprise_client_key_file: Some("-".into()), ..none.clone() },
            cli::Grants { id_token_file: Some("-".into()), ..none.clone() },
            cli::Grants { assertion_file: vec!["a".into(), "-".into()], ..none.clone() },
        ] {
            assert!(input_is_the_hosts(&flags(), &grants).is_err(), "{grants:?}");
        }
    }
}
