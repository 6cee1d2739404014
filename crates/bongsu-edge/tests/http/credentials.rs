//! Who signs a call, and how: tokens, keys, none, both, nonsense.

use std::sync::Arc;

use bongsu_edge::auth::api_key::ApiKeyForm;
use bongsu_edge::auth::{ApiKeySetting, ApiKeys, Secret};
use bongsu_model::Role;

use crate::client::request;
use crate::server::{KEY, Server};

const PATH: &str = "/api/v1/rooms";

#[tokio::test]
async fn a_call_is_signed_by_a_token_or_a_key() {
    let server = Server::start().await;
    for headers in [
        vec![("authorization", "Bearer back-end/service")],
        vec![("authorization", "bearer   back-end/service")],
        vec![("X-API-Key", KEY)],
    ] {
        server
            .raw(request("GET", PATH, &headers, None))
            .await
            .unwrap()
            .is(200);
    }
    for (headers, reason) in [
        (vec![], "missing"),
        (vec![("authorization", "")], "missing"),
        (vec![("authorization", "Bearer")], "missing"),
        (vec![("authorization", "Bearer ")], "missing"),
        (vec![("authorization", "Basic YTpi")], "missing"),
        (vec![("authorization", "Bearer nonsense")], "malformed"),
        (vec![("x-api-key", "")], "unknown_key"),
        (vec![("x-api-key", &KEY[1..])], "unknown_key"),
        (
            vec![("x-api-key", KEY), ("authorization", "Bearer back-end/service")],
            "two_credentials",
        ),
        (vec![("x-api-key", KEY), ("x-api-key", KEY)], "two_credentials"),
        (
            vec![
                ("authorization", "Bearer 1/user"),
                ("authorization", "Bearer 2/user"),
            ],
            "two_credentials",
        ),
    ] {
        let answer = server.raw(request("GET", PATH, &headers, None)).await.unwrap();
        let problem = answer.refused(401, "INVALID_TOKEN");
        assert_eq!(problem["reason"], reason, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"bongsu\""));
        assert!(
            !answer.text().contains(KEY) && !answer.text().contains("nonsense"),
            "credentials are not repeated"
        );
    }
}

#[tokio::test]
async fn keys_can_be_replaced_while_serving() {
    let server = Server::start().await;
    let fresh = "another key, just as long as needed";
    let setting = ApiKeySetting {
        name: "new".into(),
        role: Role::Admin,
        key: ApiKeyForm::Plain(Secret::new(fresh)),
    };
    server
        .service
        .set_api_keys(Arc::new(ApiKeys::new(&[setting]).unwrap()));
    server
        .raw(request("GET", PATH, &[("x-api-key", fresh)], None))
        .await
        .unwrap()
        .is(200);
    server
        .raw(request("GET", PATH, &[("x-api-key", KEY)], None))
        .await
        .unwrap()
        .refused(401, "INVALID_TOKEN");
}
