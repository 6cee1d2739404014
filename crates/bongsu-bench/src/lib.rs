//! The load generator and the floors it measures against.
