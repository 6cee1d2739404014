//! What every store must do, as checks that any implementation can be held to.
//!
//! Each check gets an empty store. [`crate::conformance!`] makes one test of each. Invariant: a check uses the trait alone.

#![allow(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

mod commands;
mod devices;
mod fleets;
mod leases;
mod messages;
mod pages;
mod presets;
mod rest;
mod rooms;
mod shadows;
mod steps;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bongsu_model::records::{MemberRole, NewRoom, NewUser, Room, User, Visibility};
use bongsu_model::{ClientMessageId, Message, MessageId, MessageKind, RoomRef, Timestamp, UserId};

use crate::{Appended, NewMessage, Store, StoreLimits};

pub use commands::*;
pub use devices::*;
pub use fleets::*;
pub use leases::*;
pub use messages::*;
pub use pages::*;
pub use presets::*;
pub use rest::*;
pub use rooms::*;
pub use shadows::*;
pub use steps::*;
pub use users::*;

/// The limits that a store under test must be made with: small enough to be reached.
#[must_use]
pub fn limits() -> StoreLimits {
    StoreLimits {
        room_members_max: 4,
        rooms_per_user_max: 5,
        trails_per_user_max: 2,
        trails_max: 4,
        enrolments_per_device_max: 2,
        command_notes_max: 6,
        presets_max: 4,
        ..StoreLimits::default()
    }
}

/// Makes a module of tests, one per check, for the stores that an expression makes.
///
/// `$fresh` is evaluated in an async context of tokio and must give an `(impl Drop, Arc<dyn Store>)`: the
/// first part is kept until the check is over.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $fresh:expr) => {
        $crate::conformance!(@tests $name, $fresh,
            // Users.
            users_are_made_and_found, users_get_free_numbers, what_is_taken_is_refused, users_are_paged, users_change, a_user_has_names_in_only_so_many_languages,
            sign_in_makes_users_only_if_told, sign_in_reads_all, bans_hold, blocks_hold, last_seen_never_goes_back,
            member_tokens_open_and_end, one_member_token_is_revoked, a_user_has_only_so_many_member_tokens, revocations_hold,
            // Rooms.
            rooms_are_made_and_found, rooms_refuse_what_does_not_fit, rooms_are_paged, joining_twice_is_joining_once,
            leaving_twice_is_leaving_once, a_full_room_takes_nobody, a_closed_room_takes_whom_an_operator_adds,
            joins_of_nothing_are_refused, a_user_joins_only_so_many_rooms, members_are_paged, read_marks_never_go_back,
            concurrent_joins_are_each_one_version, members_of_session_rooms_are_paged,
            members_of_session_rooms_come_and_go,
            // Messages.
            a_message_is_kept_as_it_was_posted, seqs_have_no_hole_under_concurrency,
            pipelined_appends_keep_their_order, a_repeat_is_answered_with_the_first, a_client_id_is_of_one_sender_and_room,
            a_client_id_with_another_content_is_a_repeat, concurrent_repeats_are_stored_once,
            messages_carry_the_members_version, strangers_do_not_post, only_owners_post_in_a_broadcast_room,
            a_blocked_user_does_not_post_in_a_direct_room, replies_stay_in_their_room, a_service_posts_without_membership,
            senders_are_shown_as_they_are_now, messages_share_their_senders_profile,
            // Pages and retention.
            pages_after, pages_before, pages_of_the_latest, pages_of_an_empty_room, retention_by_count,
            retention_by_age, a_retained_room_goes_on,
            // Devices.
            devices_are_made_and_found, devices_are_paged, epochs_rise_by_one, concurrent_sessions_get_an_epoch_each,
            a_session_begins_only_where_it_is_expected, concurrent_takeovers_are_one, client_numbers_rise,
            a_session_makes_its_device_only_if_told, only_the_last_session_is_closed,
            sessions_of_a_node_are_forgotten, enrolments_open_and_end, only_the_last_enrolments_stay,
            a_deleted_device_leaves_its_numbers,
            // Many devices at once, and their new ids.
            devices_are_made_each_on_its_own, devices_of_a_kind_are_paged, a_renamed_device_takes_everything_with_it,
            a_renaming_leaves_no_number_behind, devices_swap_their_ids, a_renaming_is_of_all_or_none,
            concurrent_renamings_to_one_id_are_one, what_presets_say_of_a_device_goes_with_it,
            // Presets.
            presets_are_made_and_found, a_preset_is_changed_as_a_whole, names_of_presets_are_told_apart_by_bytes,
            there_are_only_so_many_presets, ids_of_presets_are_never_given_again, presets_are_paged,
            concurrent_presets_of_one_name_are_one,
            // Commands, and how they move.
            a_command_is_kept_as_it_was_recorded, a_command_is_routed_only_to_the_last_session, refusals_come_in_order, a_known_command_is_a_repeat,
            a_key_is_a_repeat_for_its_time, a_key_goes_with_its_command, concurrent_calls_with_one_key_record_once,
            the_same_thing_again_joins, another_thing_does_not_join, what_has_ended_is_not_joined,
            who_joins_keeps_its_key, concurrent_calls_join_one, a_device_has_only_so_many_open_commands,
            a_newer_command_supersedes_what_no_node_has, a_lease_keeps_others_out,
            a_command_goes_its_way, every_open_command_may_end, a_rank_never_falls, a_terminal_state_is_final,
            concurrent_ends_are_one, an_older_epoch_has_no_say,
            no_step_routes_to_an_older_session, a_takeover_and_a_step_are_one_after_the_other, a_command_is_its_devices_alone, the_first_late_word_stays, steps_are_taken_in_order,
            a_history_is_bounded, commands_are_paged_backwards, overdue_commands_are_found,
            ended_commands_are_trimmed,
            // Leases and states.
            one_operator_has_a_device, fences_rise, concurrent_leases_are_one, a_lease_is_released_by_its_holder,
            lapsed_leases_are_found_until_they_are_ended, concurrent_ends_of_a_lease_are_one,
            a_followed_lease_does_not_lapse,
            a_state_is_kept_as_it_was_put, a_stale_state_is_refused, concurrent_states_are_one_after_the_other,
            a_wish_comes_with_its_command, a_wish_ends_with_its_command, only_a_commands_own_wish_is_taken_back,
            // The rest.
            calls_get_ever_new_numbers, the_audit_is_paged_backwards, the_first_answer_stays, a_trail_is_taken_once_by_its_user,
            trails_end, only_the_last_trails_stay, a_stopped_store_says_so,
        );
    };
    (@tests $name:ident, $fresh:expr, $($check:ident),* $(,)?) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let (_kept, store) = $fresh;
                    $crate::conformance::$check(::std::sync::Arc::clone(&store)).await;
                    store.stop().await;
                }
            )*
        }
    };
}

