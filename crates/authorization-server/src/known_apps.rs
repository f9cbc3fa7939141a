//! Apps that speak MCP and that people know by name: the documents that identify them and the callbacks they use.
//!
//! A callback is no proof of who is asking: anybody can register it. It only tells an answer that can reach the app from
//! one that cannot. A document at one of these URLs is proof, since the app's maker alone writes there.

use doorward_types::{RedirectUri, redirect::Kind};

use crate::looks::looks_like;

/// A known app, with when and where the facts about it were read.
#[derive(Debug)]
pub struct App {
    /// Its name, as people know it.
    pub name: &'static str,
    /// Other names that only it should go by.
    pub also: &'static [&'static str],
    /// The client identifiers that are its own documents.
    pub documents: &'static [&'static str],
    /// Its callbacks. `{}` stands for one path segment that differs; the port of a loopback one is free.
    pub callbacks: &'static [&'static str],
    /// When this was read: year and month.
    pub read: &'static str,
    /// Where.
    pub source: &'static str,
}

/// All known apps.
pub const APPS: &[App] = &[
    App {
        name: "Claude",
        also: &["Anthropic", "Claude.ai", "Claude Desktop"],
        documents: &["https://claude.ai/oauth/mcp-oauth-client-metadata"],
        callbacks: &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        read: "2026-07",
        source: "https://support.claude.com/en/articles/11503834-building-custom-connectors-via-remote-mcp-servers",
    },
    App {
        name: "Claude Code",
        also: &[],
        documents: &["https://claude.ai/oauth/claude-code-client-metadata"],
        callbacks: &["http://localhost/callback", "http://127.0.0.1/callback"],
        read: "2026-08",
        source: "https://docs.claude.com/en/docs/claude-code/mcp",
    },
    App {
        name: "ChatGPT",
        also: &["OpenAI"],
        documents: &["https://chatgpt.com/oauth/client.json"],
        callbacks: &["https://chatgpt.com/connector/oauth/{}", "https://chatgpt.com/connector_platform_oauth_redirect"],
        read: "2026-08",
        source: "https://developers.openai.com/apps-sdk/build/auth",
    },
    App {
        name: "Codex",
        also: &[],
        documents: &["https://chatgpt.com/oauth/codex/client.json"],
        callbacks: &["http://127.0.0.1/callback", "http://127.0.0.1/callback/{}"],
        read: "2026-08",
        source: "https://github.com/openai/codex",
    },
    App {
        name: "Visual Studio Code",
        also: &["VS Code", "GitHub Copilot", "Microsoft"],
        documents: &[
            "https://vscode.dev/oauth/client-metadata.json",
            "https://insiders.vscode.dev/oauth/client-metadata.json",
        ],
        callbacks: &["https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect", "http://127.0.0.1/"],
        read: "2026-07",
        source: "https://github.com/microsoft/vscode/issues/278512",
    },
    App {
        name: "Copilot CLI",
        also: &["GitHub Copilot CLI"],
        documents: &["https://github.com/copilot/cli/client-metadata.json"],
        callbacks: &[],
        read: "2026-09",
        source: "https://github.com/copilot/cli/client-metadata.json",
    },
    App {
        name: "Cursor",
        also: &["Anysphere"],
        documents: &[],
        callbacks: &[
            "http://localhost/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            // Up to 2025, and still registered beside the others.
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ],
        read: "2026-07",
        source: "https://cursor.com/docs/mcp",
    },
    App {
        name: "Zed",
        also: &["Zed Industries"],
        documents: &["https://zed.dev/oauth/client-metadata.json"],
        callbacks: &["http://127.0.0.1/callback"],
        read: "2026-07",
        source: "https://zed.dev/docs/ai/mcp",
    },
    App {
        name: "Goose",
        also: &[],
        documents: &["https://goose-docs.ai/oauth/client-metadata.json"],
        callbacks: &["http://127.0.0.1/oauth_callback", "http://[::1]/oauth_callback"],
        read: "2026-07",
        source: "https://goose-docs.ai/oauth/client-metadata.json",
    },
    App {
        name: "Cline",
        also: &[],
        documents: &[],
        callbacks: &["http://127.0.0.1/mcp/oauth/callback"],
        read: "2026-07",
        source: "https://github.com/cline/cline",
    },
    App {
        name: "Gemini CLI",
        also: &["Gemini", "Google"],
        documents: &[],
        callbacks: &["http://localhost/oauth/callback"],
        read: "2026-08",
        source: "https://github.com/google-gemini/gemini-cli",
    },
    App {
        name: "opencode",
        also: &[],
        documents: &["https://opencode.ai/oauth/opencode/client.json"],
        callbacks: &["http://127.0.0.1/mcp/oauth/callback"],
        read: "2026-09",
        source: "https://opencode.ai/docs/mcp-servers/",
    },
    App {
        name: "Slackbot",
        also: &["Slack"],
        documents: &["https://slack.com/.well-known/oauth-client-metadata"],
        callbacks: &["https://oauth2.slack.com/external/auth/callback"],
        read: "2026-07",
        source: "https://slack.com/.well-known/oauth-client-metadata",
    },
    App {
        name: "Microsoft 365 Copilot",
        also: &["Copilot Studio"],
        documents: &[],
        callbacks: &["https://global.consent.azure-apim.net/redirect/{}"],
        read: "2026-07",
        source: "https://learn.microsoft.com/en-us/microsoft-copilot-studio/mcp-add-existing-server-to-agent",
    },
    App {
        name: "Kiro",
        also: &[],
        documents: &[],
        callbacks: &["http://localhost/oauth/callback"],
        read: "2026-08",
        source: "https://kiro.dev/docs/mcp/",
    },
    App {
        name: "MCP Inspector",
        also: &[],
        documents: &[],
        callbacks: &[
            "http://localhost/oauth/callback",
            "http://localhost/oauth/callback/debug",
            "http://127.0.0.1/oauth/callback",
        ],
        read: "2026-08",
        source: "https://github.com/modelcontextprotocol/inspector",
    },
    App {
        name: "MCPJam",
        also: &["MCPJam Inspector"],
        documents: &["https://www.mcpjam.com/.well-known/oauth/client-metadata.json"],
        callbacks: &["http://localhost/oauth/callback"],
        read: "2026-07",
        source: "https://www.mcpjam.com/.well-known/oauth/client-metadata.json",
    },
    App {
        name: "mcp-remote",
        also: &[],
        documents: &[],
        callbacks: &["http://localhost/oauth/callback"],
        read: "2026-11",
        source: "https://www.npmjs.com/package/mcp-remote",
    },
    App {
        name: "Notion",
        also: &[],
        documents: &[
            "https://www.notion.so/oauth/mcp-client-metadata.json",
            "https://app.notion.com/oauth/mcp-client-metadata.json",
        ],
        callbacks: &[],
        read: "2026-07",
        source: "https://www.notion.so/oauth/mcp-client-metadata.json",
    },
    App {
        name: "Factory",
        also: &["Factory Droid"],
        documents: &["https://api.factory.ai/mcp/oauth-client"],
        callbacks: &[],
        read: "2026-07",
        source: "https://api.factory.ai/mcp/oauth-client",
    },
    App {
        name: "ToolHive",
        also: &["Stacklok"],
        documents: &["https://toolhive.dev/oauth/client-metadata.json"],
        callbacks: &[],
        read: "2026-07",
        source: "https://toolhive.dev/oauth/client-metadata.json",
    },
    App {
        name: "Hermes Agent",
        also: &["Nous Research"],
        documents: &["https://nousresearch.github.io/hermes-agent/docs/oauth/client-metadata.json"],
        callbacks: &[],
        read: "2026-08",
        source: "https://nousresearch.github.io/hermes-agent/docs/oauth/client-metadata.json",
    },
    App {
        name: "Skydive",
        also: &[],
        documents: &["https://www.skydive.com/api/v1/external-oauth/client-metadata"],
        callbacks: &[],
        read: "2026-08",
        source: "https://www.skydive.com/api/v1/external-oauth/client-metadata",
    },
];

