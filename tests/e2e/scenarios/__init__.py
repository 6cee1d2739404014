"""What a client sees, one file per part of the protocol."""
