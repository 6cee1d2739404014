//! Who else hears it: the bus's contract and its implementations.
