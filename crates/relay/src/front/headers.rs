use base64ct::{Base64, Encoding};
use doorward_types::Revision;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    envelope::{HEADER_MISMATCH, INVALID_PARAMS, Members, Message, RpcError, UNSUPPORTED_VERSION},
    era::{Era, META_CAPABILITIES, META_VERSION, served},
    plan::name_member,
    upstream::stdio::Mirrored,
};

const VERSION: &str = "mcp-protocol-version";

/// Finds out which era a message is of, and whether its headers say what its body says. What counts is always
/// the body; the headers only have to agree, for the sake of those who read nothing else.
///
/// # Errors
/// With a JSON-RPC error, for an answer with status 400.
/// Source: MCP 2026-07-28 Streamable HTTP, "Protocol Version Header", "Server Validation".
pub(super) fn check(headers: &HeaderMap, message: &Message) -> Result<Era, RpcError> {
    let none = Members::default();
    let (method, params, is_request) = match message {
        Message::Request(request) => (request.method.as_str(), &request.params, true),
        Message::Notification { method, params } => (method.as_str(), params, false),
        Message::Response { .. } => ("", &none, false),
    };
    let header = once(headers, VERSION)?;
    let meta = params.object("_meta").unwrap_or_default();
    let Some(body) = meta.get(META_VERSION) else {
        return match header.map(|text| (text, Revision::parse(text))) {
            None => Ok(Era::Legacy),
            Some((_, Some(revision))) if !revision.is_stateless() => Ok(Era::Legacy),
            Some((_, Some(_))) if is_request => Err(missing(META_VERSION)),
            Some((_, Some(_))) => Ok(Era::Modern),
            Some((text, None)) => Err(unsupported(text)),
        };
    };
    let Ok(version) = serde_json::from_str::<String>(body.get()) else { return Err(missing(META_VERSION)) };
    if header.is_some_and(|header| header != version) || (is_request && header.is_none()) {
        return Err(mismatch("MCP-Protocol-Version"));
    }
    if Revision::parse(&version).is_none_or(|revision| !revision.is_stateless()) {
        return Err(unsupported(&version));
    }
    let mirrored = once(headers, "mcp-method")?;
    if mirrored.is_some_and(|mirrored| mirrored != method) || (is_request && mirrored.is_none()) {
        return Err(mismatch("Mcp-Method"));
    }
    if !is_request {
        return Ok(Era::Modern);
    }
    if meta.object(META_CAPABILITIES).is_none() {
        return Err(missing(META_CAPABILITIES));
    }
    if let Some(named) = name_member(method).and_then(|member| params.text(member))
        && once(headers, "mcp-name")?.and_then(decoded).is_none_or(|mirrored| mirrored != named)
    {
        return Err(mismatch("Mcp-Name"));
    }
    Ok(Era::Modern)
}

/// Whether the headers repeat the arguments that the tool wants repeated. Headers that it does not name are
/// nobody's business here.
///
/// # Errors
/// With a JSON-RPC error, for an answer with status 400.
/// Source: MCP 2026-07-28 Streamable HTTP, "Custom Headers", "Server Validation".
pub(super) fn check_arguments(headers: &HeaderMap, mirrored: &[Mirrored], params: &Members) -> Result<(), RpcError> {
    if mirrored.is_empty() {
        return Ok(());
    }
    let arguments: Value =
        params.get("arguments").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    for Mirrored { header, path } in mirrored {
        let argument = path.iter().try_fold(&arguments, |value, name| value.get(name)).unwrap_or(&Value::Null);
        let sent = once(headers, header.as_str())?;
        let agrees = match (argument, sent.map(decoded)) {
            (_, Some(None)) => false,
            (Value::Null, sent) => sent.is_none(),
            (Value::String(own), sent) => sent.flatten().as_ref() == Some(own),
            (Value::Bool(own), sent) => sent.flatten() == Some(own.to_string()),
            // A whole number that every reader can hold; of others there is no agreed text.
            (Value::Number(own), sent) if own.as_i64().is_some_and(|own| own.unsigned_abs() < 1 << 53) => {
                sent.flatten().and_then(|sent| sent.parse::<f64>().ok()) == own.as_f64()
            }
            (_, sent) => sent.is_none(),
        };
        if !agrees {
            return Err(mismatch(header.as_str()));
        }
    }
    Ok(())
}

