//! Whom a role lets assume it, as its trust policy says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a trust policy means for one who would assume its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It lets them.
    Trusted,
    /// It lets them where they say one of these external ids.
    WithExternalId(Vec<String>),
    /// Whether it does hangs on what is not looked at: conditions by these keys, or a statement that takes something away.
    Perhaps(String),
    /// It trusts somebody who is no more: of a role or user that was deleted, IAM keeps this id in the place of the ARN
    /// (AWS IAM user guide, "AWS JSON policy elements: Principal").
    Gone(String),
    /// It does not.
    Untrusted,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listed<T> {
    One(T),
    Many(Vec<T>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: Listed<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    principal: Option<Principals>,
    action: Option<Listed<String>>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Listed<String>>>,
    not_principal: Option<IgnoredAny>,
    not_action: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Principals {
    Anybody(String),
    Named(BTreeMap<String, Listed<String>>),
}

impl<T> Listed<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What a trust policy means for the role with this ARN, which belongs to the account.
pub fn trust(policy: &str, account: &str, role: &str) -> Trust {
    let policy: Policy = match serde_json::from_str(policy) {
        Ok(policy) => policy,
        Err(error) => return Trust::Unreadable(error.to_string()),
    };
    let statements = policy.statement.all();
    let about = statements.iter().filter(|statement| statement.is_about(account, role));
    let (allowing, denying): (Vec<&Statement>, Vec<&Statement>) =
        about.partition(|statement| statement.effect.eq_ignore_ascii_case("allow"));
    if !denying.is_empty() {
        return Trust::Perhaps("a statement that denies".to_owned());
    }
    let meanings: Vec<Trust> = allowing.iter().map(|statement| statement.means()).collect();
    // The widest of several is what counts.
    let widest = [
        |trust: &&Trust| matches!(trust, Trust::Trusted),
        |trust: &&Trust| matches!(trust, Trust::WithExternalId(_)),
        |trust: &&Trust| matches!(trust, Trust::Perhaps(_)),
    ];
    if let Some(found) = widest.iter().find_map(|is| meanings.iter().find(is)) {
        return found.clone();
    }
    let gone = statements.iter().find_map(Statement::gone);
    gone.map_or(Trust::Untrusted, |id| Trust::Gone(id.to_owned()))
}

impl Statement {
    /// Whether it speaks of this role, and of assuming.
    fn is_about(&self, account: &str, role: &str) -> bool {
        if self.not_principal.is_some() || self.not_action.is_some() {
            return true;
        }
        let assumes = self.action.iter().flat_map(Listed::all).any(|action| {
            ["sts:assumerole", "sts:*", "*"]
                .iter()
                .any(|known| action.eq_ignore_ascii_case(known))
        });
        let is_meant = |principal: &String| {
            let of_account = principal.starts_with("arn:") && principal.ends_with(&format!(":iam::{account}:root"));
            principal == "*" || principal == account || principal == role || of_account
        };
        assumes && self.principals().any(is_meant)
    }

    fn principals(&self) -> impl Iterator<Item = &String> {
        let anybody = match &self.principal {
            Some(Principals::Anybody(anybody)) => Some(anybody),
            _ => None,
        };
        let named = match &self.principal {
            Some(Principals::Named(named)) => named.get("AWS"),
            _ => None,
        };
        anybody.into_iter().chain(named.into_iter().flat_map(Listed::all))
    }

    fn means(&self) -> Trust {
        if self.not_principal.is_some() || self.not_action.is_some() {
            return Trust::Perhaps("NotPrincipal or NotAction".to_owned());
        }
        let keys: Vec<&String> = self.condition.values().flat_map(BTreeMap::keys).collect();
        match (keys.as_slice(), self.condition.get("StringEquals")) {
            ([], _) => Trust::Trusted,
            ([only], Some(equals)) if only.eq_ignore_ascii_case("sts:ExternalId") => {
                let ids = equals.values().flat_map(Listed::all);
                Trust::WithExternalId(ids.cloned().collect())
            }
            (keys, _) => {
                let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
                Trust::Perhaps(format!("conditions on {}", keys.join(", ")))
            }
        }
    }

    /// The id of a role (`AROA`) or user (`AIDA`) that is no more (AWS IAM user guide, "IAM identifiers").
    fn gone(&self) -> Option<&str> {
        let is_gone = |principal: &&String| {
            (principal.starts_with("AROA") || principal.starts_with("AIDA"))
                && principal.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        self.principals().find(is_gone).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ROLE: &str = "arn:aws:iam::111111111111:role/lockgate-deploy";

    fn of(statements: &Value) -> Trust {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        trust(&policy.to_string(), "111111111111", ROLE)
    }

    fn allows(principal: &Value) -> Value {
        json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" })
    }

    #[test]
    fn a_policy_names_the_account_or_the_role_or_somebody_else() {
        let root = json!({ "AWS": "arn:aws:iam::111111111111:root" });
        for (principal, trusted) in [
            (root.clone(), true),
            (json!({ "AWS": "111111111111" }), true),
            (json!({ "AWS": ["arn:aws:iam::999999999999:root", ROLE] }), true),
            (json!({ "AWS": "arn:aws-cn:iam::111111111111:root" }), true),
            (json!("*"), true),
            (json!({ "AWS": "arn:aws:iam::999999999999:root" }), false),
            (json!({ "AWS": "arn:aws:iam::111111111111:role/lockgate-gate" }), false),
            (json!({ "Service": "cloudformation.amazonaws.com" }), false),
            (json!({ "Federated": "111111111111" }), false),
        ] {
            let expected = if trusted { Trust::Trusted } else { Trust::Untrusted };
            assert_eq!(of(&allows(&principal)), expected, "{principal}");
            assert_eq!(of(&json!([allows(&principal)])), expected, "{principal}");
        }
        let tags = json!({ "Effect": "Allow", "Principal": root, "Action": ["sts:TagSession"] });
        assert_eq!(of(&tags), Trust::Untrusted);
        let several = json!({ "Effect": "Allow", "Principal": root, "Action": ["sts:TagSession", "sts:AssumeRole"] });
        assert_eq!(of(&several), Trust::Trusted);
    }

    #[test]
    fn conditions_are_told_and_the_widest_statement_counts() {
        let with = |condition: Value| {
            let mut statement = allows(&json!({ "AWS": ROLE }));
            statement["Condition"] = condition;
            statement
        };
        let external = with(json!({ "StringEquals": { "sts:ExternalId": ["one", "two"] } }));
        let ids = Trust::WithExternalId(vec!["one".to_owned(), "two".to_owned()]);
        assert_eq!(of(&external), ids);
        let organisation = with(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1", "sts:ExternalId": "one" } }));
        assert_eq!(
            of(&organisation),
            Trust::Perhaps("conditions on aws:PrincipalOrgID, sts:ExternalId".to_owned())
        );
        let not_equal = with(json!({ "StringNotEquals": { "sts:ExternalId": "one" } }));
        assert_eq!(
            of(&not_equal),
            Trust::Perhaps("conditions on sts:ExternalId".to_owned())
        );
        assert_eq!(of(&json!([organisation, external])), ids);
        assert_eq!(of(&json!([external, allows(&json!({ "AWS": ROLE }))])), Trust::Trusted);
        let denies = json!({ "Effect": "Deny", "Principal": "*", "Action": "*" });
        assert_eq!(
            of(&json!([external, denies])),
            Trust::Perhaps("a statement that denies".to_owned())
        );
        let but = json!({ "Effect": "Allow", "NotPrincipal": { "AWS": "999999999999" }, "Action": "sts:AssumeRole" });
        assert!(matches!(of(&but), Trust::Perhaps(_)));
    }

    #[test]
    fn who_was_deleted_is_told_and_what_is_no_policy_too() {
        let gone = allows(&json!({ "AWS": "AROAEXAMPLEID0123456" }));
        assert_eq!(of(&gone), Trust::Gone("AROAEXAMPLEID0123456".to_owned()));
        let both = json!([gone, allows(&json!({ "AWS": ROLE }))]);
        assert_eq!(of(&both), Trust::Trusted);
        assert!(matches!(trust("{", "111111111111", ROLE), Trust::Unreadable(_)));
        assert!(matches!(trust("{}", "111111111111", ROLE), Trust::Unreadable(_)));
    }
}
