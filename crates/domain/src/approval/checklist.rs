//! `lockgate.uat.md`: what people try before they accept a release.
//!
//! The file belongs to the code and travels in the release. Of its Markdown only this counts: headings (`#`), and the
//! items of task lists with the lines that belong to them.
//!
//! ```markdown
//! ## Ordering
//! - [ ] Put two teas into the basket and order them.
//!   The confirmation names both.
//! - [ ] Cancel the order.
//! ```

use serde::{Deserialize, Serialize};

use crate::harmless::{harmless, is_invisible};

/// The most bytes of the file.
pub const FILE_LIMIT: usize = 64 * 1024;

/// The most items.
pub const ITEMS_LIMIT: usize = 50;

/// The most characters of an item.
pub const ITEM_LIMIT: usize = 500;

/// The most characters of a heading; what is longer is cut.
pub const HEADING_LIMIT: usize = 100;

/// One thing to try and to tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecklistItem {
    /// The heading it stands under.
    pub heading: Option<String>,
    /// What to try, harmless; Markdown in it is left as it was written.
    pub text: String,
}

/// What is wrong with a checklist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChecklist {
    /// It is longer than [`FILE_LIMIT`].
    #[error("the checklist has {0} bytes; {FILE_LIMIT} are the most that are read")]
    TooLong(usize),
    /// It has more than [`ITEMS_LIMIT`] items.
    #[error(
        "the checklist has {0} items; nobody tries more than {ITEMS_LIMIT} things with care, so keep those that matter"
    )]
    TooManyItems(usize),
    /// An item is longer than [`ITEM_LIMIT`].
    #[error("line {line}: the item has {length} characters; {ITEM_LIMIT} are the most, so make several of it")]
    ItemTooLong {
        /// The line it begins in, from 1.
        line: usize,
        /// How long it is.
        length: usize,
    },
    /// An item says nothing.
    #[error("line {line}: the item says nothing; write what to try after the brackets")]
    EmptyItem {
        /// Its line, from 1.
        line: usize,
    },
}

/// Reads a checklist. A file without items is one that asks nothing.
pub fn read(markdown: &str) -> Result<Vec<ChecklistItem>, InvalidChecklist> {
    if markdown.len() > FILE_LIMIT {
        return Err(InvalidChecklist::TooLong(markdown.len()));
    }
    let found = find(markdown);
    if found.len() > ITEMS_LIMIT {
        return Err(InvalidChecklist::TooManyItems(found.len()));
    }
    found.into_iter().map(Found::check).collect()
}

/// An item as it stands in the file.
struct Found {
    line: usize,
    heading: Option<String>,
    text: String,
}

impl Found {
    fn check(self) -> Result<ChecklistItem, InvalidChecklist> {
        let line = self.line;
        // Harmless texts are never longer than what they were made of.
        let text = harmless(&self.text, self.text.len());
        match text.chars().count() {
            0 => Err(InvalidChecklist::EmptyItem { line }),
            length if length > ITEM_LIMIT => Err(InvalidChecklist::ItemTooLong { line, length }),
            _ => Ok(ChecklistItem {
                heading: self.heading,
                text,
            }),
        }
    }
}

fn find(markdown: &str) -> Vec<Found> {
    // Whoever reads the file does not see these, and no item may be missed because of them.
    let visible: String = markdown.chars().filter(|c| !is_invisible(*c)).collect();
    let mut found: Vec<Found> = Vec::new();
    let mut heading = None;
    // Whether lines may still belong to the last item, and whether a blank one stood between.
    let mut is_open = false;
    let mut after_blank = false;
    let mut fence: Option<&str> = None;
    let mut in_comment = false;
    for (at, line) in visible.lines().flat_map(|line| line.split('\r')).enumerate() {
        let text = line.trim();
        let indented = line.starts_with([' ', '\t']);
        if in_comment || (fence.is_none() && text.starts_with("<!--")) {
            in_comment = !text.contains("-->");
            continue;
        }
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark))
            && fence.is_none_or(|open| open == mark && text.trim_matches(['`', '~']).is_empty())
        {
            fence = fence.is_none().then_some(mark);
            is_open &= indented;
            continue;
        }
        if text.is_empty() {
            after_blank = true;
            continue;
        }
        if fence.is_none() {
            if let Some(item) = item(text) {
                found.push(Found {
                    line: at + 1,
                    heading: heading.clone(),
                    text: item.to_owned(),
                });
                (is_open, after_blank) = (true, false);
                continue;
            }
            if let Some(title) = title(text).filter(|_| !(indented && is_open)) {
                heading = Some(harmless(title, HEADING_LIMIT)).filter(|title| !title.is_empty());
                is_open = false;
                continue;
            }
        }
        let belongs = indented || (fence.is_none() && !after_blank && !begins_a_block(text));
        is_open &= belongs;
        if let Some(last) = found.last_mut().filter(|_| is_open) {
            last.text.push(' ');
            last.text.push_str(text);
        }
        after_blank = false;
    }
    found
}

/// The text of a task list's item; ticked or not, it is there to be tried.
fn item(text: &str) -> Option<&str> {
    let rest = after_bullet(text)?.trim_start().strip_prefix('[')?;
    let mut chars = rest.chars();
    let mark = chars.next()?;
    let rest = chars.as_str().strip_prefix(']')?;
    let is_box = mark.is_whitespace() || matches!(mark, 'x' | 'X');
    (is_box && (rest.is_empty() || rest.starts_with(char::is_whitespace))).then_some(rest)
}

/// What follows a list's bullet or number.
fn after_bullet(text: &str) -> Option<&str> {
    let rest = match text.strip_prefix(['-', '*', '+']) {
        Some(rest) => rest,
        None => text
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix(['.', ')'])
            .filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?,
    };
    rest.starts_with(char::is_whitespace).then_some(rest)
}

/// The text of a heading, without the closing `#`s that some write.
fn title(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    let is_heading = (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with(char::is_whitespace));
    let title = rest.trim();
    let open = title.trim_end_matches('#');
    let closes = open.is_empty() || open.ends_with(char::is_whitespace);
    is_heading.then(|| if closes { open.trim_end() } else { title })
}

/// Whether a line begins something of its own instead of going on with the paragraph before it.
fn begins_a_block(text: &str) -> bool {
    after_bullet(text).is_some()
        || text.starts_with('>')
        || text.starts_with('|')
        || (text.len() >= 3 && text.bytes().all(|b| matches!(b, b'-' | b'*' | b'_' | b'=' | b' ')))
}