/// Whether a legacy caller's version header, if there is one, names a revision with sessions.
///
/// Source: MCP 2025-11-25 Streamable HTTP, "Protocol Version Header".
pub(super) fn check_session_version(headers: &HeaderMap) -> Result<(), (StatusCode, RpcError)> {
    let refused = |error| (StatusCode::BAD_REQUEST, error);
    match once(headers, VERSION).map_err(refused)? {
        None => Ok(()),
        Some(text) => match Revision::parse(text) {
            Some(revision) if revision.is_stateless() => {
                let why = "this revision has no sessions: POST is the only method";
                Err((StatusCode::METHOD_NOT_ALLOWED, RpcError::new(crate::envelope::INVALID_REQUEST, why)))
            }
            Some(_) => Ok(()),
            None => Err(refused(unsupported(text))),
        },
    }
}

/// The value of a header that may be there at most once.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(mismatch(name)),
    }
}

/// The value that a header stands for: itself, or what its Base64 says. It is decoded once.
///
/// Source: MCP 2026-07-28 Streamable HTTP, "Value Encoding".
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(Base64::decode_vec(encoded).ok()?).ok(),
    }
}

fn mismatch(header: &str) -> RpcError {
    RpcError::new(
        HEADER_MISMATCH,
        format!("the header {header} is missing, repeated, unreadable or differs from the body"),
    )
}

fn missing(member: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("params._meta needs {member:?}"))
}

