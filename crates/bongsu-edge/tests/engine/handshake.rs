//! The first request, and those that are refused.

use serde_json::Value;

use crate::client::{Http, Polled, Version, sign_in, upgrade};
use crate::server::{Server, Wanted};

#[tokio::test]
async fn the_opening_says_what_the_client_goes_by() {
    let server = Server::start().await;
    let mut http = server.http().await;
    for (target, upgrades) in [
        ("/socket.io/?EIO=4&transport=polling", 1),
        ("/socket.io?EIO=4&transport=polling&t=x", 1),
    ] {
        let answer = http.get(target).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=UTF-8"),
            "{answer:?}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let opening: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(opening["upgrades"].as_array().unwrap().len(), upgrades);
        assert_eq!(opening["pingInterval"], 25_000);
        assert_eq!(opening["pingTimeout"], 20_000);
        assert_eq!(opening["maxPayload"], 65_536);
        assert_eq!(opening["sid"].as_str().unwrap().len(), 41);
    }
    let mut socket = server.socket(Version::V4).await;
    let opening: Value = serde_json::from_str(&socket.next().await[1..]).unwrap();
    assert_eq!(opening["upgrades"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn clients_of_version_3_are_connected_in_the_first_answer() {
    let server = Server::start().await;
    let answer = server
        .http()
        .await
        .get("/socket.io/?EIO=3&transport=polling")
        .await;
    let (length, rest) = answer.body.split_once(':').unwrap();
    let (opening, more) = rest.split_at(length.parse().unwrap());
    assert!(opening.starts_with("0{"), "{opening}");
    assert_eq!(more, "2:40");
    let mut socket = server.socket(Version::V3).await;
    assert!(socket.next().await.starts_with("0{"));
    assert_eq!(socket.next().await, "40");
    let script = "/socket.io/?EIO=3&transport=polling&j=7";
    let answer = server.http().await.get(script).await;
    assert!(answer.body.starts_with("___eio[7](\""), "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/javascript; charset=UTF-8")
    );
}

#[tokio::test]
async fn what_is_refused_has_the_codes_that_clients_know() {
    let server = Server::start().await;
    let refused = async |method: &str, target: &str, lines: &[&str]| {
        let mut http = server.http().await;
        http.ask(method, target, lines, "").await;
        http.answer().await
    };
    let get = async |target: &str| refused("GET", target, &[]).await;
    get("/socket.io/").await.refused(400, 0);
    get("/socket.io/?EIO=4&transport=carrier").await.refused(400, 0);
    get("/socket.io/?transport=polling").await.refused(400, 5);
    get("/socket.io/?EIO=2&transport=polling").await.refused(400, 5);
    get("/socket.io/?EIO=4&transport=polling&sid=x")
        .await
        .refused(400, 1);
    get("/socket.io/?EIO=4&transport=websocket").await.refused(400, 3);
    let open = "/socket.io/?EIO=4&transport=polling";
    refused("POST", open, &[]).await.refused(400, 2);
    refused("PUT", open, &[]).await.refused(400, 2);
    let stranger = ["Origin: https://evil.example"];
    refused("GET", open, &stranger).await.refused(403, 4);
    refused("OPTIONS", open, &stranger).await.refused(403, 4);
    assert_eq!(refused("OPTIONS", open, &[]).await.status, 204);
    // A page of the same host is let in, and so is whoever is none.
    let ours = ["Origin: http://localhost", "Host: localhost"];
    let mut http = server.http().await;
    http.raw(format!(
        "GET {open} HTTP/1.1\r\n{}\r\n{}\r\n\r\n",
        ours[0], ours[1]
    ))
    .await;
    assert_eq!(http.answer().await.status, 200);
    assert_eq!(server.admission.counts().0, 2, "one session, on one connection");
}

#[tokio::test]
async fn a_head_is_refused_and_makes_no_session() {
    let server = Server::start().await;
    let mut http = server.http().await;
    let head = "HEAD /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    http.raw(head).await;
    server
        .until("no session is made, and no connection is left", |it| {
            it.admission.counts().0 == 0
        })
        .await;
}

#[tokio::test]
async fn a_websocket_with_a_bad_id_is_refused_before_it_is_one() {
    let server = Server::start().await;
    let session = server.polled(Version::V4).await;
    let (tag, random) = session.sid.split_once('-').unwrap();
    let other = format!("{:08x}", !u32::from_str_radix(tag, 16).unwrap());
    for (sid, version, code, node) in [
        (format!("{tag}-{}", "0".repeat(32)), 4, 1, None),
        (format!("{other}-{random}"), 4, 1, Some(other.as_str())),
        (session.sid.clone(), 3, 3, None),
    ] {
        for transport in ["polling", "websocket"] {
            let target = format!("/socket.io/?EIO={version}&transport={transport}&sid={sid}");
            let mut http = server.http().await;
            http.raw(upgrade(&target).request()).await;
            let answer = http.answer().await;
            answer.refused(400, code);
            assert_eq!(answer.header("bongsu-node"), node, "{target}");
        }
    }
}

#[tokio::test]
async fn a_cookie_tells_balancers_where_a_session_is_if_it_is_wanted() {
    let server = Server::with(Wanted {
        sticky_cookie: Some("node".into()),
        origins: vec!["https://app.example".into()],
        ..Wanted::default()
    })
    .await;
    let mut http = server.http().await;
    let page = ["Origin: https://app.example"];
    http.ask("GET", "/socket.io/?EIO=4&transport=polling", &page, "")
        .await;
    let answer = http.answer().await;
    let opening: Value = serde_json::from_str(&answer.body[1..]).unwrap();
    let (tag, _) = opening["sid"].as_str().unwrap().split_once('-').unwrap();
    let cookie = format!("node={tag}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(answer.header("set-cookie"), Some(cookie.as_str()));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let plain = Server::start().await;
    let answer = plain
        .http()
        .await
        .get("/socket.io/?EIO=4&transport=polling")
        .await;
    assert_eq!(answer.header("set-cookie"), None);
}

#[tokio::test]
async fn a_token_in_the_address_signs_in() {
    let server = Server::start().await;
    let mut old = Polled::open(server.address, Version::V3, "&token=1").await;
    let signed_in = old.wait("postinit_res").await;
    assert_eq!(signed_in["user"]["user_id"], 1);
    let mut new = Polled::open(server.address, Version::V4, "&token=2").await;
    new.say(&["40"]).await;
    assert_eq!(new.wait("postinit_res").await["user"]["user_id"], 2);
    let mut http = Http::open(server.address).await;
    let lines = ["Authorization: Bearer 3"];
    http.ask("GET", "/socket.io/?EIO=3&transport=polling", &lines, "")
        .await;
    assert!(http.answer().await.body.contains("postinit_res"));
}

#[tokio::test]
async fn a_page_that_polls_by_scripts_is_served_as_well() {
    let server = Server::start().await;
    let mut session = Polled::open(server.address, Version::V3, "").await;
    let payload = Version::V3.payload(&[sign_in("1")]);
    let form: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let target = format!("{}&j=1", session.target("polling"));
    let media = ["Content-Type: application/x-www-form-urlencoded"];
    session
        .posts
        .ask("POST", &target, &media, &format!("d={form}"))
        .await;
    assert_eq!(session.posts.answer().await.body, "ok");
    let target = format!("{}&j=2", session.target("polling"));
    let answer = session.polls.get(&target).await;
    let script = answer.body.strip_prefix("___eio[2](").unwrap();
    let payload: String = serde_json::from_str(script.strip_suffix(");").unwrap()).unwrap();
    assert!(payload.contains("postinit_res"), "{payload}");
    // As text it is no payload at all.
    let target = session.target("polling");
    session.posts.ask("POST", &target, &media, "d=1:2").await;
    session.posts.answer().await.refused(400, 3);
    session.gone().await;
}
