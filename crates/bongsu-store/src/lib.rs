//! What is kept: the store's contract, its SQLite and memory implementations, one conformance suite.
