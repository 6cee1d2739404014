//! What happens: pure, synchronous state machines.
