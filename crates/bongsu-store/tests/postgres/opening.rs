//! Opening: migrations side by side, databases of other versions and other programs, servers that are not there.

use bongsu_model::Limits;
use bongsu_store::postgres::{Migrated, OpenError, Postgres, PostgresOptions, SCHEMA_VERSION};

use crate::servers::Fresh;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openers_at_once_migrate_once() {
    let fresh = Fresh::new();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let options = fresh.options();
        opening.spawn(async move { Postgres::migrate(&options).await.unwrap() });
    }
    let migrated = opening.join_all().await;
    assert!(migrated.iter().all(|it| it.to == SCHEMA_VERSION), "{migrated:?}");
    fresh.open().await;
    let again = Postgres::migrate(&fresh.options()).await.unwrap();
    let (from, to) = (SCHEMA_VERSION, SCHEMA_VERSION);
    assert_eq!(again, Migrated { from, to });
}

#[tokio::test]
async fn a_newer_schema_is_used_if_it_says_so() {
    let fresh = Fresh::new();
    Postgres::migrate(&fresh.options()).await.unwrap();
    let newer = SCHEMA_VERSION + 1;
    // What the next version might do.
    fresh
        .sql(&format!(
            "ALTER TABLE users ADD COLUMN shoe_size INTEGER; UPDATE bongsu_schema SET version = {newer}"
        ))
        .await;
    let migrated = Postgres::migrate(&fresh.options()).await.unwrap();
    assert_eq!(
        migrated,
        Migrated {
            from: newer,
            to: newer
        }
    );
    fresh
        .sql(&format!("UPDATE bongsu_schema SET compatible_from = {newer}"))
        .await;
    let refused = Postgres::migrate(&fresh.options()).await;
    let known = SCHEMA_VERSION;
    assert!(
        matches!(refused, Err(OpenError::Newer { found, known: ours }) if (found, ours) == (newer, known)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_tables_of_others_are_left_alone() {
    let fresh = Fresh::new();
    fresh
        .sql(&format!(
            "CREATE SCHEMA \"{0}\"; CREATE TABLE \"{0}\".users (name TEXT)",
            fresh.schema
        ))
        .await;
    let refused = Postgres::migrate(&fresh.options()).await;
    assert!(matches!(refused, Err(OpenError::NotOurs)), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    // A port of our own on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("postgres://nobody@127.0.0.1:{port}/nothing");
    let options = PostgresOptions::new(&address, &Limits::DEFAULT).unwrap();
    let refused = Postgres::migrate(&options).await;
    assert!(matches!(refused, Err(OpenError::Unreachable(_))), "{refused:?}");
}
