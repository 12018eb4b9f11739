//! `lockgate.toml`: one parser, every problem at once.
