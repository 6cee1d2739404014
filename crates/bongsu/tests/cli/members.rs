//! What is shown of users, and their member tokens, from the command line.

use serde_json::{Value, json};

use crate::support::{Server, folder};

#[test]
fn a_user_is_shown_as_it_was_told_to_be() {
    let (_home, data) = folder();
    let server = Server::start(&data, &[]);
    let args = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    let make = "user add --id 7 --nick ko=하나 --nick zh-TW=哈娜=1 --en Hana --profile-img https://cdn.example/7.png \
                --profile-thumb https://cdn.example/t7.png --region KR --language ko --gender F";
    let made = server.ask(&data, &args(make));
    assert_eq!(
        made["nick"],
        json!({ "en": "Hana", "ko": "하나", "zh-TW": "哈娜=1" })
    );
    assert_eq!(
        made["avatar"],
        json!({ "profile_img": "https://cdn.example/7.png", "profile_thumb": "https://cdn.example/t7.png" })
    );
    assert_eq!(
        (&made["region"], &made["language"], &made["gender"]),
        (&json!("KR"), &json!("ko"), &json!("F"))
    );
    let change = "user set 7 --nick en= --nick ja=ハナ --gender= --profile-img=";
    let changed = server.ask(&data, &args(change));
    assert_eq!(
        changed["nick"],
        json!({ "ja": "ハナ", "ko": "하나", "zh-TW": "哈娜=1" })
    );
    assert_eq!(
        changed["avatar"],
        json!({ "profile_thumb": "https://cdn.example/t7.png" })
    );
    assert_eq!(
        (&changed["gender"], &changed["region"]),
        (&Value::Null, &json!("KR"))
    );
    let public = changed["public_token"].as_str().unwrap();
    assert_eq!(server.ask(&data, &["user", "find", public]), changed);
    let shown = server.call(&data, &["user", "show", "7"]).good();
    assert!(shown.contains("ハナ") && shown.contains(public), "{shown}");
    for (wrong, code, word) in [
        ("한국어=하나", 1, "nick"),
        ("하나", 2, "ko="),
        (&*format!("ko={}", "x".repeat(256)), 1, "nick.ko"),
    ] {
        let err = server
            .call(&data, &["user", "set", "7", "--nick", wrong])
            .bad(code);
        assert!(err.contains(word), "{err}");
    }
}

#[test]
fn member_tokens_are_made_used_and_revoked() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let made = server.ask(&data, &["user", "token", "1", "--ttl", "1h"]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (token, id) = (text("token"), text("token_id"));
    let show = |token: &str| server.call(&data, &["user", "show", "1", "--token", token]);
    show(&token).good();
    let said = server.call(&data, &["user", "token", "1"]);
    let (second, note) = (said.out.trim().to_owned(), said.err.clone());
    assert_eq!(second.len(), 48, "nothing else is on stdout: {second}");
    assert!(note.contains("bongsu user tokens revoke 1 "), "{note}");
    server.call(&data, &["user", "tokens", "revoke", "1", &id]).good();
    let err = show(&token).bad(1);
    assert!(err.contains("INVALID_TOKEN"), "{err}");
    show(&second).good();
    let again = server.call(&data, &["user", "tokens", "revoke", "1", &id]);
    again.bad(1);
    let all = server.ask(&data, &["user", "tokens", "revoke", "1", "--all"]);
    assert_eq!(all["revoked"], 1);
    show(&second).bad(1);
    server.call(&data, &["user", "tokens", "revoke", "1"]).bad(2);
    server
        .call(&data, &["user", "tokens", "revoke", "1", &id, "--all"])
        .bad(2);
}

#[test]
fn demo_users_are_shown_in_many_languages() {
    let (_home, data) = folder();
    let server = Server::start(&data, &["--dev"]);
    let shown = server.running.err.wait_for("postinit_req");
    let users = server.ask(&data, &["user", "list"]);
    for user in users.as_array().unwrap() {
        assert_eq!(user["nick"]["ko"], user["nickname"], "{user}");
        for language in ["en", "ja", "zh-TW"] {
            assert!(user["nick"][language].is_string(), "{user}");
        }
        assert!(user["avatar"]["profile_img"].is_string() && user["avatar"]["profile_thumb"].is_string());
    }
    let token = shown.split('"').find(|part| part.len() == 48).unwrap();
    let own = server.ask(&data, &["user", "show", "3", "--token", token]);
    assert_eq!(
        own["nickname"], "세나",
        "the shown token is a member token of user 3"
    );
}
