//! A gateway without sockets: requests, shard hosts, mailboxes, use cases.
