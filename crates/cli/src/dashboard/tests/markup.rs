//! A page, read as a browser reads it.

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, Token, Tokenizer};

/// What a page is made of.
#[derive(Debug, Default)]
pub struct Markup {
    /// The elements in order, with their attributes.
    pub tags: Vec<(String, BTreeMap<String, String>)>,
    /// All text of its body, with a line for each block.
    pub text: String,
}

/// Elements inside a line.
const INLINE: [&str; 9] = ["a", "span", "code", "strong", "time", "q", "td", "th", "rect"];

impl Markup {
    pub fn of(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        // What stands in a title or a style is no markup.
        emitter.naively_switch_states(true);
        let mut markup = Self::default();
        let (mut text, mut is_line) = (String::new(), true);
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => {
                    let name = of(&tag.name);
                    let attributes = tag.attributes.iter().map(|(name, value)| (of(name), of(value)));
                    if !INLINE.contains(&name.as_str()) {
                        text.push('\n');
                    }
                    is_line = !matches!(name.as_str(), "style" | "title" | "desc");
                    markup.tags.push((name, attributes.collect()));
                }
                Token::String(string) if is_line => text.push_str(&of(&string)),
                Token::EndTag(tag) => {
                    is_line = true;
                    text.push_str(if INLINE.contains(&of(&tag.name).as_str()) {
                        " "
                    } else {
                        "\n"
                    });
                }
                Token::String(_) | Token::Doctype(_) => {}
                Token::Comment(comment) => panic!("a comment: {comment:?}"),
                Token::Error(error) => panic!("{error:?} in {html}"),
            }
        }
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        markup.text = lines.join("\n");
        markup
    }

    /// The elements and the names of their attributes, in order.
    pub fn skeleton(&self) -> Vec<(&str, Vec<&str>)> {
        let tags = self.tags.iter();
        tags.map(|(name, attributes)| (name.as_str(), attributes.keys().map(String::as_str).collect()))
            .collect()
    }

    /// What all links lead to.
    pub fn links(&self) -> Vec<&str> {
        let links = self.tags.iter().filter(|(name, _)| name == "a");
        links
            .filter_map(|(_, attributes)| Some(attributes.get("href")?.as_str()))
            .collect()
    }
}

fn of(string: &HtmlString) -> String {
    String::from_utf8_lossy(string).into_owned()
}
