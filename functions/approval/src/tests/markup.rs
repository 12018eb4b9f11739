//! A page, read as a browser reads it.

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, Token, Tokenizer};

/// What a page is made of.
#[derive(Debug, Default)]
pub struct Markup {
    pub tags: Vec<Tag>,
    /// All text between tags.
    pub text: String,
}

/// An element's beginning, and the text up to the next tag.
#[derive(Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub text: String,
}

impl Markup {
    pub fn of(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        // What stands in a title, a text area or a style is no markup.
        emitter.naively_switch_states(true);
        let mut markup = Self::default();
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => markup.tags.push(Tag {
                    name: text(&tag.name),
                    attributes: tag
                        .attributes
                        .iter()
                        .map(|(name, value)| (text(name), text(value)))
                        .collect(),
                    text: String::new(),
                }),
                Token::String(string) => {
                    markup.text.push_str(&text(&string));
                    if let Some(tag) = markup.tags.last_mut() {
                        tag.text.push_str(&text(&string));
                    }
                }
                Token::EndTag(_) => markup.text.push(' '),
                Token::Doctype(_) => {}
                Token::Comment(comment) => panic!("a comment: {comment:?}"),
                Token::Error(error) => panic!("{error:?} in {html}"),
            }
        }
        markup
    }

    /// The elements and the names of their attributes, in order.
    pub fn skeleton(&self) -> Vec<(&str, Vec<&str>)> {
        self.tags
            .iter()
            .map(|tag| (tag.name.as_str(), tag.attributes.keys().map(String::as_str).collect()))
            .collect()
    }

    pub fn named(&self, name: &str) -> Vec<&Tag> {
        self.tags.iter().filter(|tag| tag.name == name).collect()
    }

    /// The value of a form's field.
    pub fn field(&self, name: &str) -> Option<String> {
        let is = |tag: &&Tag| tag.name == "input" && tag.attributes.get("name").is_some_and(|given| given == name);
        self.tags.iter().find(is)?.attributes.get("value").cloned()
    }

    pub fn heading(&self) -> &str {
        &self.named("h1")[0].text
    }
}

fn text(string: &HtmlString) -> String {
    String::from_utf8(string.to_vec()).unwrap()
}
