//! Messages of the memory store: append, pages, retention.

use std::sync::Arc;

use bongsu_model::records::{MemberRole, RoomKind, User};
use bongsu_model::{HistoryPage, Message, PageFrom, RoomId, Seq, Timestamp};

use super::state::{Held, State};
use crate::{AppendRefused, Appended, NewMessage};

impl State {
    pub(super) fn append(&mut self, new: NewMessage) -> Result<Appended, AppendRefused> {
        let held = self.held(&new.room).ok_or(AppendRefused::NoRoom)?;
        let sender = self.users.get(&new.sender).ok_or(AppendRefused::NotMember)?;
        let place = held.members.get(&new.sender);
        if new.as_member && place.is_none() {
            return Err(AppendRefused::NotMember);
        }
        if let Some(client_id) = &new.client_id
            && let Some(seq) = held.client_ids.get(&(new.sender, client_id.as_str().into()))
            && let Some(first) = held.message(*seq)
        {
            return Ok(Appended::Repeat(self.as_of_now(first)));
        }
        if new.as_member {
            match held.room.kind {
                RoomKind::Group => {}
                RoomKind::Broadcast => {
                    if place.is_none_or(|place| place.role != MemberRole::Owner) {
                        return Err(AppendRefused::NotOwner);
                    }
                }
                RoomKind::Direct => {
                    if held
                        .members
                        .keys()
                        .any(|other| self.has_blocked(*other, new.sender))
                    {
                        return Err(AppendRefused::Blocked);
                    }
                }
            }
        }
        if let Some(reply_to) = new.reply_to
            && !held.messages.iter().any(|message| message.id == reply_to)
        {
            return Err(AppendRefused::NoSuchReply);
        }
        let message = Arc::new(Message {
            id: new.id,
            room: held.room.id,
            room_name: held.room.name.clone(),
            room_token: held.room.token,
            seq: held.room.seq.next(),
            epoch: held.room.epoch,
            members: held.room.members_version,
            sender: sender.sender(),
            content: new.content,
            kind: new.kind,
            metadata: new.metadata,
            reply_to: new.reply_to,
            created_at: new.at,
        });
        let held = self.held_mut(&new.room).ok_or(AppendRefused::NoRoom)?;
        held.room.seq = message.seq;
        held.messages.push_back(Arc::clone(&message));
        if let Some(client_id) = new.client_id {
            held.client_ids
                .insert((new.sender, client_id.as_str().into()), message.seq);
        }
        Ok(Appended::New(message))
    }

    pub(super) fn history(&self, room: RoomId, from: PageFrom, limit: u32) -> Option<HistoryPage> {
        let held = self.rooms.get(&room)?;
        let all = &held.messages;
        let first = held.first_seq();
        let index = |seq: u64| {
            let at = seq.saturating_sub(first.0);
            usize::try_from(at).unwrap_or(usize::MAX).min(all.len())
        };
        let limit = limit as usize;
        let (range, has_more) = match from {
            PageFrom::After(seq) => {
                let start = index(seq.0.saturating_add(1));
                let end = start.saturating_add(limit).min(all.len());
                (start..end, end < all.len())
            }
            PageFrom::Before(seq) => {
                let end = index(seq.0);
                let start = end.saturating_sub(limit);
                (start..end, start > 0)
            }
            PageFrom::Latest => {
                let start = all.len().saturating_sub(limit);
                (start..all.len(), start > 0)
            }
        };
        Some(HistoryPage {
            room,
            room_name: held.room.name.clone(),
            messages: all.range(range).map(|message| self.as_of_now(message)).collect(),
            has_more,
            epoch: held.room.epoch,
            head: held.room.seq,
        })
    }

    /// The message with its sender's name and picture as they are now.
    fn as_of_now(&self, message: &Arc<Message>) -> Arc<Message> {
        match self.users.get(&message.sender.user).map(User::sender) {
            Some(sender) if sender != message.sender => Arc::new(Message {
                sender,
                ..Message::clone(message)
            }),
            Some(_) | None => Arc::clone(message),
        }
    }

    pub(super) fn retain(&mut self, keep: u64, not_before: Option<Timestamp>) -> u64 {
        self.rooms
            .values_mut()
            .map(|held| retain_in(held, keep, not_before))
            .sum()
    }
}

fn retain_in(held: &mut Held, keep: u64, not_before: Option<Timestamp>) -> u64 {
    let mut gone = 0;
    while let Some(first) = held.messages.front() {
        let too_many = keep > 0 && held.messages.len() as u64 > keep;
        let too_old = not_before.is_some_and(|not_before| first.created_at < not_before);
        if !too_many && !too_old {
            break;
        }
        held.messages.pop_front();
        gone += 1;
    }
    if gone > 0 {
        let first = held.first_seq();
        held.client_ids.retain(|_, seq: &mut Seq| *seq >= first);
    }
    gone
}
