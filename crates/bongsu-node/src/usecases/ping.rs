//! Is anybody there.

use bongsu_model::{Refusal, Reply};

use crate::node::Ask;

pub(crate) fn ping(ask: &mut Ask<'_>) -> Result<(), Refusal> {
    (ask.answer)(Reply::Pong { server_time: ask.now });
    Ok(())
}
