//! A server that checks its tokens itself: it is another resource of the same authorization server.

use doorward_testkit::{
    postgres::Postgres,
    process::{Gateway, http},
    url_text,
};
use serde_json::Value;

use crate::{
    engine::{Rows, World, options, until},
    world::{App, CALLBACK, NAME, PASSWORD, visitor},
};

const TICKETS: &str = "https://tickets.example/mcp";

/// Posts a form as a client with a secret.
async fn post(url: &str, client: &Value, form: &[(&str, &str)]) -> (u16, Value) {
    let text = |name: &str| client[name].as_str().unwrap();
    let request = http().post(url).basic_auth(text("client_id"), Some(text("client_secret")));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(url_text::form(form)).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_token_is_exchanged_for_one_of_another_server_and_ends_with_its_grant() {
    // proves: R8693-01, AUD-03, INT-01
    for database in [None, Some(Postgres::fresh())] {
        let with = options().environment("DOORWARD_ALSO_RESOURCE", &format!("Tickets={TICKETS}"));
        let (with, rows) = match database {
            None => (with, None),
            Some(database) => (with.environment("DOORWARD_DATABASE_URL", &database.url()), Some(database)),
        };
        let gateway = Gateway::start(with);
        gateway.add_user(NAME, PASSWORD);
        let file = gateway.data_dir().join("doorward.sqlite");
        let world = World { gateway, rows: rows.map_or(Rows::Sqlite(file), Rows::Postgres) };
        let (own, issuer) = (world.gateway.mcp_url().to_owned(), world.gateway.public_url().to_owned());
        let backend = world.json(&format!(
            "client add Files --auth basic --grant token-exchange --protects {own} --exchanges-for {TICKETS}"
        ));
        let narrow = world.json(&format!("client add Narrow --auth basic --grant token-exchange --protects {own}"));
        let tickets =
            world.json(&format!("client add Tickets --auth basic --grant client-credentials --protects {TICKETS}"));

        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let person = app.tokens(&mut visitor(&world.gateway)).await;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", person.access()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("resource", TICKETS),
            ("scope", "mcp:read"),
        ];
        let token = format!("{issuer}/oauth/token");
        let (status, exchanged) = post(&token, &backend, &form).await;
        assert_eq!(status, 200, "{exchanged}");
        // Who may act at the gateway, but was not let through to the other server, is refused there.
        let (status, refused) = post(&token, &narrow, &form).await;
        assert_eq!((status, &refused["error"]), (400, &"invalid_target".into()), "{refused}");
        // Only the server whose resource a token is not for may not exchange it.
        assert_eq!(post(&token, &tickets, &form).await.0, 400);
        let access = exchanged["access_token"].as_str().unwrap().to_owned();
        assert_eq!(app.call(&access).await, 401, "it is for the other server alone");

        let introspect = format!("{issuer}/oauth/introspect");
        let ask = |token: String| {
            let (introspect, tickets) = (introspect.clone(), tickets.clone());
            async move { post(&introspect, &tickets, &[("token", &token)]).await.1 }
        };
        let told = ask(access.clone()).await;
        assert_eq!(
            (&told["active"], &told["aud"], &told["scope"]),
            (&true.into(), &TICKETS.into(), &"mcp:read".into())
        );
        let foreign = ask(person.access().to_owned()).await;
        assert_eq!(
            foreign,
            serde_json::json!({"active": false}),
            "a token of the gateway is not the server's to ask about"
        );

        let given_back = [("token", person.refresh()), ("client_id", &app.id)];
        let revoked = http().post(format!("{issuer}/oauth/revoke"));
        let revoked = revoked.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(revoked.body(url_text::form(&given_back)).send().await.unwrap().status().as_u16(), 200);
        until("the exchanged token has ended", || async { ask(access.clone()).await["active"] == false }).await;
    }
}
