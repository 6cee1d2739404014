//! The enums of the model and those of the contract, value by value.
//!
//! Invariant: both sides are matched without wildcards, so that a new value is thought of here.

use bongsu_model::cluster::NodeState;
use bongsu_model::device::CommandState;
use bongsu_model::event::{AnnouncementKind, Priority};
use bongsu_model::media::{EndReason, LeaveReason};
use bongsu_model::message::MessageKind;
use bongsu_proto::backplane::v1 as proto;

use super::NotHeard;

/// A value that is said as a number.
pub(super) trait Coded: Sized {
    /// The number.
    fn code(self) -> i32;

    /// The value of a number.
    fn of(code: i32) -> Result<Self, NotHeard>;
}

macro_rules! coded {
    ($($name:ident { $($variant:ident)* })*) => {$(
        impl Coded for $name {
            fn code(self) -> i32 {
                match self { $(Self::$variant => proto::$name::$variant),* }.into()
            }

            fn of(code: i32) -> Result<Self, NotHeard> {
                match proto::$name::try_from(code) {
                    $(Ok(proto::$name::$variant) => Ok(Self::$variant),)*
                    Ok(proto::$name::Unspecified) => Err(NotHeard::Malformed(stringify!(no $name))),
                    Err(_) => Err(NotHeard::Unknown),
                }
            }
        }
    )*};
}

coded! {
    MessageKind { Text Image File Audio Video Location Custom }
    LeaveReason { Left Moved Disconnected Removed }
    EndReason { EndedByHost Empty EndedByOperator }
    AnnouncementKind { Maintenance Notice Update Emergency }
    Priority { Low Normal High }
    NodeState { Serving Full Draining Gone }
    CommandState {
        Accepted Routed Written Received InProgress Succeeded Failed Rejected TimedOut Expired Superseded Cancelled Offline
    }
}
