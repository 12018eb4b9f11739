//! A release: an immutable built thing, named by the digest of its index.
