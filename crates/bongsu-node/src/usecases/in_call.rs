//! What a participant does in a video room besides signalling: leave, end it as its host, switch media.

use bongsu_core::call::{CallInput, Ender};
use bongsu_model::media::MediaStatus;
use bongsu_model::{CallId, Refusal};

use crate::node::Ask;
use crate::usecases::calls;

pub(crate) async fn leave(ask: &mut Ask<'_>, call: CallId) -> Result<(), Refusal> {
    calls::room_of(ask, call).await?;
    let input = CallInput::Leave {
        call,
        user: ask.session.user,
        session: ask.session.id,
    };
    calls::ask_machine(ask, input).await
}

pub(crate) async fn end(ask: &mut Ask<'_>, call: CallId) -> Result<(), Refusal> {
    calls::room_of(ask, call).await?;
    calls::ask_machine(
        ask,
        CallInput::End {
            call,
            by: Ender::User(ask.session.user),
        },
    )
    .await
}

pub(crate) async fn set_media(ask: &mut Ask<'_>, call: CallId, media: MediaStatus) -> Result<(), Refusal> {
    calls::room_of(ask, call).await?;
    let input = CallInput::SetMedia {
        call,
        user: ask.session.user,
        session: ask.session.id,
        media,
        cause: ask.cause.clone(),
    };
    calls::ask_machine(ask, input).await
}
