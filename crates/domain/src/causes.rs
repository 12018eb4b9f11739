//! An error together with what caused it: the outermost text alone often says only that something failed.

use std::error::Error;

/// The texts of an error and of all its causes, outermost first; what a text before it says already is left out.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let sentence = cause.to_string();
        if !text.contains(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str, #[source] Option<Box<Told>>);

    fn chain(texts: &[&'static str]) -> Option<Told> {
        let (first, rest) = texts.split_first()?;
        Some(Told(first, chain(rest).map(Box::new)))
    }

    #[test]
    fn every_cause_is_told_once() {
        for (texts, told) in [
            (&["cannot be sent"][..], "cannot be sent"),
            (
                &["cannot be sent", "no connection", "refused"],
                "cannot be sent: no connection: refused",
            ),
            (
                &["cannot be sent: no connection", "no connection", "refused"],
                "cannot be sent: no connection: refused",
            ),
        ] {
            let error = chain(texts).expect("there is an error");
            assert_eq!(with_causes(&error), told);
        }
    }
}
