//! `/api/v1/nodes`, `/status` and `/readyz` where there are several nodes.

use serde_json::Value;

use crate::together::two;

#[tokio::test]
async fn every_node_lists_all_and_says_which_it_is() {
    let both = two().await;
    for (here, one) in both.iter().enumerate() {
        let list = one.done(200, "GET", "/api/v1/nodes", "").await;
        let nodes = list["nodes"].as_array().unwrap();
        assert_eq!((nodes.len(), &list["next_cursor"]), (2, &Value::Null));
        for (number, node) in nodes.iter().enumerate() {
            assert_eq!(node["node_id"], format!("node-{number}"));
            assert_eq!(
                (&node["state"], &node["is_here"]),
                (&"serving".into(), &(number == here).into())
            );
            let address = format!("http://{}", both[number].server.address);
            assert_eq!(
                (&node["address"], &node["version"]),
                (&address.into(), &"9.8.7".into())
            );
            assert_eq!(node["boot_id"].as_str().unwrap().len(), 16);
            assert!(
                node["figures"]["memory_bytes"].as_u64().unwrap() > 1_000_000,
                "{node}"
            );
        }
        let page = one.done(200, "GET", "/api/v1/nodes?limit=1", "").await;
        assert_eq!(page["nodes"][0]["node_id"], "node-0");
        let next = format!(
            "/api/v1/nodes?limit=1&cursor={}",
            page["next_cursor"].as_str().unwrap()
        );
        let page = one.done(200, "GET", &next, "").await;
        assert_eq!(
            (&page["nodes"][0]["node_id"], &page["next_cursor"]),
            (&"node-1".into(), &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_node_that_drains_is_not_ready_and_not_named_until_it_takes_clients_again() {
    let [one, other] = two().await;
    let told = one.done(202, "POST", "/api/v1/nodes/node-1/drain", "{}").await;
    assert_eq!(told["node_id"], "node-1");
    one.knows("node-1", "draining").await;
    let ready = other.until("/readyz", |status, _| status == 503).await;
    assert_eq!(
        (&ready["parts"]["node"]["code"], &ready["parts"]["store"]["ready"]),
        (&"SHUTTING_DOWN".into(), &true.into())
    );
    // Whoever asks the one that drains is sent to the other.
    for asked in [&one, &other] {
        let (status, named) = asked.probe("/status").await;
        assert_eq!(
            (status, named["port"].as_u64()),
            (200, Some(one.server.address.port().into()))
        );
    }
    one.done(202, "POST", "/api/v1/nodes/node-1/drain", r#"{"on":false}"#)
        .await;
    one.knows("node-1", "serving").await;
    other.until("/readyz", |status, _| status == 200).await;
    let audit = one.done(200, "GET", "/api/v1/audit", "").await;
    let actions = ["node.drain_ended", "node.drain"];
    for (entry, action) in audit["entries"].as_array().unwrap().iter().zip(actions) {
        assert_eq!(
            (&entry["action"], &entry["object"]),
            (&action.into(), &"node:node-1".into())
        );
    }
}

#[tokio::test]
async fn who_is_not_known_or_not_heard_is_told_nothing() {
    let [one, other] = two().await;
    let unknown = one.call("POST", "/api/v1/nodes/nobody/drain", "{}").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert!(unknown.body.contains("unknown_node"), "{unknown:?}");
    for wrong in [r#"{"on":1}"#, r#"{"timeout_ms":-1}"#] {
        assert_eq!(
            one.call("POST", "/api/v1/nodes/node-0/drain", wrong).await.status,
            422
        );
    }
    for wrong in ["{}", r#"{"sessions":0}"#, r#"{"sessions":1,"per_s":0}"#] {
        assert_eq!(
            one.call("POST", "/api/v1/nodes/node-0/shed", wrong).await.status,
            422
        );
    }
    other.bus.cut(true);
    one.knows("node-1", "silent").await;
    for (path, body) in [("drain", "{}"), ("shed", r#"{"sessions":1}"#)] {
        let silent = one
            .call("POST", &format!("/api/v1/nodes/node-1/{path}"), body)
            .await;
        assert_eq!(silent.status, 503, "{silent:?}");
        assert!(silent.body.contains("silent_node"), "{silent:?}");
    }
    // Nobody is sent there, either.
    for _ in 0..8 {
        assert_eq!(one.probe("/status").await.1["port"], one.server.address.port());
    }
    assert!(!other.server.node.takes_nobody());
}

#[tokio::test]
async fn a_node_that_hears_nobody_says_that_it_is_degraded() {
    let [one, other] = two().await;
    let ready = one.until("/readyz", |status, _| status == 200).await;
    assert_eq!(
        (&ready["state"], &ready["nodes"]["serving"]),
        (&"ready".into(), &2.into())
    );
    one.bus.cut(true);
    let ready = one
        .until("/readyz", |status, said| {
            status == 503 && said["nodes"]["heard"] == 1
        })
        .await;
    assert_eq!(
        (
            &ready["state"],
            &ready["parts"]["bus"]["ready"],
            &ready["nodes"]["known"]
        ),
        (&"degraded".into(), &false.into(), &2.into())
    );
    assert_eq!(ready["parts"]["node"]["ready"], true);
    drop(other);
}
