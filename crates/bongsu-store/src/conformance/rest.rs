//! Checks of calls, audit, kept answers and the end.

use std::sync::Arc;

use bongsu_model::records::AuditEntry;
use bongsu_model::{CallId, RoomRef, UserId};

use super::{NOW, Shared, open_room, people, post};
use crate::{AppendRefused, CreateRefused, JoinRefused, KeptTrail, StoreFault, StoreLimits, StoredAnswer};

/// No call number is given twice.
pub async fn calls_get_ever_new_numbers(store: Shared) {
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.next_call().await.unwrap() }));
    }
    let mut given = Vec::new();
    for task in tasks {
        given.push(task.await.unwrap());
    }
    given.sort_unstable();
    assert!(given.iter().copied().eq((1..=8).map(CallId)), "{given:?}");
}

/// Audit entries get ascending numbers and are read from the newest on.
pub async fn the_audit_is_paged_backwards(store: Shared) {
    for number in 0..5 {
        let detail = (number == 4).then(|| "more".into());
        let (actor, action, object) = ("ops".into(), "user.ban".into(), format!("user:{number}").into());
        store
            .audit(AuditEntry {
                id: 0,
                at: NOW,
                actor,
                action,
                object,
                detail,
            })
            .await
            .unwrap();
    }
    let first = store.audits(None, 2).await.unwrap();
    assert_eq!(
        first.iter().map(|entry| &*entry.object).collect::<Vec<_>>(),
        ["user:4", "user:3"]
    );
    assert_eq!(
        (first[0].detail.as_deref(), first[1].detail.as_deref()),
        (Some("more"), None)
    );
    assert!(first[0].id > first[1].id);
    let rest = store.audits(Some(first[1].id), 200).await.unwrap();
    assert_eq!(
        rest.iter().map(|entry| &*entry.object).collect::<Vec<_>>(),
        ["user:2", "user:1", "user:0"]
    );
    assert!(store.audits(Some(rest[2].id), 200).await.unwrap().is_empty());
}

/// The answer that was kept first stays, per principal and key, for its time.
pub async fn the_first_answer_stays(store: Shared) {
    let answer = |status| StoredAnswer {
        request_hash: [7; 32],
        status,
        body: b"{}".as_slice().into(),
    };
    let keep = async |principal: &str, status, at| {
        store
            .keep_answer(principal.into(), "key".into(), answer(status), at)
            .await
            .unwrap();
    };
    let kept = async |principal: &str| store.kept_answer(principal.into(), "key".into()).await.unwrap();
    assert_eq!(kept("a").await, None);
    keep("a", 201, NOW).await;
    keep("a", 202, NOW).await;
    keep("b", 203, NOW).await;
    assert_eq!(
        (kept("a").await, kept("b").await),
        (Some(answer(201)), Some(answer(203)))
    );
    let kept_ms = StoreLimits::ANSWER_KEPT_MS;
    keep("c", 204, NOW.plus_ms(kept_ms)).await;
    assert_eq!(kept("a").await, Some(answer(201)), "its time is not over");
    keep("c", 205, NOW.plus_ms(kept_ms + 1)).await;
    assert_eq!((kept("a").await, kept("c").await), (None, Some(answer(204))));
}

fn kept(name: u8, user: UserId, trail: &str) -> KeptTrail {
    KeptTrail {
        pid_hash: [name; 32],
        user,
        trail: trail.as_bytes().into(),
        expires_at: NOW.plus_ms(1_000),
    }
}

async fn take(store: &Shared, name: u8, user: UserId) -> Option<String> {
    let taken = store.take_trail([name; 32], user, NOW).await.unwrap();
    taken.map(|trail| String::from_utf8(trail.to_vec()).unwrap())
}