pub(crate) type Shared = Arc<dyn Store>;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) async fn user(store: &Shared, nickname: &str) -> User {
    let user = NewUser {
        nickname: Some(nickname.into()),
        ..NewUser::default()
    };
    store.create_user(user, NOW).await.unwrap()
}

pub(crate) async fn people<const N: usize>(store: &Shared) -> [UserId; N] {
    let mut users = [UserId(0); N];
    for (number, place) in users.iter_mut().enumerate() {
        *place = user(store, &format!("user {number}")).await.id;
    }
    users
}

pub(crate) async fn open_room(store: &Shared, members: &[UserId]) -> Room {
    let members = members.iter().map(|user| (*user, MemberRole::Member)).collect();
    let room = NewRoom {
        visibility: Visibility::Open,
        members,
        ..NewRoom::default()
    };
    store.create_room(room, NOW).await.unwrap()
}

pub(crate) fn by_id(room: &Room) -> RoomRef {
    RoomRef::Id(room.id)
}

pub(crate) fn post(room: &Room, sender: UserId, content: &str) -> NewMessage {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NewMessage {
        id: MessageId(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)),
        room: by_id(room),
        sender,
        content: content.into(),
        kind: MessageKind::Text,
        client_id: None,
        reply_to: None,
        metadata: None,
        at: NOW,
        as_member: true,
    }
}

pub(crate) fn named(mut message: NewMessage, client_id: &str) -> NewMessage {
    message.client_id = ClientMessageId::new(client_id);
    message
}

pub(crate) fn new_of(appended: Appended) -> Arc<Message> {
    match appended {
        Appended::New(message) => message,
        Appended::Repeat(message) => panic!("{:?} was there before", message.seq),
    }
}

pub(crate) fn repeat_of(appended: Appended) -> Arc<Message> {
    match appended {
        Appended::Repeat(message) => message,
        Appended::New(message) => panic!("{:?} was stored again", message.seq),
    }
}

pub(crate) async fn posted(store: &Shared, message: NewMessage) -> Arc<Message> {
    new_of(store.append(message).await.unwrap())
}

/// Posts `count` messages one after the other, a second apart; their texts are their seqs.
pub(crate) async fn fill(store: &Shared, room: &Room, sender: UserId, count: u64) {
    for seq in 1..=count {
        let mut message = post(room, sender, &seq.to_string());
        message.at = NOW.plus_ms(seq * 1_000);
        assert_eq!(posted(store, message).await.seq.0, seq);
    }
}
