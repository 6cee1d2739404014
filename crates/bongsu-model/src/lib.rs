//! What we talk about: ids, requests, replies, events, refusals, limits.
