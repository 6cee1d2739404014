//! Servers that die, freeze and come back, that show certificates, and that are one of several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bongsu_model::{Limits, Message, RoomRef};
use bongsu_store::postgres::{OpenError, Postgres, PostgresOptions, TlsMode};
use bongsu_store::{AppendRefused, Appended, Store as _, StoreFault};
use tokio::time::{Instant, timeout};

use crate::nodes::{post, room, seqs, user};
use crate::own::Server;

/// How long a call may take when the server is gone, and a little more for a machine that has other things to do.
const CALL_MS: u64 = 2_000;
const CALL: Duration = Duration::from_millis(CALL_MS + 3_000);

async fn open(server: &Server) -> Arc<Postgres> {
    let mut options = server.options();
    options.call_ms = CALL_MS;
    options.connect_ms = 1_000;
    Arc::new(Postgres::open(options).await.unwrap())
}

/// Asks until the store takes writes; all that is said in between must be that it does not.
async fn until_ready(store: &Postgres) {
    let asked = async {
        while let Err(fault) = store.ready().await {
            assert!(is_gone(&fault), "{fault:?}");
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), asked)
        .await
        .expect("it takes writes again");
}

fn is_gone(fault: &StoreFault) -> bool {
    matches!(fault, StoreFault::Unavailable(_) | StoreFault::InDoubt(_))
}

