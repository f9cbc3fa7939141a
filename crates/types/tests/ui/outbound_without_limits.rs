//! A request that goes out says how much it may cost and where it may go.

use doorward_types::outbound::Outbound;

fn main() {
    let url = url::Url::parse("https://a.example").unwrap();
    let _ = Outbound { method: http::Method::GET, url, headers: http::HeaderMap::new(), body: Vec::new() };
}
