//! An environment's lock and queue.
