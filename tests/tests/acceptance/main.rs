//! A pre-release reaches test, people are asked, and every way in which that may end.

mod accepting;

use end_to_end::{Laboratory, Plan, Setting, in_a_laboratory};

/// Asked by most stories.
const QA: &str = "qa@acme.example";
const LEAD: &str = "lead@acme.example";

/// One of two people has to accept.
const ONE_OF_TWO: &str = r#"{ by = ["qa@acme.example", "lead@acme.example"], within = "3 days" }"#;

static PLAN: Plan = Plan {
    name: "acceptance",
    settings: &[Setting::test("accepted", ONE_OF_TWO)],
    unconfirmed: &[],
    logins: &[("ada@acme.example", "ada")],
};

fn in_the_laboratory<Test: Future<Output = ()>>(test: impl FnOnce(&'static Laboratory) -> Test) {
    in_a_laboratory(&PLAN, test);
}
