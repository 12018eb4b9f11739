//! The pages, from a ledger whose story is known.

mod browser;
mod markup;
mod pages;
mod scene;
mod server;
