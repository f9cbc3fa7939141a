//! Readers for URLs and forms in answers, independent of the code under test.

/// The decoded value of the first parameter `name` in the URL's query (or fragment), or in a bare form body.
pub fn parameter(text: &str, name: &str) -> Option<String> {
    parameters(text).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// All parameters of the URL's query (or fragment), or of a bare form body, in order, decoded.
pub fn parameters(text: &str) -> Vec<(String, String)> {
    let query = text.split_once(['?', '#']).map_or(text, |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// A form body (or query) of these parameters, percent-encoded.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{}={}", encode(key), encode(value));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes percent-encoding and `+`; a malformed triplet stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_survives_the_round_trip() {
        let pairs = [("redirect_uri", "http://127.0.0.1:7/cb?a=1&b=2"), ("state", "a b+c%/é")];
        let body = form(&pairs);
        assert_eq!(parameter(&body, "state").as_deref(), Some("a b+c%/é"));
        assert_eq!(parameter(&format!("https://x/y?{body}#z=1"), "redirect_uri").as_deref(), Some(pairs[0].1));
        assert_eq!(parameter("https://x/y?code=1", "state"), None);
    }
}
