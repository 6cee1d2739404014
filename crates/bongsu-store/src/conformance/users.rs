//! Checks of users, bans, blocks and tokens.

use std::sync::Arc;

use bongsu_model::records::{Ban, Change, NewUser, Revocation, UserChange};
use bongsu_model::{LocalizedNick, NickFault, RoomId, Seq, Timestamp, TokenHash, UserId, UserRef};

use super::{NOW, Shared, fill, open_room, people, user};
use crate::{CreateRefused, Existing, MemberToken, SignIn, StoreLimits, TokenAdded, UpdateRefused};

fn nick(names: &[(&str, &str)]) -> LocalizedNick {
    let names = names
        .iter()
        .map(|(language, name)| ((*language).into(), (*name).into()));
    LocalizedNick::new(names, 16).unwrap()
}

fn handle(name: &str) -> UserRef {
    UserRef::Handle(name.into())
}

/// A user is found by number and by handle, as it was made; what was not given has a default.
pub async fn users_are_made_and_found(store: Shared) {
    let given = NewUser {
        id: Some(UserId(42)),
        handle: Some("abc123".into()),
        nickname: Some("하나".into()),
        nick: nick(&[
            ("en", "Hana"),
            ("ko", "하나 \"1\""),
            ("ja", "ハナ"),
            ("zh-TW", "哈娜"),
        ]),
        profile_img: Some("img".into()),
        profile_thumb: Some("thumb".into()),
        region: Some("KR".into()),
        language: Some("ko".into()),
        gender: Some("f".into()),
    };
    let made = store.create_user(given.clone(), NOW).await.unwrap();
    assert_eq!(
        (made.id, &*made.handle, &*made.nickname),
        (UserId(42), "abc123", "하나")
    );
    let token = &made.profile.public_token;
    assert_eq!(made.profile, given.profile(Arc::clone(token)));
    assert_eq!(
        (made.ban.clone(), made.last_seen, made.created_at),
        (None, None, NOW)
    );
    assert!(token.len() == 48 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for by in [UserRef::Id(UserId(42)), handle("abc123")] {
        assert_eq!(store.user(by).await.unwrap().as_ref(), Some(&made));
    }
    assert_eq!(store.user(UserRef::Id(UserId(1))).await.unwrap(), None);
    assert_eq!(store.user(handle("ABC123")).await.unwrap(), None);
    let plain = store
        .create_user(
            NewUser {
                id: Some(UserId(7)),
                ..NewUser::default()
            },
            NOW,
        )
        .await
        .unwrap();
    assert_eq!((&*plain.handle, &*plain.nickname), ("7", "7"));
    assert_eq!(
        plain.profile,
        NewUser::default().profile(Arc::clone(&plain.profile.public_token))
    );
    assert_ne!(plain.profile.public_token, *token);
    let by_token = async |token: &str| store.user_by_public_token(token.into()).await.unwrap();
    assert_eq!(by_token(token).await.as_ref(), Some(&made));
    assert_eq!(by_token(&plain.profile.public_token).await.as_ref(), Some(&plain));
    assert_eq!(by_token(&token.to_uppercase()).await, None);
    assert_eq!(by_token("").await, None);
}

/// A user without a number gets one that is free, and whose handle is free too.
pub async fn users_get_free_numbers(store: Shared) {
    let with_id = |id| NewUser {
        id: Some(UserId(id)),
        ..NewUser::default()
    };
    store.create_user(with_id(2), NOW).await.unwrap();
    store.create_user(with_id(i64::MAX), NOW).await.unwrap();
    let squatter = NewUser {
        id: Some(UserId(900)),
        handle: Some("3".into()),
        ..NewUser::default()
    };
    store.create_user(squatter, NOW).await.unwrap();
    let mut given = Vec::new();
    for _ in 0..3 {
        given.push(store.create_user(NewUser::default(), NOW).await.unwrap().id.0);
    }
    assert_eq!(given, [1, 4, 5]);
}

/// A number or handle that is taken is refused, and takes nothing.
pub async fn what_is_taken_is_refused(store: Shared) {
    let given = NewUser {
        id: Some(UserId(5)),
        handle: Some("five".into()),
        ..NewUser::default()
    };
    store.create_user(given, NOW).await.unwrap();
    let same_id = NewUser {
        id: Some(UserId(5)),
        ..NewUser::default()
    };
    assert!(matches!(
        store.create_user(same_id, NOW).await,
        Err(CreateRefused::IdTaken)
    ));
    let same_handle = NewUser {
        handle: Some("five".into()),
        ..NewUser::default()
    };
    assert!(matches!(
        store.create_user(same_handle, NOW).await,
        Err(CreateRefused::NameTaken)
    ));
    assert_eq!(user(&store, "next").await.id, UserId(1));
}

/// Users are listed ascending, page by page.
pub async fn users_are_paged(store: Shared) {
    let users: [UserId; 5] = people(&store).await;
    let ids = async |after, limit| -> Vec<UserId> {
        store
            .users(after, limit)
            .await
            .unwrap()
            .iter()
            .map(|user| user.id)
            .collect()
    };
    assert_eq!(ids(None, 3).await, users[..3]);
    assert_eq!(ids(Some(users[2]), 3).await, users[3..]);
    assert_eq!(ids(Some(UserId(i64::MAX)), 3).await, []);
    assert_eq!(ids(None, 0).await, []);
}

/// What a change gives is replaced or taken away; the rest, the number and the tokens stay.
pub async fn users_change(store: Shared) {
    let given = NewUser {
        region: Some("KR".into()),
        gender: Some("F".into()),
        profile_img: Some("img".into()),
        nick: nick(&[("en", "A"), ("ja", "あ")]),
        ..NewUser::default()
    };
    let made = store.create_user(given, NOW).await.unwrap();
    let change = UserChange {
        nickname: Change::Set("New".into()),
        nick: Change::Set(vec![
            ("ko".into(), Some("새".into())),
            ("JA".into(), None),
            ("fr".into(), None),
        ]),
        profile_thumb: Change::Set("thumb".into()),
        language: Change::Set("ko".into()),
        gender: Change::Clear,
        ..UserChange::default()
    };
    let changed = store.update_user(made.id, change).await.unwrap().unwrap();
    let profile = &*changed.profile;
    assert_eq!(
        (changed.id, &changed.handle, &*changed.nickname),
        (made.id, &made.handle, "New")
    );
    assert_eq!(profile.public_token, made.profile.public_token);
    assert_eq!(profile.nick, nick(&[("en", "A"), ("ko", "새")]));
    assert_eq!(
        (
            profile.region.as_deref(),
            profile.language.as_deref(),
            profile.gender.as_deref()
        ),
        (Some("KR"), Some("ko"), None)
    );
    assert_eq!(
        (profile.profile_img.as_deref(), profile.profile_thumb.as_deref()),
        (Some("img"), Some("thumb"))
    );
    assert_eq!(
        store.user(UserRef::Id(made.id)).await.unwrap().as_ref(),
        Some(&changed)
    );
    let same = store.update_user(made.id, UserChange::default()).await.unwrap();
    assert_eq!(same, Some(changed), "a change of nothing");
    let bare = UserChange {
        nickname: Change::Clear,
        nick: Change::Clear,
        profile_img: Change::Clear,
        profile_thumb: Change::Clear,
        region: Change::Clear,
        language: Change::Clear,
        ..UserChange::default()
    };
    let bare = store.update_user(made.id, bare).await.unwrap().unwrap();
    assert_eq!(
        bare.profile,
        NewUser::default().profile(Arc::clone(&made.profile.public_token))
    );
    assert_eq!(
        store
            .update_user(UserId(404), UserChange::default())
            .await
            .unwrap(),
        None
    );
}

/// A user has a name in no more languages than the limit says, and what is refused changes nothing.
pub async fn a_user_has_names_in_only_so_many_languages(store: Shared) {
    let max = StoreLimits::default().nick_languages_max;
    let tag = |number: usize| format!("x{}", char::from(b'a' + u8::try_from(number).unwrap()));
    let names = |from: usize, to: usize| -> Vec<(Arc<str>, Option<Arc<str>>)> {
        (from..to)
            .map(|number| (tag(number).into(), Some("name".into())))
            .collect()
    };
    let [mina] = people(&store).await;
    let set = async |names| {
        let change = UserChange {
            nick: Change::Set(names),
            region: Change::Set("set".into()),
            ..UserChange::default()
        };
        let changed = store.update_user(mina, change).await;
        changed.map(|user| user.unwrap().profile.nick.len())
    };
    assert_eq!(set(names(0, max - 1)).await.unwrap(), max - 1);
    assert_eq!(set(names(max - 1, max)).await.unwrap(), max);
    let before = store.user(UserRef::Id(mina)).await.unwrap();
    for refused in [names(max, max + 1), names(0, max + 1)] {
        let refused = set(refused).await;
        assert!(matches!(refused, Err(UpdateRefused::Nick(NickFault::TooMany(at))) if at == max));
    }
    for twice in [Some("other".into()), None] {
        let refused = set(vec![
            (tag(0).into(), Some("name".into())),
            (tag(0).to_uppercase().into(), twice),
        ])
        .await;
        assert!(matches!(refused, Err(UpdateRefused::Nick(NickFault::Twice))));
    }
    let refused = set(vec![("no tag".into(), Some("name".into()))]).await;
    assert!(matches!(refused, Err(UpdateRefused::Nick(NickFault::Language))));
    assert_eq!(store.user(UserRef::Id(mina)).await.unwrap(), before);
    // What goes makes room for what comes, in whatever order they are named.
    let mut swap = names(max, max + 1);
    swap.push((tag(0).into(), None));
    assert_eq!(set(swap).await.unwrap(), max);
}

/// A user that does not exist is made by a sign-in that may, once, and not by one that may not.
pub async fn sign_in_makes_users_only_if_told(store: Shared) {
    let sign_in = async |user: UserRef, nickname: Option<&str>, create| {
        let sign_in = SignIn {
            user,
            nickname: nickname.map(Into::into),
            create,
            at: NOW,
        };
        store.sign_in(sign_in).await.unwrap()
    };
    let seven = UserRef::Id(UserId(7));
    assert!(sign_in(seven.clone(), None, false).await.is_none());
    assert!(
        store.user(seven.clone()).await.unwrap().is_none(),
        "asking made nothing"
    );
    let made = sign_in(seven.clone(), Some("Seven"), true).await.unwrap();
    assert_eq!(
        (made.user.id, &*made.user.handle, &*made.user.nickname),
        (UserId(7), "7", "Seven")
    );
    assert!(made.rooms.is_empty() && made.blocked.is_empty());
    let again = sign_in(seven, Some("Other"), true).await.unwrap();
    assert_eq!(
        &*again.user.nickname, "Seven",
        "a token's nickname is not written over a user's"
    );
    let named = sign_in(handle("abc"), None, true).await.unwrap();
    assert_eq!((named.user.id, &*named.user.nickname), (UserId(1), "abc"));
    assert_eq!(
        sign_in(handle("abc"), None, false).await.unwrap().user,
        named.user
    );
    // 9 is another user's handle, so that no user 9 with its usual handle can be made.
    sign_in(handle("9"), None, true).await.unwrap();
    assert!(sign_in(UserRef::Id(UserId(9)), None, true).await.is_none());
}

/// A sign-in reads the user, its rooms and its blocks.
pub async fn sign_in_reads_all(store: Shared) {
    let [mina, jun] = people(&store).await;
    let (second, first) = (
        open_room(&store, &[mina, jun]).await,
        open_room(&store, &[mina]).await,
    );
    fill(&store, &second, mina, 3).await;
    store.block(mina, UserId(jun.0), true).await.unwrap();
    let sign_in = SignIn {
        user: UserRef::Id(mina),
        nickname: None,
        create: false,
        at: NOW,
    };
    let signed_in = store.sign_in(sign_in).await.unwrap().unwrap();
    assert_eq!((signed_in.user.id, signed_in.blocked), (mina, vec![jun]));
    let ids: Vec<RoomId> = signed_in.rooms.iter().map(|room| room.room).collect();
    assert_eq!(ids, [second.id, first.id], "ascending by number");
    let room = &signed_in.rooms[0];
    assert_eq!(
        (room.seq, room.first_seq, room.joined_seq),
        (Seq(3), Seq(1), Seq(0))
    );
    assert_eq!((room.token, &room.name), (second.token, &second.name));
    assert_eq!(
        (room.epoch, room.members_version.0, room.membership),
        (second.epoch, 1, second.membership)
    );
    assert_eq!(signed_in.rooms[1].first_seq, Seq(1), "an empty room begins at 1");
    assert_eq!(store.my_rooms(mina).await.unwrap(), signed_in.rooms);
}

/// A ban stays as it was first said until it ends.
pub async fn bans_hold(store: Shared) {
    let [mina] = people(&store).await;
    let ban = |reason: &str| {
        Some(Ban {
            reason: reason.into(),
            at: NOW,
        })
    };
    let kept = async || store.user(UserRef::Id(mina)).await.unwrap().unwrap().ban;
    assert_eq!(store.ban(mina, None).await.unwrap(), Existing::Unchanged);
    assert_eq!(store.ban(mina, ban("spam")).await.unwrap(), Existing::Changed);
    assert_eq!(store.ban(mina, ban("again")).await.unwrap(), Existing::Unchanged);
    assert_eq!(kept().await, ban("spam"));
    assert_eq!(store.ban(mina, None).await.unwrap(), Existing::Changed);
    assert_eq!(kept().await, None);
    assert_eq!(store.ban(UserId(404), ban("x")).await.unwrap(), Existing::Absent);
    assert_eq!(store.ban(UserId(404), None).await.unwrap(), Existing::Absent);
}

/// Blocks have a direction, and are idempotent both ways.
pub async fn blocks_hold(store: Shared) {
    let [mina, jun, sena] = people(&store).await;
    assert_eq!(store.block(mina, jun, false).await.unwrap(), Existing::Unchanged);
    assert_eq!(store.block(mina, sena, true).await.unwrap(), Existing::Changed);
    assert_eq!(store.block(mina, jun, true).await.unwrap(), Existing::Changed);
    assert_eq!(store.block(mina, jun, true).await.unwrap(), Existing::Unchanged);
    assert_eq!(store.blocks(mina).await.unwrap(), [jun, sena]);
    assert!(store.has_blocked(mina, jun).await.unwrap());
    assert!(!store.has_blocked(jun, mina).await.unwrap());
    assert!(store.blocks(jun).await.unwrap().is_empty());
    assert_eq!(store.block(mina, jun, false).await.unwrap(), Existing::Changed);
    assert!(!store.has_blocked(mina, jun).await.unwrap());
    for (user, other) in [(mina, UserId(404)), (UserId(404), mina)] {
        assert_eq!(store.block(user, other, true).await.unwrap(), Existing::Absent);
    }
}

/// The end of a user's last session is the latest that was noted.
pub async fn last_seen_never_goes_back(store: Shared) {
    let [mina] = people(&store).await;
    for (at, expected) in [(NOW, NOW), (Timestamp(5), NOW), (NOW.plus_ms(1), NOW.plus_ms(1))] {
        store.seen(mina, at).await.unwrap();
        assert_eq!(
            store.user(UserRef::Id(mina)).await.unwrap().unwrap().last_seen,
            Some(expected)
        );
    }
    store.seen(UserId(404), NOW).await.unwrap();
}

/// A member token opens until it ends or is revoked, for its own user alone.
pub async fn member_tokens_open_and_end(store: Shared) {
    let [mina, jun] = people(&store).await;
    let end = NOW.plus_ms(1_000);
    let hash = |byte| TokenHash([byte; 32]);
    let add = async |user, byte, end| store.add_member_token(user, hash(byte), end, NOW).await.unwrap();
    assert_eq!(add(mina, 1, Some(end)).await, TokenAdded::Yes);
    assert_eq!(add(mina, 2, None).await, TokenAdded::Yes);
    assert_eq!(add(jun, 3, None).await, TokenAdded::Yes);
    assert_eq!(add(UserId(404), 4, None).await, TokenAdded::NoUser);
    let opens = async |byte, at| store.member_token(hash(byte), at).await.unwrap();
    let of = |user, expires_at| Some(MemberToken { user, expires_at });
    assert_eq!(opens(1, Timestamp(end.0 - 1)).await, of(mina, Some(end)));
    assert_eq!(opens(1, end).await, None, "ended");
    assert_eq!(opens(2, Timestamp(i64::MAX)).await, of(mina, None), "has no end");
    assert_eq!(opens(4, NOW).await, None);
    assert_eq!(
        store.revoke_member_tokens(mina, None).await.unwrap(),
        [hash(1), hash(2)]
    );
    assert_eq!(store.revoke_member_tokens(mina, None).await.unwrap(), []);
    assert_eq!((opens(2, NOW).await, opens(3, NOW).await), (None, of(jun, None)));
}

/// One member token can be revoked by its id, by which nothing else of the user and nobody else's is meant.
pub async fn one_member_token_is_revoked(store: Shared) {
    let [mina, jun] = people(&store).await;
    let twin = |last| {
        let mut hash = [7; 32];
        hash[31] = last;
        TokenHash(hash)
    };
    let (one, other, juns) = (TokenHash([1; 32]), TokenHash([2; 32]), twin(1));
    for (user, hash) in [(mina, one), (mina, other), (jun, juns)] {
        store.add_member_token(user, hash, None, NOW).await.unwrap();
    }
    let opens = async |hash| store.member_token(hash, NOW).await.unwrap().is_some();
    assert_eq!(
        store.revoke_member_tokens(mina, Some(juns.id())).await.unwrap(),
        []
    );
    assert_eq!(
        store.revoke_member_tokens(mina, Some(one.id())).await.unwrap(),
        [one]
    );
    assert_eq!(
        store.revoke_member_tokens(mina, Some(one.id())).await.unwrap(),
        []
    );
    assert_eq!(
        (opens(one).await, opens(other).await, opens(juns).await),
        (false, true, true)
    );
}

/// A user has no more member tokens than the limit says; what has ended or was revoked does not count.
pub async fn a_user_has_only_so_many_member_tokens(store: Shared) {
    let [mina, jun] = people(&store).await;
    let max = StoreLimits::default().member_tokens_per_user_max;
    let hash = |number: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
        TokenHash(hash)
    };
    let end = NOW.plus_ms(1_000);
    let add = async |number, end, at| store.add_member_token(mina, hash(number), end, at).await.unwrap();
    assert_eq!(add(0, Some(end), NOW).await, TokenAdded::Yes);
    for number in 1..max {
        assert_eq!(add(number, None, NOW).await, TokenAdded::Yes, "{number}");
    }
    assert_eq!(add(max, None, Timestamp(end.0 - 1)).await, TokenAdded::TooMany);
    assert_eq!(store.member_token(hash(max), NOW).await.unwrap(), None);
    let others = store
        .add_member_token(jun, hash(max + 1), None, NOW)
        .await
        .unwrap();
    assert_eq!(others, TokenAdded::Yes);
    assert_eq!(add(max, None, end).await, TokenAdded::Yes, "one has ended");
    assert_eq!(add(max + 2, None, end).await, TokenAdded::TooMany);
    store
        .revoke_member_tokens(mina, Some(hash(1).id()))
        .await
        .unwrap();
    assert_eq!(add(max + 2, None, end).await, TokenAdded::Yes, "one was revoked");
}

/// A revocation holds at least until the token would have ended.
pub async fn revocations_hold(store: Shared) {
    let revocation = |jti: &str, ms| Revocation {
        jti: jti.into(),
        expires_at: NOW.plus_ms(ms),
    };
    store.revoke(revocation("b", 2_000)).await.unwrap();
    store.revoke(revocation("a", 1_000)).await.unwrap();
    store.revoke(revocation("a", 1_000)).await.unwrap();
    assert!(store.is_revoked("a".into()).await.unwrap());
    assert!(!store.is_revoked("c".into()).await.unwrap());
    assert_eq!(
        store.revocations(NOW).await.unwrap(),
        [revocation("a", 1_000), revocation("b", 2_000)]
    );
    assert_eq!(
        store.revocations(NOW.plus_ms(1_000)).await.unwrap(),
        [revocation("b", 2_000)]
    );
    assert!(store.is_revoked("b".into()).await.unwrap());
}
