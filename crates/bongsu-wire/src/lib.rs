//! How it is said: the codecs of every protocol, pure.
