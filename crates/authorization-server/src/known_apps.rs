//! Apps that speak MCP and that people know by name: the documents that identify them and the callbacks they use.
//!
//! A callback is no proof of who is asking: anybody can register it. It only tells an answer that can reach the app from
//! one that cannot. A document at one of these URLs is proof, since the app's maker alone writes there.

use doorward_types::{RedirectUri, redirect::Kind};

use crate::display_name::is_invisible;

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

/// Whether a name looks like a known one, or has it for a part.
fn looks_like(name: &str, known: &str) -> bool {
    let long = known.len() >= 6;
    let known = skeleton(known);
    let words: Vec<String> = name.split(|c: char| !c.is_alphanumeric() && !is_invisible(c)).map(skeleton).collect();
    let whole = skeleton(name);
    // A short name is a part of too many words.
    if whole == known || words.contains(&known) || (long && whole.contains(&known)) {
        return true;
    }
    (1..words.len()).any(|at| words[at - 1..=at].concat() == known)
}

/// What a name looks like: letters that are drawn alike become one letter, and all that is no letter or digit falls away.
///
/// Source: UTS #39 section 4, for the letters that can be mistaken for basic Latin ones.
pub fn skeleton(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match basic(c) {
            Some(c) => out.push(c),
            None => out.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()).map(|c| basic(c).unwrap_or(c))),
        }
    }
    // Pairs that look like one letter.
    out.replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

/// The basic letter that a character looks like.
fn basic(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = |offset: u32| char::from_u32(u32::from('a') + offset % 26);
    let folded = match code {
        // Full-width forms.
        0xff21..=0xff3a => letter(code - 0xff21)?,
        0xff41..=0xff5a => letter(code - 0xff41)?,
        0xff10..=0xff19 => char::from_u32(code - 0xff10 + 0x30)?,
        // Mathematical letters and digits: 52 letters per style, then ten digits.
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52)?,
        0x1d7ce..=0x1d7ff => char::from_u32((code - 0x1d7ce) % 10 + 0x30)?,
        // Letters in circles, squares and brackets, and regional indicators.
        0x24b6..=0x24cf => letter(code - 0x24b6)?,
        0x24d0..=0x24e9 => letter(code - 0x24d0)?,
        0x249c..=0x24b5 => letter(code - 0x249c)?,
        0x1f130..=0x1f149 => letter(code - 0x1f130)?,
        0x1f150..=0x1f169 => letter(code - 0x1f150)?,
        0x1f170..=0x1f189 => letter(code - 0x1f170)?,
        0x1f1e6..=0x1f1ff => letter(code - 0x1f1e6)?,
        _ => c.to_ascii_lowercase(),
    };
    Some(match folded {
        '0' | 'о' | 'О' | 'ο' | 'Ο' | 'օ' | 'Օ' | 'ѳ' | 'θ' | 'ø' | 'Ø' => 'o',
        '1' | 'i' | 'l' | '|' | 'і' | 'І' | 'ї' | 'Ї' | 'ӏ' | 'Ӏ' | 'ι' | 'Ι' | 'ı' | 'İ' | 'ł' | 'Ł' | 'ɩ' | 'ⅼ'
        | 'ⅰ' => 'l',
        '3' | 'з' | 'З' | 'э' | 'ε' | 'Ε' | 'е' | 'Е' | 'ё' | 'Ё' | 'є' | 'Є' | 'ɛ' | 'ҽ' => 'e',
        '4' | 'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ⲁ' => 'a',
        '5' | 'ѕ' | 'Ѕ' | '$' => 's',
        '6' | 'б' | 'ь' | 'Ь' | 'в' | 'В' | 'β' | 'Β' => 'b',
        'с' | 'С' | 'ϲ' | 'Ϲ' | 'ⅽ' | '¢' | 'ⲥ' => 'c',
        'ԁ' | 'ⅾ' | 'đ' | 'Đ' => 'd',
        'ց' | 'ɡ' | '9' => 'g',
        'һ' | 'Һ' | 'н' | 'Н' | 'Η' | 'հ' => 'h',
        'ј' | 'Ј' | 'ϳ' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'м' | 'М' | 'Μ' | 'ⅿ' => 'm',
        'п' | 'η' | 'ո' | 'Ν' => 'n',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' | 'զ' => 'q',
        'г' | 'ᴦ' => 'r',
        'т' | 'Т' | 'τ' | 'Τ' | '7' => 't',
        'υ' | 'ս' | 'μ' | 'ц' => 'u',
        'ѵ' | 'Ѵ' | 'ν' | 'ⅴ' => 'v',
        'ш' | 'ԝ' | 'Ԝ' | 'ω' | 'ѡ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' | 'ⅹ' => 'x',
        'у' | 'У' | 'ү' | 'Ү' | 'γ' | 'Υ' => 'y',
        '2' | 'Ζ' => 'z',
        other if other.is_ascii_alphanumeric() => other,
        // Latin letters with marks: what they are without.
        'à'..='å' | 'À'..='Å' | 'ā' | 'Ā' | 'ă' | 'Ă' | 'ą' | 'Ą' => 'a',
        'ç' | 'Ç' | 'ć' | 'Ć' | 'ĉ' | 'ċ' | 'č' | 'Č' => 'c',
        'ď' | 'Ď' => 'd',
        'è'..='ë' | 'È'..='Ë' | 'ē' | 'Ē' | 'ĕ' | 'ė' | 'ę' | 'Ę' | 'ě' | 'Ě' => 'e',
        'ĝ' | 'ğ' | 'Ğ' | 'ġ' | 'ģ' => 'g',
        'ì'..='ï' | 'Ì'..='Ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'Ñ' | 'ń' | 'Ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'Ò'..='Ö' | 'ō' | 'Ō' | 'ŏ' | 'ő' | 'Ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' | 'Ř' => 'r',
        'ś' | 'Ś' | 'ŝ' | 'ş' | 'Ş' | 'š' | 'Š' => 's',
        'ţ' | 'ť' | 'Ť' | 'ț' => 't',
        'ù'..='ü' | 'Ù'..='Ü' | 'ũ' | 'ū' | 'Ū' | 'ŭ' | 'ů' | 'Ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' | 'Ý' => 'y',
        'ź' | 'Ź' | 'ż' | 'Ż' | 'ž' | 'Ž' => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
