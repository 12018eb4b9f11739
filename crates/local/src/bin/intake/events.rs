//! What is delivered, as API Gateway hands it to the webhook, and what has to come of it.

use local::Trouble;
use local::deliveries::{Delivery, Push, signature};
use serde_json::{Value, json};

use crate::fake_aws::Calls;

/// The repository whose pushes deploy.
pub const REPOSITORY: &str = "acme/shop";
/// A push of a few commits.
const BODY_BYTES: usize = 8 * 1024;

/// A kind of delivery. All have bodies of one size, so that only what is done with them differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A push that asks for a deployment.
    Deploys,
    /// A push to another branch, which is recorded and asks for nothing.
    Ignored,
    /// What GitHub did not sign.
    Refused,
}

impl Kind {
    /// All, in the order of what they cost.
    pub const ALL: [Self; 3] = [Self::Deploys, Self::Ignored, Self::Refused];

    /// Its key in the JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Deploys => "deploys",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deploys => "asks for a deployment",
            Self::Ignored => "signed, ignored",
            Self::Refused => "badly signed",
        }
    }

    /// The status and the outcome of each.
    pub const fn expected(self) -> (u16, &'static str) {
        match self {
            Self::Deploys => (202, "accepted"),
            Self::Ignored => (202, "ignored"),
            Self::Refused => (401, "unauthorised"),
        }
    }

    /// What AWS is asked to do about so many of them.
    pub fn asks(self, count: u32) -> Calls {
        let operations: &[(&str, u32)] = match self {
            // Whether the commit was asked for already, that it is by now, and the delivery itself.
            Self::Deploys => &[("GetItem", 2), ("PutItem", 2), ("StartExecution", 1), ("UpdateItem", 1)],
            Self::Ignored => &[("PutItem", 1)],
            Self::Refused => &[],
        };
        let of_all = operations.iter().map(|(name, each)| ((*name).to_owned(), each * count));
        of_all.collect()
    }

    /// So many events, no two of them alike.
    pub fn events(self, count: u32) -> Result<Vec<Vec<u8>>, Trouble> {
        let mut payload = push_of(BODY_BYTES)?;
        if self == Self::Ignored {
            // As long as `main`, to keep the size.
            payload["ref"] = json!("refs/heads/next");
        }
        (1..=count)
            .map(|number| {
                let commit = format!("{number:040x}");
                payload["after"] = json!(commit);
                payload["head_commit"]["id"] = json!(commit);
                let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
                let id = format!("{number:08x}-cc78-11e3-81ab-{:012x}", self as u8);
                let mut delivery = Delivery::sign(&id, "push", body);
                if self == Self::Refused {
                    delivery.signature = signature("a secret of somebody else", &delivery.body);
                }
                event(&delivery)
            })
            .collect()
    }
}

/// A push to `main` whose commit message is long enough to make its body this long.
fn push_of(bytes: usize) -> Result<Value, Trouble> {
    let commit = "2".repeat(40).parse().map_err(Trouble::during("naming a commit"))?;
    let short = Push::of(REPOSITORY, &commit, "Add prices. ").delivery()?;
    let missing = bytes
        .checked_sub(short.body.len())
        .ok_or_else(|| Trouble(format!("the example push is longer than {bytes} bytes")))?;
    let mut payload: Value =
        serde_json::from_slice(&short.body).map_err(Trouble::during("reading the example push"))?;
    payload["head_commit"]["message"] = json!(format!("Add prices. {}", "x".repeat(missing)));
    Ok(payload)
}

/// The payload's format 2.0 ("Create AWS Lambda proxy integrations for HTTP APIs" in API Gateway's documentation), with
/// the headers that GitHub sends.
fn event(delivery: &Delivery) -> Result<Vec<u8>, Trouble> {
    let body = std::str::from_utf8(&delivery.body).map_err(Trouble::during("writing an event"))?;
    let event = json!({
        "version": "2.0",
        "routeKey": "POST /webhooks/github",
        "rawPath": "/webhooks/github",
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-length": body.len().to_string(),
            "content-type": "application/json",
            "host": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
            "user-agent": "GitHub-Hookshot/044aadd",
            "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-github-delivery": delivery.id,
            "x-github-event": delivery.event,
            "x-github-hook-id": "292430182",
            "x-github-hook-installation-target-id": "79929171",
            "x-github-hook-installation-target-type": "repository",
            "x-hub-signature": "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
            "x-hub-signature-256": delivery.signature,
        },
        "requestContext": {
            "accountId": "111111111111",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "POST",
                "path": "/webhooks/github",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "GitHub-Hookshot/044aadd",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /webhooks/github",
            "stage": "$default",
            "time": "23/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_435_200_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    });
    serde_json::to_vec(&event).map_err(Trouble::during("writing an event"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn bodies_of_every_kind_have_one_size_and_no_two_events_are_alike() {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            for event in kind.events(3).unwrap() {
                let read: Value = serde_json::from_slice(&event).unwrap();
                assert_eq!(read["body"].as_str().unwrap().len(), BODY_BYTES, "{kind:?}");
                assert!(
                    seen.insert(read["headers"]["x-github-delivery"].to_string()),
                    "{kind:?}"
                );
            }
        }
    }
}