fn unsupported(requested: &str) -> RpcError {
    let requested: String = requested.chars().take(64).collect();
    RpcError {
        code: UNSUPPORTED_VERSION,
        message: "this protocol version is not served here".into(),
        data: Some(json!({ "supported": served(), "requested": requested })),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::envelope::{self, Incoming};

    fn message(body: &Value) -> Message {
        match envelope::read(body.to_string().as_bytes(), 1).unwrap() {
            Incoming::Single(message) => message,
            Incoming::Batch(_) => unreachable!("one message was written"),
        }
    }

    fn call(name: &str) -> Value {
        let meta = json!({ META_VERSION: "2026-07-28", META_CAPABILITIES: {} });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "_meta": meta } })
    }

    fn judge(body: &Value, pairs: &[(&str, &[u8])]) -> Result<Era, i64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        check(&headers, &message(body)).map_err(|error| error.code)
    }

    const VERSION: (&str, &[u8]) = ("MCP-Protocol-Version", b"2026-07-28");
    const METHOD: (&str, &[u8]) = ("Mcp-Method", b"tools/call");
    const NAME: (&str, &[u8]) = ("Mcp-Name", b"read");

    #[test]
    fn modern_headers_must_say_what_the_body_says() {
        // proves: MCPP-03, MCPP-04, MCP-HTTP-007, MCP-HTTP-013, MCP-PX-02, MCP-PX-03
        let judge = |pairs: &[(&str, &[u8])]| judge(&call("read"), pairs);
        assert_eq!(judge(&[VERSION, METHOD, NAME]), Ok(Era::Modern));
        assert_eq!(judge(&[VERSION, METHOD, NAME, ("Mcp-Param-X", b"y"), ("mcp-param-x", b"z")]), Ok(Era::Modern));
        assert_eq!(judge(&[VERSION, METHOD, ("Mcp-Name", b"=?base64?cmVhZA==?=")]), Ok(Era::Modern));
        let mismatches: [&[(&str, &[u8])]; 18] = [
            &[METHOD, NAME],
            &[VERSION, NAME],
            &[VERSION, METHOD],
            &[VERSION, VERSION, METHOD, NAME],
            &[VERSION, METHOD, METHOD, NAME],
            &[VERSION, METHOD, NAME, NAME],
            &[("MCP-Protocol-Version", b"2025-11-25"), METHOD, NAME],
            &[VERSION, ("Mcp-Method", b"tools/list"), NAME],
            &[VERSION, ("Mcp-Method", b"Tools/Call"), NAME],
            &[VERSION, ("Mcp-Method", b"=?base64?dG9vbHMvY2FsbA==?="), NAME],
            &[VERSION, METHOD, ("Mcp-Name", b"safe")],
            &[VERSION, METHOD, ("Mcp-Name", b"READ")],
            &[VERSION, METHOD, ("Mcp-Name", b"")],
            &[VERSION, METHOD, ("Mcp-Name", b"=?BASE64?cmVhZA==?=")],
            &[VERSION, METHOD, ("Mcp-Name", b"=?base64?cmVhZA?=")],
            &[VERSION, METHOD, ("Mcp-Name", b"=?base64?!!!!?=")],
            &[VERSION, METHOD, ("Mcp-Name", b"=?base64?PT9iYXNlNjQ/Y21WaFpBPT0/PQ==?=")],
            &[VERSION, METHOD, ("Mcp-Name", b"r\xe9ad")],
        ];
        for pairs in mismatches {
            assert_eq!(judge(pairs), Err(HEADER_MISMATCH), "{pairs:?}");
        }
    }

    #[test]
    fn names_that_no_header_can_hold_are_encoded() {
        // proves: MCPP-03, MCP-PX-02
        let encoded = |name: &str| format!("=?base64?{}?=", Base64::encode_string(name.as_bytes()));
        for name in ["läsa", " read", "a\nb", "=?base64?cmVhZA==?=", "\u{202e}daer"] {
            let good = encoded(name);
            assert_eq!(
                judge(&call(name), &[VERSION, METHOD, ("Mcp-Name", good.as_bytes())]),
                Ok(Era::Modern),
                "{name}"
            );
        }
        // A name that looks encoded stands for what it says, not for itself.
        let looks = "=?base64?cmVhZA==?=";
        assert_eq!(judge(&call(looks), &[VERSION, METHOD, ("Mcp-Name", looks.as_bytes())]), Err(HEADER_MISMATCH));
        assert_eq!(
            judge(&call("x"), &[VERSION, METHOD, ("Mcp-Name", b"=?base64?/w==?=")]),
            Err(HEADER_MISMATCH),
            "not UTF-8"
        );
    }

    #[test]
    fn the_era_is_the_bodys() {
        // proves: MCP-HTTP-008, MCP-HTTP-009, MCP-HTTP-010, MCP-PX-05, MCPP-04
        let old = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "danger" } });
        assert_eq!(judge(&old, &[]), Ok(Era::Legacy));
        // What an old revision's headers claim is not even read.
        let spoof: &[(&str, &[u8])] = &[("MCP-Protocol-Version", b"2025-06-18"), ("Mcp-Name", b"safe")];
        assert_eq!(judge(&old, spoof), Ok(Era::Legacy));
        assert_eq!(judge(&old, &[VERSION, METHOD]), Err(INVALID_PARAMS));
        assert_eq!(judge(&old, &[("MCP-Protocol-Version", b"2027-01-01")]), Err(UNSUPPORTED_VERSION));
        for version in ["2027-01-01", "2025-11-25", "", "1.0"] {
            let mut body = call("read");
            body["params"]["_meta"][META_VERSION] = version.into();
            let pairs = [("MCP-Protocol-Version", version.as_bytes()), METHOD, NAME];
            assert_eq!(judge(&body, &pairs), Err(UNSUPPORTED_VERSION), "{version}");
        }
        let mut body = call("read");
        body["params"]["_meta"][META_VERSION] = 20260728.into();
        assert_eq!(judge(&body, &[VERSION, METHOD, NAME]), Err(INVALID_PARAMS));
        let mut body = call("read");
        body["params"]["_meta"].as_object_mut().unwrap().remove(META_CAPABILITIES);
        assert_eq!(judge(&body, &[VERSION, METHOD, NAME]), Err(INVALID_PARAMS));
        // A notification need not have the headers, but those it has must be true.
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/x", "params": { "_meta": { META_VERSION: "2026-07-28" } } });
        assert_eq!(judge(&note, &[]), Ok(Era::Modern));
        assert_eq!(judge(&note, &[VERSION, METHOD]), Err(HEADER_MISMATCH));
    }

    #[test]
    fn an_unsupported_version_is_told_what_is_supported() {
        // proves: MCP-HTTP-008
        let mut headers = HeaderMap::new();
        headers.insert("mcp-protocol-version", HeaderValue::from_static("1999-01-01"));
        let error = check(&headers, &message(&json!({ "jsonrpc": "2.0", "id": 1, "method": "x" }))).unwrap_err();
        let data = error.data.unwrap();
        assert_eq!(data["requested"], "1999-01-01");
        assert_eq!(data["supported"], json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]));
    }

    #[test]
    fn arguments_that_a_tool_wants_repeated_are_repeated() {
        // proves: MCPP-03, MCP-PX-01, MCP-PX-03
        let mirrored = |name: &str, path: &[&str]| Mirrored {
            header: HeaderName::try_from(format!("mcp-param-{name}")).unwrap(),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
        };
        let tool = [mirrored("city", &["city"]), mirrored("days", &["when", "days"]), mirrored("dry", &["dry"])];
        let judge = |arguments: Value, pairs: &[(&str, &str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap()));
            let params = Members::parse(&json!({ "arguments": arguments }).to_string()).unwrap();
            let mut map = HeaderMap::new();
            map.extend(headers);
            check_arguments(&map, &tool, &params).is_ok()
        };
        let all = json!({ "city": "Oslo", "when": { "days": 3 }, "dry": true });
        let headers = [("Mcp-Param-City", "Oslo"), ("mcp-param-days", "3"), ("MCP-PARAM-DRY", "true")];
        assert!(judge(all.clone(), &headers));
        assert!(judge(all.clone(), &[headers[0], ("mcp-param-days", "3.0"), headers[2], ("mcp-param-other", "x")]));
        assert!(judge(json!({}), &[]) && judge(json!({ "city": null }), &[]));
        assert!(judge(json!({ "city": "Tromsø" }), &[("mcp-param-city", "=?base64?VHJvbXPDuA==?=")]));
        assert!(judge(json!({ "when": { "days": 0.5 } }), &[]) && judge(json!({ "when": 7 }), &[]));
        for wrong in [
            &headers[..2],
            &headers[1..],
            &[("mcp-param-city", "oslo"), headers[1], headers[2]],
            &[("mcp-param-city", "=?base64?!?="), headers[1], headers[2]],
            &[headers[0], ("mcp-param-days", "4"), headers[2]],
            &[headers[0], ("mcp-param-days", "three"), headers[2]],
            &[headers[0], headers[1], ("mcp-param-dry", "True")],
            &[headers[0], headers[1], headers[2], headers[2]],
        ] {
            let mut repeated = HeaderMap::new();
            for (name, value) in wrong {
                repeated.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let params = Members::parse(&json!({ "arguments": all }).to_string()).unwrap();
            assert!(check_arguments(&repeated, &tool, &params).is_err(), "{wrong:?}");
        }
        assert!(!judge(json!({}), &[headers[0]]) && !judge(json!({ "city": [] }), &[headers[0]]));
    }
}