/// What is kept of a session is there for its own user, once, and as it was kept last.
pub async fn a_trail_is_taken_once_by_its_user(store: Shared) {
    let [mina, jun] = people(&store).await;
    assert_eq!(take(&store, 1, mina).await, None);
    for trail in ["", "first", "last"] {
        store.keep_trail(kept(1, mina, trail), NOW).await.unwrap();
    }
    assert_eq!(take(&store, 1, jun).await, None, "it is another's");
    assert_eq!(take(&store, 2, mina).await, None);
    assert_eq!(take(&store, 1, mina).await.as_deref(), Some("last"));
    assert_eq!(take(&store, 1, mina).await, None, "it was taken");
    store.keep_trail(kept(1, mina, ""), NOW).await.unwrap();
    assert_eq!(take(&store, 1, mina).await.as_deref(), Some(""));
}

/// What has ended is not given out, and forgotten when something else is kept.
pub async fn trails_end(store: Shared) {
    let [mina] = people(&store).await;
    for (late_ms, there) in [(999, true), (1_000, false), (1_001, false)] {
        store.keep_trail(kept(1, mina, "x"), NOW).await.unwrap();
        let taken = store.take_trail([1; 32], mina, NOW.plus_ms(late_ms)).await;
        assert_eq!(taken.unwrap().is_some(), there, "{late_ms}");
    }
    for (late_ms, there) in [(999, true), (1_000, false)] {
        store.keep_trail(kept(1, mina, "x"), NOW).await.unwrap();
        let other = KeptTrail {
            expires_at: NOW.plus_ms(5_000),
            ..kept(2, mina, "y")
        };
        store.keep_trail(other, NOW.plus_ms(late_ms)).await.unwrap();
        assert_eq!(take(&store, 1, mina).await.is_some(), there, "{late_ms}");
        assert_eq!(take(&store, 2, mina).await.as_deref(), Some("y"));
    }
}

/// Of one user two stay here, of all four: the last.
pub async fn only_the_last_trails_stay(store: Shared) {
    let [mina, jun, sora] = people(&store).await;
    let keep = async |names: &[u8], user| {
        for name in names {
            store.keep_trail(kept(*name, user, "x"), NOW).await.unwrap();
        }
    };
    let there = async |names: &[u8], user| {
        let mut there = Vec::new();
        for name in names {
            if take(&store, *name, user).await.is_some() {
                there.push(*name);
            }
        }
        there
    };
    keep(&[1], mina).await;
    assert_eq!(there(&[1], mina).await, [1]);
    keep(&[1, 2], mina).await;
    assert_eq!(there(&[1, 2], mina).await, [1, 2]);
    keep(&[1, 2, 3], mina).await;
    assert_eq!(there(&[1, 2, 3], mina).await, [2, 3]);
    keep(&[1, 2], mina).await;
    keep(&[3, 4], jun).await;
    keep(&[5], sora).await;
    let (first, second) = (there(&[1, 2], mina).await, there(&[3, 4], jun).await);
    assert_eq!((first, second), (vec![2], vec![3, 4]));
    assert_eq!(there(&[5], sora).await, [5]);
}

/// After a stop every call says that the store has stopped; stopping again does nothing.
pub async fn a_stopped_store_says_so(store: Shared) {
    let [mina] = people(&store).await;
    let room = open_room(&store, &[mina]).await;
    store.ready().await.unwrap();
    store.stop().await;
    store.stop().await;
    assert!(matches!(store.ready().await, Err(StoreFault::Stopped)));
    let append = store.append(post(&room, mina, "x")).await;
    assert!(
        matches!(append, Err(AppendRefused::Fault(StoreFault::Stopped))),
        "{append:?}"
    );
    assert!(matches!(
        store.room(RoomRef::Id(room.id)).await,
        Err(StoreFault::Stopped)
    ));
    let join = store.join(RoomRef::Id(room.id), mina, false, NOW).await;
    assert!(matches!(join, Err(JoinRefused::Fault(StoreFault::Stopped))));
    let user = store
        .create_user(bongsu_model::records::NewUser::default(), NOW)
        .await;
    assert!(matches!(user, Err(CreateRefused::Fault(StoreFault::Stopped))));
}
