//! Texts of others within GitHub's Markdown.

use crate::harmless::harmless;

/// A text as code: nothing in it is markup, a link, or calls anybody by an `@`.
pub(super) fn code(text: &str, max_chars: usize) -> String {
    let text = harmless(text, max_chars).replace('`', "'");
    if text.is_empty() {
        return String::new();
    }
    // A table's cell ends at a bar, within code as well (GitHub Flavored Markdown, "Tables").
    format!("`{}`", text.replace('|', "\\|"))
}

/// Several of them.
pub(super) fn codes<'t>(texts: impl IntoIterator<Item = &'t str>, max_chars: usize) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| code(text, max_chars)).collect();
    texts.join(", ")
}

/// Lines that stay as they are.
pub(super) fn block(text: &str) -> String {
    // Whatever the text holds, its fence is longer than any in it.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}
