//! `[[lambda]]`: an invocation, and what is expected of its answer.

use serde_json::Value;
use toml::de::DeTable;

use super::LONGEST_TEXT;
use super::reader::{Entry, Reader, below, find};
use crate::smoke_test::{LONGEST_ANSWER, LambdaCheck, LambdaExpectation};

impl Reader<'_> {
    pub(super) fn lambda<'d, 'i>(
        &mut self,
        path: &str,
        entry: Entry<'d, 'i>,
        table: &'d DeTable<'i>,
    ) -> Option<LambdaCheck> {
        self.only(path, table, &["name", "function", "payload", "expect"]);
        let function = self.template(&below(path, "function"), entry, find(table, "function"));
        let function = function.filter(|(at, function)| {
            let right = function.begins_with_output();
            if !right {
                let message = "does not begin with a stack's output, such as ${shop-{environment}-web.FunctionName}";
                self.report(*at, &below(path, "function"), message);
            }
            right
        });
        let payload = match find(table, "payload") {
            None => Value::Object(serde_json::Map::new()),
            Some(found) => {
                let path = below(path, "payload");
                let payload = self.json(&path, found)?;
                if payload.to_string().len() > LONGEST_TEXT {
                    self.report(found.at, &path, format!("is longer than {LONGEST_TEXT} bytes"));
                }
                payload
            }
        };
        let path = below(path, "expect");
        let empty = DeTable::new();
        let expect = match find(table, "expect") {
            Some(found) => self.table(&path, found)?,
            None => &empty,
        };
        self.only(&path, expect, &["json", "within"]);
        let json = self.json_expectations(&below(&path, "json"), find(expect, "json"));
        let within = self.duration(
            &below(&path, "within"),
            find(expect, "within"),
            LONGEST_ANSWER,
            LONGEST_ANSWER,
        );
        Some(LambdaCheck {
            function: function?.1,
            payload,
            expect: LambdaExpectation { json, within },
        })
    }
}
