//! Signalling from one participant to another, unread.

use bongsu_core::call::CallInput;
use bongsu_core::policy;
use bongsu_model::media::Signal;
use bongsu_model::{CallId, Refusal, UserRef};

use crate::node::Ask;
use crate::usecases::{calls, users};

pub(crate) async fn signal(
    ask: &mut Ask<'_>,
    call: CallId,
    target: &UserRef,
    signal: Signal,
) -> Result<(), Refusal> {
    let (node, session) = (ask.node, ask.session);
    let limit = node.ports.limits.signal_bytes_max;
    if signal.payload().as_bytes().len() > limit {
        return Err(Refusal::too_large("signal", limit as u64));
    }
    calls::room_of(ask, call).await?;
    let target = users::id(node, target).await?;
    let blocked = node
        .ports
        .store
        .has_blocked(target, session.user)
        .await
        .map_err(|fault| node.fault(&fault))?;
    policy::may_signal(blocked)?;
    let input = CallInput::Signal {
        call,
        from: session.user,
        session: session.id,
        target,
        signal,
        cause: ask.cause.clone(),
    };
    calls::ask_machine(ask, input).await
}
