//! No code: this package's dependencies are its purpose, see `Cargo.toml`.
