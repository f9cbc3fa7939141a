//! Redirect URIs that are nearly what was registered: one list for the decision, the endpoint and the running gateway.

/// Spellings of, and attacks on, `https://a.example/cb`, none of which is it.
pub const NOT_THE_CALLBACK: &[&str] = &[
    // Not it at all.
    "https://evil.example/",
    "https://evil.example/cb",
    "https://a.example.evil.example/cb",
    "https://evil.example/?https://a.example/cb",
    "http://a.example/cb",
    "//a.example/cb",
    "/cb",
    "cb",
    "javascript:alert(1)",
    "data:text/html,x",
    // A user name that looks like the host.
    "https://a.example@evil.example/cb",
    "https://a.example:pw@evil.example/cb",
    "https://evil.example\\@a.example/cb",
    "https://a.example%40evil.example/cb",
    "https://user@a.example/cb",
    // Fragments.
    "https://a.example/cb#x",
    "https://a.example/cb#",
    "https://a.example/cb%23x",
    // Other paths, and spellings of the same one.
    "https://a.example/cb/../evil",
    "https://a.example/cb/../cb",
    "https://a.example/x/../cb",
    "https://a.example/cb/%2e%2e/evil",
    "https://a.example/cb/..%2fevil",
    "https://a.example/cb;/../evil",
    "https://a.example/cb/.",
    "https://a.example//cb",
    "https://a.example/cb/",
    "https://a.example/cb/39Y8n",
    // Queries.
    "https://a.example/cb?",
    "https://a.example/cb?x=1",
    "https://a.example/cb?code=x",
    // Letter case.
    "HTTPS://A.EXAMPLE/cb",
    "https://A.example/cb",
    "https://a.example/CB",
    "hTTps://a.example/cb",
    // Ports.
    "https://a.example:443/cb",
    "https://a.example:/cb",
    "https://a.example:0443/cb",
    "https://a.example:8443/cb",
    // Percent-encoding and line breaks.
    "https://a.example/c%62",
    "https://a.example/cb%00",
    "https://a.example/cb\0",
    "https://a.example/cb%0d%0aX: y",
    "https://a.example/cb\r\nX: y",
    "https://a.example/cb%09",
    "https://a.example/cb%c0%af",
    "https://a.example/cb%ed%a0%80",
    // White space and what cannot be seen.
    " https://a.example/cb",
    "https://a.example/cb ",
    "https://a.example/cb\t",
    "https://a.exam\tple/cb",
    "https://a.example/cb\n",
    "https://a.example/cb\u{200b}",
    "\u{feff}https://a.example/cb",
    "https://a.example/\u{202e}cb",
    "https://a.example/cb https://a.example/cb",
    // Other letters that look like these.
    "https://a\u{ff0e}example/cb",
    "https://a\u{3002}example/cb",
    "https://\u{430}.example/cb",
];

/// What may stand between `http://127.0.0.1` and `/cb` when that was registered with any port or none.
pub const LOOPBACK_PORTS: &[&str] = &["", ":1", ":80", ":1024", ":33418", ":65535"];

/// Nearly `http://127.0.0.1/cb`, whose port alone is free.
pub const NOT_THE_LOOPBACK: &[&str] = &[
    // What is no port.
    "http://127.0.0.1:/cb",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:65536/cb",
    "http://127.0.0.1:-1/cb",
    "http://127.0.0.1:0x50/cb",
    "http://127.0.0.1:\u{ff18}0/cb",
    "http://127.0.0.1:\u{ff18}\u{ff10}/cb",
    "http://127.0.0.1:080/cb",
    "http://127.0.0.1:+80/cb",
    "http://127.0.0.1:80 /cb",
    "http://127.0.0.1:1:2/cb",
    "http://127.0.0.1:99999999999/cb",
    // All that is not the port.
    "http://127.0.0.1/",
    "http://127.0.0.1:80/cb/",
    "http://127.0.0.1:80/CB",
    "http://127.0.0.1:80/other",
    "http://127.0.0.1:80/x/../cb",
    "http://127.0.0.1:80/cb?x",
    "http://127.0.0.1:80/cb#",
    "https://127.0.0.1/cb",
    "https://127.0.0.1:8080/cb",
    "HTTP://127.0.0.1/cb",
    // Other hosts, and other spellings of this one.
    "http://[::1]/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://127.0.0.2/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://0x7f.1/cb",
    "http://0177.0.0.1/cb",
    "http://0.0.0.0/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://127.0.0.1@evil.example/cb",
    "http://127.0.0.1:80@evil.example/cb",
    "http://u@127.0.0.1:80/cb",
];

/// Nearly `http://localhost/cb`, whose port alone is free.
pub const NOT_LOCALHOST: &[&str] = &[
    "http://localhost./cb",
    "http://LOCALHOST/cb",
    "http://testlocalhost/cb",
    "http://foo.localhost/cb",
    "http://localhost.evil.example/cb",
    "http://localhost:80@evil.example/cb",
];
