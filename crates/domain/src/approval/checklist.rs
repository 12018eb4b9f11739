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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn texts(markdown: &str) -> Vec<String> {
        read(markdown).unwrap().into_iter().map(|item| item.text).collect()
    }

    #[test]
    fn items_are_read_with_their_headings() {
        let markdown = "\u{feff}# Shop 1.4\n\nRead this first.\n\n- [ ] Open the shop.\n\n## Ordering ##\n\
                        * [ ] Order two teas.\n  The confirmation names\nboth.\n+ [x] Cancel it.\n\n#\n1. [ ] Look at <b>prices</b> & `cost`.\n";
        insta::assert_json_snapshot!(read(markdown).unwrap(), @r#"
        [
          {
            "heading": "Shop 1.4",
            "text": "Open the shop."
          },
          {
            "heading": "Ordering",
            "text": "Order two teas. The confirmation names both."
          },
          {
            "heading": "Ordering",
            "text": "Cancel it."
          },
          {
            "heading": null,
            "text": "Look at <b>prices</b> & `cost`."
          }
        ]
        "#);
    }

    #[test]
    fn what_belongs_to_an_item_is_told_from_what_does_not() {
        for (markdown, wanted) in [
            ("", &[][..]),
            ("No list here.\n- plain\n1. numbered\n", &[]),
            ("- [ ] a\n- [ ] b", &["a", "b"]),
            ("- [ ] a\r\n  more\r\n- [ ] b\r\n", &["a more", "b"]),
            ("- [ ] a\r- [ ] b\r", &["a", "b"]),
            ("-\t[ ]\ta", &["a"]),
            ("- [\u{a0}] a", &["a"]),
            ("12) [ ] a", &["a"]),
            // Nested items are items; nested text belongs to its item.
            ("- [ ] a\n  - [ ] b\n\t* [X] c\n", &["a", "b", "c"]),
            ("- [ ] a\n  1. click\n  2. see\n", &["a 1. click 2. see"]),
            ("- [ ] a\n  - note\n", &["a - note"]),
            (
                "- [ ] a\n\n  second paragraph\n\nnot part\n  nor this\n",
                &["a second paragraph"],
            ),
            ("- [ ] a\nlazily continued\n", &["a lazily continued"]),
            ("- [ ] a\n- plain\n  of plain\n- [ ] b", &["a", "b"]),
            ("- [ ] a\n1. plain\n- [ ] b", &["a", "b"]),
            ("- [ ] a\n> quote\n", &["a"]),
            ("- [ ] a\n---\ntext\n", &["a"]),
            ("- [ ] a\n## b\nc\n", &["a"]),
            // Not items.
            (
                "-[ ] a\n- [] b\n- [ ]c\n- [y] d\n- [  ] e\n[ ] f\n--- [ ] g\n. [ ] h",
                &[],
            ),
            ("- [a](https://acme.example)\n", &[]),
            ("```\n- [ ] a\n# no heading\n```\n- [ ] b\n", &["b"]),
            ("~~~ text\n- [ ] a\n```\n- [ ] b\n~~~\n- [ ] c\n", &["c"]),
            ("```\n- [ ] a\n```sh\n- [ ] b\n```\n- [ ] c\n", &["c"]),
            ("- [ ] a\n  ```\n  curl\n  ```\n- [ ] b\n", &["a curl", "b"]),
            ("<!-- - [ ] a -->\n- [ ] b\n<!--\n- [ ] c\n-->\n- [ ] d\n", &["b", "d"]),
            // Nobody sees these characters, so they change nothing.
            (
                "\u{202e}- [\u{200b} ] a\u{202e}bc\u{2066}\n\u{2067}- [ ] d",
                &["abc", "d"],
            ),
            ("- [ ] a\u{0}b\u{1b}[31mc", &["a b [31mc"]),
            (
                "- [ ] <script>alert(1)</script> **bold**",
                &["<script>alert(1)</script> **bold**"],
            ),
        ] {
            assert_eq!(texts(markdown), wanted, "{markdown:?}");
        }
    }

    #[test]
    fn headings_are_kept_short_and_harmless() {
        let heading = |markdown: &str| read(markdown).unwrap().remove(0).heading;
        for (line, wanted) in [
            ("# A", Some("A")),
            ("###### A #", Some("A")),
            ("# C#", Some("C#")),
            ("  # A\u{202e}B\u{7}", Some("AB")),
            ("#A", None),
            ("####### A", None),
            ("## ##", None),
        ] {
            assert_eq!(heading(&format!("{line}\n- [ ] x")).as_deref(), wanted, "{line}");
        }
        let long = heading(&format!("# {}\n- [ ] x", "ü".repeat(500))).unwrap();
        assert_eq!(long.chars().count(), HEADING_LIMIT);
    }

    #[test]
    fn too_much_is_refused_with_a_sentence() {
        let items = |count| "- [ ] try it\n".repeat(count);
        assert_eq!(read(&items(ITEMS_LIMIT)).unwrap().len(), ITEMS_LIMIT);
        assert_eq!(read(&items(ITEMS_LIMIT + 1)), Err(InvalidChecklist::TooManyItems(51)));
        insta::assert_snapshot!(
            read(&items(51)).unwrap_err(),
            @"the checklist has 51 items; nobody tries more than 50 things with care, so keep those that matter"
        );
        assert_eq!(
            texts(&format!("- [ ] {}", "ü".repeat(ITEM_LIMIT)))[0].chars().count(),
            ITEM_LIMIT
        );
        insta::assert_snapshot!(
            read(&format!("# A\n- [ ] a\n- [ ] {}\n  b", "ü".repeat(ITEM_LIMIT))).unwrap_err(),
            @"line 3: the item has 502 characters; 500 are the most, so make several of it"
        );
        insta::assert_snapshot!(
            read("- [ ] a\n\n- [ ] \u{200b}\n").unwrap_err(),
            @"line 3: the item says nothing; write what to try after the brackets"
        );
    }

    #[test]
    fn ten_megabytes_are_refused_before_they_are_read() {
        // Whoever read it would count its items first.
        let huge = "- [ ] a\n".repeat(10 * 1024 * 1024 / 8);
        insta::assert_snapshot!(
            read(&huge).unwrap_err(),
            @"the checklist has 10485760 bytes; 65536 are the most that are read"
        );
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_file_what_is_shown_is_harmless_and_small(
            lines in proptest::collection::vec("([-*+]|[0-9]\\.|#{1,3}|```|<!--|-->)?[ \\t]{0,3}(\\[[ xX]\\])? ?.{0,30}[\\r\\n]{0,2}", 0..60),
        ) {
            if let Ok(items) = read(&lines.concat()) {
                prop_assert!(items.len() <= ITEMS_LIMIT);
                for item in items {
                    prop_assert!(!item.text.is_empty() && item.text.chars().count() <= ITEM_LIMIT);
                    prop_assert_eq!(&harmless(&item.text, ITEM_LIMIT), &item.text);
                    prop_assert!(item.heading.is_none_or(|heading| !heading.is_empty() && harmless(&heading, HEADING_LIMIT) == heading));
                }
            }
        }

        #[test]
        fn every_item_that_is_written_plainly_is_asked(
            texts in proptest::collection::vec("[A-Za-z][A-Za-z0-9 ,.<>&`*_-]{0,40}[a-z]", 0..50),
            bullets in proptest::collection::vec("( {0,8}|\\t)([-*+]|[1-9]{1,2}[.)]) \\[[ x]\\] ", 50),
            ends in proptest::collection::vec("\r?\n\n?", 50),
        ) {
            let mut markdown = String::new();
            for ((text, bullet), end) in texts.iter().zip(&bullets).zip(&ends) {
                write!(markdown, "{bullet}{text}{end}").unwrap();
            }
            let found: Vec<String> = read(&markdown).unwrap().into_iter().map(|item| item.text).collect();
            let wanted: Vec<String> = texts.iter().map(|text| harmless(text, ITEM_LIMIT)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
