//! The texts of others, made inert.
//!
//! A branch, a commit message or an author's name is whatever somebody chose to push. Before it reaches a log line, a
//! mail or a terminal it goes through here: what is left is one line of visible characters. Markup is left as it is,
//! because nothing of ours interprets it; who writes HTML or Markdown has to escape for that language.

/// What is cut from the end of a text leaves this behind.
const CUT: char = '…';

/// One line of at most `max_chars` visible characters.
///
/// Control characters (line ends, NUL and the terminal's escape among them) count as white space, white space collapses
/// to single blanks, and characters that are invisible or turn the reading direction are dropped.
pub fn harmless(text: &str, max_chars: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    let mut count = 0;
    let mut blank_due = false;
    for c in text.chars() {
        if is_invisible(c) {
            continue;
        }
        if c.is_control() || c.is_whitespace() {
            blank_due = count > 0;
            continue;
        }
        for c in [blank_due.then_some(' '), Some(c)].into_iter().flatten() {
            if count == max_chars {
                kept.pop();
                if max_chars > 0 {
                    kept.push(CUT);
                }
                return kept;
            }
            kept.push(c);
            count += 1;
        }
        blank_due = false;
    }
    kept
}

/// The first line of a commit message, made harmless.
pub fn first_line(text: &str, max_chars: usize) -> String {
    harmless(text.trim_start().lines().next().unwrap_or_default(), max_chars)
}

/// Whether a character takes no space of its own or changes how its neighbours read: `Default_Ignorable_Code_Point` of
/// the Unicode character database (DerivedCoreProperties.txt) without the variation selectors that emoji need, and the
/// separators and annotation marks that terminals treat as control characters.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_texts_become_one_plain_line() {
        for (given, wanted) in [
            ("main", "main"),
            (
                "$(id) `id` ../../etc {{7*7}} <script>alert(1)</script>",
                "$(id) `id` ../../etc {{7*7}} <script>alert(1)</script>",
            ),
            ("fix\r\nX-Injected: yes", "fix X-Injected: yes"),
            ("a\0b\u{1b}[31mc\u{7f}d\u{85}e\u{2028}f", "a b [31mc d e f"),
            ("user\u{202e}cod.exe\u{2066}", "usercod.exe"),
            ("ad\u{200b}m\u{feff}in\u{00ad}", "admin"),
            ("  many \t  blanks \u{3000} ", "many blanks"),
            ("Grüße 🚀 日本", "Grüße 🚀 日本"),
            ("\u{0}\u{200b}\n", ""),
        ] {
            assert_eq!(harmless(given, 100), wanted);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(harmless(&"ü".repeat(255), 10), format!("{}…", "ü".repeat(9)));
        assert_eq!(harmless("exactly", 7), "exactly");
        assert_eq!(harmless("more", 0), "");
    }

    #[test]
    fn only_the_first_line_of_a_message_is_its_title() {
        assert_eq!(first_line("\n\nAdd prices\n\nLonger text", 100), "Add prices");
        assert_eq!(first_line("", 100), "");
    }

    proptest! {
        #[test]
        fn what_comes_out_is_short_visible_and_one_line(text in any::<String>(), max in 0_usize..50) {
            let out = harmless(&text, max);
            prop_assert!(out.chars().count() <= max);
            prop_assert!(out.chars().all(|c| !c.is_control() && !is_invisible(c) && (c == ' ' || !c.is_whitespace())));
            prop_assert!(!out.contains("  "));
            prop_assert!(!out.starts_with(' ') && !out.ends_with(' '));
        }

        #[test]
        fn making_harmless_twice_changes_nothing_more(text in any::<String>(), max in 0_usize..50) {
            let once = harmless(&text, max);
            prop_assert_eq!(harmless(&once, max), once);
        }

        #[test]
        fn plain_words_stay_as_they_are(text in "[!-~]{1,20}( [!-~]{1,20}){0,3}") {
            prop_assert_eq!(harmless(&text, 100), text);
        }
    }
}
