//! Refusals and ends as gRPC says them: a status, and in its metadata the code that all protocols share.
//!
//! Invariant: a client that repeats by itself what is `UNAVAILABLE` never repeats what may have been carried out.

use bongsu_model::refusal::CloseCause;
use bongsu_model::{Closing, Code, Locale, Refusal, Why};
use bongsu_wire::close::{close_code, closing_text, refusal_text};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code as GrpcCode, Status};

/// The status of a refusal.
pub(crate) fn refused(refusal: &Refusal, locale: Locale) -> Status {
    let mut metadata = MetadataMap::new();
    explain(&mut metadata, refusal);
    Status::with_metadata(status(refusal.code), refusal_text(refusal, locale), metadata)
}

/// The status that a device's stream ends with.
pub(crate) fn ended(closing: &Closing, locale: Locale) -> Status {
    let mut metadata = MetadataMap::new();
    let code = match &closing.cause {
        CloseCause::Refused(refusal) => {
            explain(&mut metadata, refusal);
            status(refusal.code)
        }
        CloseCause::SignInTimeout
        | CloseCause::TokenExpired
        | CloseCause::TokenRevoked
        | CloseCause::CertificateRevoked => GrpcCode::Unauthenticated,
        CloseCause::Banned => GrpcCode::PermissionDenied,
        CloseCause::Idle
        | CloseCause::FrameTimeout
        | CloseCause::Slow
        | CloseCause::Disconnected
        | CloseCause::Replaced => GrpcCode::Aborted,
        CloseCause::Flooding => GrpcCode::ResourceExhausted,
        CloseCause::ShuttingDown => GrpcCode::Unavailable,
    };
    put(&mut metadata, "bongsu-code", closing.code().name());
    put(
        &mut metadata,
        "bongsu-close-code",
        &close_code(&closing.cause).to_string(),
    );
    put(&mut metadata, "bongsu-reconnect", closing.reconnect.name());
    Status::with_metadata(code, closing_text(&closing.cause, locale), metadata)
}

/// The status of a code.
const fn status(code: Code) -> GrpcCode {
    match code {
        Code::InvalidToken | Code::NotAuthenticated => GrpcCode::Unauthenticated,
        Code::PermissionDenied | Code::UserBlocked | Code::CommandRefused => GrpcCode::PermissionDenied,
        Code::InvalidAction => GrpcCode::Unimplemented,
        Code::InvalidData | Code::MessageTooLarge | Code::MessageRejected => GrpcCode::InvalidArgument,
        Code::RoomNotFound
        | Code::VideoRoomNotFound
        | Code::UserNotFound
        | Code::DeviceNotFound
        | Code::PresetNotFound
        | Code::CommandNotFound => GrpcCode::NotFound,
        // The device is there, only not in a state in which it can be told; asking again at once changes nothing.
        Code::RoomFull | Code::VideoRoomFull | Code::DeviceOffline | Code::DeviceLeased | Code::NameTaken => {
            GrpcCode::FailedPrecondition
        }
        // The first may have been carried out: nobody may repeat it without looking.
        Code::CommandTimeout | Code::CommandExpired => GrpcCode::DeadlineExceeded,
        Code::RateLimited => GrpcCode::ResourceExhausted,
        // Nothing was done.
        Code::DeviceUnknownState | Code::Overloaded | Code::ShuttingDown => GrpcCode::Unavailable,
        Code::InternalError => GrpcCode::Internal,
    }
}

/// The code, and whatever a program needs beside it.
fn explain(metadata: &mut MetadataMap, refusal: &Refusal) {
    put(metadata, "bongsu-code", refusal.code.name());
    match &refusal.why {
        Why::Code | Why::Malformed { .. } => {}
        Why::Field { name, .. } | Why::TooLarge { what: name, .. } => put(metadata, "bongsu-field", name),
        Why::Reason(reason) => put(metadata, "bongsu-reason", reason),
        Why::Incident(incident) => put(metadata, "bongsu-incident", &incident.to_string()),
        Why::Command(command) => put(metadata, "bongsu-command-id", &command.to_string()),
        Why::Holder(holder) => put(metadata, "bongsu-holder", holder),
        Why::Argument { pointer, .. } => put(metadata, "bongsu-argument", pointer),
    }
    if let Some(ms) = refusal.retry_after_ms {
        put(metadata, "retry-after-ms", &ms.to_string());
    }
}

/// What no header can hold is left out: it stands in the text, too.
fn put(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = AsciiMetadataValue::try_from(value) {
        metadata.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_done_may_be_repeated() {
        let may: Vec<_> = Code::ALL
            .into_iter()
            .filter(|code| status(*code) == GrpcCode::Unavailable)
            .collect();
        assert_eq!(
            may,
            [Code::DeviceUnknownState, Code::Overloaded, Code::ShuttingDown]
        );
    }

    #[test]
    fn the_code_goes_with_the_status() {
        let refusal = Refusal::retry(Code::RateLimited, 250);
        let status = refused(&refusal, Locale::En);
        assert_eq!(status.code(), GrpcCode::ResourceExhausted);
        assert_eq!(status.metadata().get("bongsu-code").unwrap(), "RATE_LIMITED");
        assert_eq!(status.metadata().get("retry-after-ms").unwrap(), "250");
        let status = ended(&Closing::new(CloseCause::Replaced), Locale::Ko);
        assert_eq!(status.code(), GrpcCode::Aborted);
        assert_eq!(status.metadata().get("bongsu-close-code").unwrap(), "4409");
        assert_eq!(status.metadata().get("bongsu-reconnect").unwrap(), "never");
    }
}
