//! The only outbound HTTP: limits, redirect policy, SSRF guard, proxies and the roots of trust of the system.
