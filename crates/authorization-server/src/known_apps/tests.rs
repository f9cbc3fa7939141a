use super::*;
use crate::looks::skeleton;

fn redirects(uris: &[&str]) -> Vec<RedirectUri> {
    uris.iter().map(|uri| RedirectUri::parse(*uri).unwrap()).collect()
}

#[test]
fn every_entry_says_when_and_where_it_was_read_and_can_be_used() {
    for app in APPS {
        assert!(app.source.starts_with("https://") && app.read.len() == 7, "{}", app.name);
        assert!(!app.documents.is_empty() || !app.callbacks.is_empty(), "{}", app.name);
        for document in app.documents {
            assert!(crate::client_document::DocumentUrl::parse(document).is_ok(), "{document}");
            assert_eq!(by_document(document).unwrap().name, app.name);
        }
        for callback in app.callbacks {
            let uri = redirects(&[&callback.replace("{}", "abc")]);
            assert!(app.is_reached_by(&uri[0]), "{callback}");
            assert!(imitated(app.name, &uri).is_none(), "{} at {callback}", app.name);
        }
    }
}

#[test]
fn a_name_that_looks_like_a_known_apps_is_found_out() {
    // proves: REG-05, R7591-12
    let elsewhere = redirects(&["https://evil.example/cb"]);
    for (name, app) in [
        ("Claude", "Claude"),
        ("claude", "Claude"),
        ("CLAUDE", "Claude"),
        ("\u{421}laude", "Claude"),
        ("\u{421}l\u{430}ud\u{435}", "Claude"),
        ("Cla\u{200b}ude", "Claude"),
        ("C l a u d e", "Claude"),
        ("\u{202e}Claude", "Claude"),
        ("\u{1f512} Claude", "Claude"),
        ("Cl\u{e1}ude", "Claude"),
        ("Ｃｌａｕｄｅ", "Claude"),
        ("\u{1d402}\u{1d425}\u{1d41a}\u{1d42e}\u{1d41d}\u{1d41e}", "Claude"),
        ("ClaudeOfficial", "Claude"),
        ("Official Claude App", "Claude"),
        ("Anthropic", "Claude"),
        ("Anthr0pic", "Claude"),
        ("C1aude", "Claude"),
        ("Cursor", "Cursor"),
        ("\u{441}ursor", "Cursor"),
        ("Cursor\u{1b}[31m", "Cursor"),
        ("Curs\u{f8}r", "Cursor"),
        ("ChatGPT", "ChatGPT"),
        ("Chat GPT", "ChatGPT"),
        ("OpenAl", "ChatGPT"),
        ("Zed", "Zed"),
        ("Visual Studio Code", "Visual Studio Code"),
        ("VSCode", "Visual Studio Code"),
        ("Microsoft", "Visual Studio Code"),
        ("rnicrosoft", "Visual Studio Code"),
        ("n8n", ""),
        ("Notes", ""),
        ("An app", ""),
        ("Zedekiah", ""),
        ("Précurseur", ""),
        ("日本語", ""),
        ("", ""),
    ] {
        let found = imitated(name, &elsewhere).map_or("", |app| app.name);
        assert_eq!(found, app, "{name:?} looks like {:?}", skeleton(name));
    }
}

#[test]
fn a_short_name_is_found_among_words_and_not_inside_one() {
    // proves: REG-05
    let elsewhere = redirects(&["https://evil.example/cb"]);
    let found = |name: &str| imitated(name, &elsewhere).map_or("", |app| app.name);
    for name in
        ["Zed", "z3d", "Z.e.d", "Official Zed", "Zed-Editor", "The Ze d app", "a Z\u{200b}e\u{200b}d b", "Zed\u{3164}"]
    {
        assert_eq!(found(name), "Zed", "{name:?}");
    }
    for name in ["Zedekiah", "Amazed", "Z", "Ze", "Ze and d"] {
        assert_eq!(found(name), "", "{name:?}");
    }
    assert_eq!(found("Cla\u{3164}ude"), "Claude");
}