/// Hosts on which anybody can put a file: what lies there is vouched for by nobody but its author, whoever that is.
const HOSTS_OF_EVERYBODY: &[&str] = &[
    "github.io",
    "githubusercontent.com",
    "gitlab.io",
    "pages.dev",
    "workers.dev",
    "vercel.app",
    "netlify.app",
    "web.app",
    "firebaseapp.com",
    "amazonaws.com",
    "cloudfront.net",
    "blob.core.windows.net",
    "azurewebsites.net",
    "storage.googleapis.com",
    "appspot.com",
    "run.app",
    "fly.dev",
    "herokuapp.com",
    "onrender.com",
    "replit.app",
    "glitch.me",
    "surge.sh",
    "ngrok.app",
    "ngrok.io",
    "ngrok-free.app",
    "trycloudflare.com",
    "pastebin.com",
    "gist.github.com",
    "raw.github.com",
    "jsdelivr.net",
    "unpkg.com",
    "codeberg.page",
    "neocities.org",
];

/// The app whose own document this client identifier is.
pub fn by_document(client_id: &str) -> Option<&'static App> {
    APPS.iter().find(|app| app.documents.contains(&client_id))
}

/// Whether a host is one on which anybody can put a file.
pub fn is_everybodys(host: &str) -> bool {
    HOSTS_OF_EVERYBODY
        .iter()
        .any(|shared| host.strip_suffix(shared).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// Whether a redirect URI is, as it stands, the callback of a known app.
pub(crate) fn has_callback(uri: &str) -> bool {
    APPS.iter().any(|app| app.callbacks.contains(&uri))
}

/// The known app whose name somebody uses whose answers cannot reach that app: not one of these redirect URIs is a callback
/// of it. The name is compared by how it looks.
pub fn imitated(name: &str, redirect_uris: &[RedirectUri]) -> Option<&'static App> {
    let worn: Vec<&App> = APPS.iter().filter(|app| app.names().any(|known| looks_like(name, known))).collect();
    // An app may go by part of another one's name; it is enough to be one of them.
    let is_one = worn.iter().any(|app| redirect_uris.iter().any(|uri| app.is_reached_by(uri)));
    if is_one { None } else { worn.first().copied() }
}

impl App {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.also.iter().copied())
    }

    fn is_reached_by(&self, uri: &RedirectUri) -> bool {
        // An app of which only the document is known can be on this computer, as far as anybody can tell.
        let unknown = self.callbacks.is_empty() && matches!(uri.kind(), Kind::Loopback { .. });
        unknown || self.callbacks.iter().any(|callback| fits(callback, uri))
    }
}

fn fits(callback: &str, uri: &RedirectUri) -> bool {
    match callback.split_once("{}") {
        None => RedirectUri::parse(callback).is_ok_and(|callback| callback.matches(uri.as_str())),
        Some((before, _)) => {
            let text = match uri.kind() {
                Kind::Loopback { .. } => without_port(uri.as_str()),
                _ => uri.as_str().to_owned(),
            };
            text.strip_prefix(before).is_some_and(|id| !id.is_empty() && !id.contains(['/', '?']))
        }
    }
}

fn without_port(uri: &str) -> String {
    url::Url::parse(uri).map_or_else(
        |_| uri.to_owned(),
        |mut url| {
            let _ = url.set_port(None);
            url.into()
        },
    )
}

#[cfg(test)]
mod tests;
