//! A pre-release reaches test, people are asked, and every way in which that may end.

mod accepting;
mod before;
mod browser;
mod by_the_clock;
mod commanding;
mod duties;
mod links;
mod on_github;
mod outages;
mod prereleases;
mod rejecting;
mod superseding;
mod testing;

use end_to_end::{Laboratory, Plan, Setting, in_a_laboratory};

/// Asked in most stories.
const QA: &str = "qa@acme.example";
const LEAD: &str = "lead@acme.example";
/// Asked in one of them, and never confirmed that they want mail.
const NEW: &str = "new@acme.example";

const ONE_OF_TWO: &str = r#"{ by = ["qa@acme.example", "lead@acme.example"], within = "3 days" }"#;
const ONE_OF_TWO_OR_BACK: &str =
    r#"{ by = ["qa@acme.example", "lead@acme.example"], within = "3 days", on_reject = "roll back" }"#;
const BEFORE: &str = r#"{ when = "before", by = ["qa@acme.example"], within = "3 days" }"#;
const WITHIN_TWO_MINUTES: &str = r#"{ by = ["qa@acme.example"], within = "2 minutes" }"#;
const TESTERS_AND_STAKEHOLDERS: &str =
    r#"{ by = [{ group = "testers", need = 1 }, { group = "stakeholders", need = 1 }], within = "3 days" }"#;

static PLAN: Plan = Plan {
    name: "acceptance",
    settings: &[
        Setting::test("accepted", ONE_OF_TWO),
        Setting::test("shown", ONE_OF_TWO),
        Setting::test("lost", ONE_OF_TWO),
        Setting {
            policy: "pull_requests = true",
            ..Setting::test("proposed", ONE_OF_TWO)
        },
        Setting {
            policy: r#"url = "wished-for-web.Description""#,
            ..Setting::test("wished-for", ONE_OF_TWO)
        },
        Setting::test("race", ONE_OF_TWO),
        Setting::test("links", ONE_OF_TWO),
        Setting::test("once", ONE_OF_TWO),
        Setting::test("not-stable", ONE_OF_TWO),
        Setting::test("kept", ONE_OF_TWO),
        Setting::test("taken-back", ONE_OF_TWO_OR_BACK),
        Setting::test("expired", WITHIN_TWO_MINUTES),
        Setting::test("superseded", ONE_OF_TWO),
        Setting::test("duties", TESTERS_AND_STAKEHOLDERS)
            .with_groups(
                r#"
                testers = ["qa@acme.example", "tess@acme.example"]
                stakeholders = ["qa@acme.example", "lead@acme.example", "boss@acme.example", "sam@acme.example"]
                "#,
            )
            .with_people(
                r#"
                "qa@acme.example" = { github = [] }
                "tess@acme.example" = { github = [] }
                "sam@acme.example" = { github = [] }
                "lead@acme.example" = { github = ["Lead-Login"] }
                "boss@acme.example" = { github = ["boss"] }
                "#,
            ),
        Setting::test("own-work", r#"{ by = ["tess@acme.example"], within = "3 days" }"#),
        Setting::test("red-tests", ONE_OF_TWO),
        Setting::test("unheard", ONE_OF_TWO),
        Setting::test("by-command", r#"{ by = ["new@acme.example"], within = "3 days" }"#)
            .with_people(r#""new@acme.example" = { github = [], aws = ["arn:aws:iam::111111111111:role/Tester"] }"#),
        Setting::test("against-command", r#"{ by = ["new@acme.example"], within = "3 days" }"#)
            .with_people(r#""new@acme.example" = { github = [], aws = ["arn:aws:iam::111111111111:role/Critic"] }"#),
        Setting::test("before", BEFORE),
        Setting::test("void", BEFORE)
            .with_people(r#""qa@acme.example" = { github = [], aws = ["arn:aws:iam::111111111111:role/Approver"] }"#),
        Setting::test("deleted", BEFORE),
        Setting::test("down-at-intake", ONE_OF_TWO),
        Setting::test("down-when-asking", ONE_OF_TWO),
        Setting::test("stopped", ONE_OF_TWO),
        Setting::test("teashop", TESTERS_AND_STAKEHOLDERS).with_groups(
            r#"
            testers = ["qa@acme.example", "tess@acme.example"]
            stakeholders = ["lead@acme.example"]
            "#,
        ),
    ],
    share_accounts: true,
    unconfirmed: &[NEW],
    logins: &[("ada@acme.example", "ada")],
};

fn in_the_laboratory<Test: Future<Output = ()>>(test: impl FnOnce(&'static Laboratory) -> Test) {
    in_a_laboratory(&PLAN, test);
}
