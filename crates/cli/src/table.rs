//! How a command's result is printed: a table for people, or JSON for programs.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::terminal;

/// What is printed.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum Output {
    /// A table for people.
    #[default]
    Text,
    /// JSON for programs; fields are added to it and never taken away.
    Json,
}

impl Output {
    /// The content as JSON, or what people read.
    pub fn print(self, content: &impl Serialize, for_people: impl FnOnce() -> String) -> String {
        match self {
            Self::Text => for_people(),
            // What is given here are records of names and texts, which always have a JSON form.
            Self::Json => serde_json::to_string_pretty(content).unwrap_or_default(),
        }
    }
}

/// What a command prints, and how it ends.
pub type Ended = (String, ExitCode);

impl Output {
    /// What programs get of something that ended red: its content, and 1; people read why. Nothing, where it is for people,
    /// who read it as an error.
    pub fn red(self, content: &impl Serialize, why: &str) -> Option<Ended> {
        match self {
            Self::Text => None,
            Self::Json => {
                terminal::complain(why);
                Some((self.print(content, String::new), ExitCode::FAILURE))
            }
        }
    }
}

/// An empty table with these columns, as wide as the terminal.
pub fn new(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.iter().copied());
    table
}