#[test]
fn letters_that_are_drawn_alike_count_as_one() {
    // proves: REG-05
    for (drawn, letter) in [
        (
            "A\u{ff21}\u{ff41}\u{1d400}\u{1d41a}\u{1d670}\u{24b6}\u{24d0}\u{249c}\u{1f130}\u{1f150}\u{1f170}\u{1f1e6}",
            'a',
        ),
        (
            "Z\u{ff3a}\u{ff5a}\u{1d419}\u{1d433}\u{1d6a3}\u{24cf}\u{24e9}\u{24b5}\u{1f149}\u{1f169}\u{1f189}\u{1f1ff}",
            'z',
        ),
        ("0\u{ff10}\u{1d7ce}\u{1d7d8}оОοΟօՕѳθøØòöÒÖōŌŏőŐ", 'o'),
        ("9\u{ff19}\u{1d7ff}ցɡĝğĞġģ", 'g'),
        ("1Il|іІїЇӏӀιΙıİłŁɩⅼⅰìïÌÏĩīĭįĺļľ", 'l'),
        ("3зЗэεΕеЕёЁєЄɛҽèëÈËēĒĕėęĘěĚ", 'e'),
        ("4аАαΑɑⲁàåÀÅāĀăĂąĄ", 'a'),
        ("5ѕЅ$śŚŝşŞšŠ", 's'),
        ("6бьЬвВβΒ", 'b'),
        ("сСϲϹⅽ¢ⲥçÇćĆĉċčČ", 'c'),
        ("ԁⅾđĐďĎ", 'd'),
        ("һҺнНΗհ", 'h'),
        ("јЈϳ", 'j'),
        ("кКκΚ", 'k'),
        ("мМΜⅿ", 'm'),
        ("пηոΝñÑńŃņň", 'n'),
        ("рРρΡ", 'p'),
        ("ԛզ", 'q'),
        ("гᴦŕŗřŘ", 'r'),
        ("7тТτΤţťŤț", 't'),
        ("υսμцùüÙÜũūŪŭůŮűų", 'u'),
        ("ѵѴνⅴ", 'v'),
        ("шԝԜωѡ", 'w'),
        ("хХχΧⅹ", 'x'),
        ("уУүҮγΥýÿÝ", 'y'),
        ("2ΖźŹżŻžŽ", 'z'),
    ] {
        for c in drawn.chars() {
            assert_eq!(skeleton(&c.to_string()), letter.to_string(), "{c:?}");
        }
    }
    assert_eq!(
        (skeleton("rnodvv"), skeleton("claude"), skeleton("日 本!")),
        ("modw".into(), "daude".into(), "日本".into())
    );
}

#[test]
fn the_app_itself_is_no_imitation() {
    for (name, uri) in [
        ("Claude", "https://claude.ai/api/mcp/auth_callback"),
        ("Claude Code (files)", "http://localhost:54321/callback"),
        ("Cursor", "cursor://anysphere.cursor-mcp/oauth/callback"),
        ("Codex", "http://127.0.0.1:4242/callback/AbCdEf012345"),
        ("ChatGPT", "https://chatgpt.com/connector/oauth/xyz"),
        ("Visual Studio Code", "http://127.0.0.1:33418/"),
    ] {
        assert!(imitated(name, &redirects(&[uri])).is_none(), "{name}");
    }
    for (name, uri) in [
        ("ChatGPT", "https://chatgpt.com/connector/oauth/x/y"),
        ("ChatGPT", "https://chatgpt.com.evil.example/connector/oauth/x"),
        ("Claude", "https://claude.ai/api/mcp/auth_callback/x"),
        ("ChatGPT", "https://chatgpt.com/connector/oauth/"),
        ("ChatGPT", "http://127.0.0.1:4000/callback"),
    ] {
        assert!(imitated(name, &redirects(&[uri])).is_some(), "{uri}");
    }
    // Of which only the document is known can be on this computer, and nowhere else.
    for app in APPS.iter().filter(|app| app.callbacks.is_empty()) {
        assert!(app.is_reached_by(&redirects(&["http://127.0.0.1:4000/x"])[0]), "{}", app.name);
        assert!(!app.is_reached_by(&redirects(&["https://evil.example/cb"])[0]), "{}", app.name);
    }
}

#[test]
fn a_host_of_everybody_vouches_for_nobody() {
    // proves: CIMD-14
    for host in ["evil.github.io", "gist.github.com", "raw.githubusercontent.com", "x.s3.amazonaws.com", "a.pages.dev"]
    {
        assert!(is_everybodys(host), "{host}");
    }
    for host in ["github.com", "notgithub.io", "vscode.dev", "claude.ai"] {
        assert!(!is_everybodys(host), "{host}");
    }
}