/// Everything fails in time and with a fault that says so; reads of what may be had are no exception.
async fn fails_in_time(store: &Postgres, message: bongsu_store::NewMessage) {
    let begun = Instant::now();
    let of = message.room.clone();
    let (ready, read, appended) = tokio::join!(store.ready(), store.room(of), store.append(message));
    assert!(begun.elapsed() < CALL, "{:?}", begun.elapsed());
    assert!(ready.as_ref().is_err_and(is_gone), "{ready:?}");
    assert!(
        matches!(&read, Err(StoreFault::Unavailable(_))),
        "nothing is in doubt about a read: {read:?}"
    );
    assert!(
        matches!(&appended, Err(AppendRefused::Fault(fault)) if is_gone(fault)),
        "{appended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_noticed_and_found_again() {
    let mut server = Server::start(&[]);
    let store = open(&server).await;
    let sender = user(&store).await;
    let room = room(&store, &[sender], None).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut posting = tokio::task::JoinSet::new();
    for task in 0..4 {
        let (store, ended, of) = (Arc::clone(&store), Arc::clone(&ended), RoomRef::Id(room.id));
        posting.spawn(async move {
            let mut kept: Vec<Arc<Message>> = Vec::new();
            for number in 0.. {
                let name = format!("{task}-{number}");
                let new = || post(of.clone(), sender, task * 1_000_000 + number, Some(&name));
                // Whoever is told that it may or may not be there asks again, under the same name.
                loop {
                    match store.append(new()).await {
                        Ok(Appended::New(message) | Appended::Repeat(message)) => {
                            kept.push(message);
                            break;
                        }
                        Err(AppendRefused::Fault(fault)) if is_gone(&fault) => {}
                        Err(refused) => panic!("{refused:?}"),
                    }
                }
                if ended.load(Ordering::Acquire) {
                    break;
                }
            }
            kept
        });
    }
    for _ in 0..3 {
        server.order("kill");
        fails_in_time(&store, post(RoomRef::Id(room.id), sender, 0, Some("gone"))).await;
        server.order("start");
        until_ready(&store).await;
        post_one(&store, post(RoomRef::Id(room.id), sender, 0, None)).await;
    }
    ended.store(true, Ordering::Release);
    let kept: Vec<_> = posting.join_all().await.into_iter().flatten().collect();
    let there = seqs(&store, &room).await;
    assert!(
        there.iter().copied().eq(1..=there.len() as u64),
        "no hole, no seq twice"
    );
    for message in &kept {
        let from = bongsu_model::PageFrom::After(bongsu_model::Seq(message.seq.0 - 1));
        let page = store.history(room.id, from, 1).await.unwrap().unwrap();
        assert_eq!(page.messages[0], *message, "what was acknowledged is there");
    }
    let own: std::collections::BTreeSet<_> = kept.iter().map(|message| message.seq).collect();
    assert_eq!(own.len(), kept.len(), "each was stored once");
    store.stop().await;
}

/// Appends, whatever a connection that died unseen has to say about it first.
async fn post_one(store: &Postgres, message: bongsu_store::NewMessage) {
    let posted = async {
        while let Err(refused) = store.append(message.clone()).await {
            assert!(
                matches!(&refused, AppendRefused::Fault(fault) if is_gone(fault)),
                "{refused:?}"
            );
        }
    };
    timeout(CALL, posted).await.expect("it is taken again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_delays_nobody_for_long() {
    let mut server = Server::start(&[]);
    let store = open(&server).await;
    let sender = user(&store).await;
    let room = room(&store, &[sender], None).await;
    server.order("pause");
    fails_in_time(&store, post(RoomRef::Id(room.id), sender, 1, None)).await;
    server.order("resume");
    until_ready(&store).await;
    post_one(&store, post(RoomRef::Id(room.id), sender, 2, None)).await;
    let there = seqs(&store, &room).await;
    assert!(there.iter().copied().eq(1..=there.len() as u64), "{there:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_not_used() {
    let server = Server::start(&[]);
    let store = open(&server).await;
    // Whoever connects from now on may only read, as on a standby.
    let (client, connection) = tokio_postgres::connect(&server.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let speaking = tokio::spawn(connection);
    for sql in [
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
    let refused = async {
        loop {
            match store.ready().await {
                Ok(()) => tokio::task::yield_now().await,
                Err(fault) => return fault,
            }
        }
    };
    let fault = timeout(CALL, refused).await.expect("it notices");
    assert!(
        matches!(fault, StoreFault::Unavailable(_)),
        "nothing was done: {fault:?}"
    );
    for sql in [
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
    until_ready(&store).await;
    drop(client);
    speaking.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_delays_nobody() {
    let server = Server::start(&[]);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    // Nobody listens on the one, nobody answers on the other (it is in a net that no one has), and the third is the server.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let quiet = silent.local_addr().unwrap().port();
    let url = server
        .url
        .replace("@", &format!("@127.0.0.1:{port},127.0.0.1:{quiet},"));
    let mut options = PostgresOptions::new(&url, &Limits::DEFAULT).unwrap();
    options.connect_ms = 60_000;
    let store = timeout(Duration::from_secs(20), Postgres::open(options)).await;
    store
        .expect("the others are not waited for")
        .unwrap()
        .ready()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_shows_who_it_is() {
    let server = Server::start(&["--tls", "--password"]);
    assert!(server.url.contains("verify-full"), "{}", server.url);
    let store = Postgres::open(server.options()).await.unwrap();
    store.ready().await.unwrap();
    // Under a name that is not its own, or with authorities that have not signed for it, it is not spoken to.
    let other = |change: fn(&mut PostgresOptions)| {
        let mut options = server.options();
        change(&mut options);
        async move { Postgres::migrate(&options).await }
    };
    let elsewhere = other(|options| options.ca_file = None).await;
    assert!(
        matches!(elsewhere, Err(OpenError::Unreachable(_) | OpenError::Tls(_))),
        "{elsewhere:?}"
    );
    let encrypted = other(|options| (options.tls, options.ca_file) = (TlsMode::Require, None)).await;
    assert!(encrypted.is_ok(), "{encrypted:?}");
    let signed = other(|options| options.tls = TlsMode::VerifyCa).await;
    assert!(signed.is_ok(), "{signed:?}");
    let plain = other(|options| options.tls = TlsMode::Disable).await;
    assert!(matches!(plain, Err(OpenError::Unreachable(_))), "{plain:?}");
    let stranger = server.options().password("wrong");
    let refused = Postgres::migrate(&stranger).await;
    assert!(matches!(refused, Err(OpenError::Unreachable(_))), "{refused:?}");
}
