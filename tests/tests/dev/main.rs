//! A merge to `main` reaches dev, and every way in which it may not.

mod deliveries;
mod failures;
mod hostile;
mod operator;
mod pushes;
mod several_stacks;

use end_to_end::{Laboratory, Plan, Setting, in_a_laboratory};

static PLAN: Plan = Plan {
    name: "dev",
    settings: &[
        Setting::dev("life"),
        Setting::dev("burst"),
        Setting::dev("copies"),
        Setting::dev("red-build"),
        Setting::dev("refused"),
        Setting::dev("roll-back"),
        Setting::dev("red-smoke"),
        Setting::dev("first-red"),
        Setting::dev("lost-event"),
        Setting::dev("denied"),
        Setting::dev("stopped"),
        Setting::dev("altered"),
        Setting::dev("slow"),
        Setting::dev("halfway"),
        Setting::dev("one-wave"),
        Setting::dev("three-waves"),
        Setting::dev("left-over"),
        Setting::dev("way-back-fails"),
        Setting::dev("stuck"),
        Setting::dev("turned-away"),
        Setting::dev("denied-later"),
        Setting::dev("lost-build"),
        Setting::dev("hostile"),
    ],
    share_accounts: false,
    unconfirmed: &[],
    logins: &[],
};

fn in_the_laboratory<Test: Future<Output = ()>>(test: impl FnOnce(&'static Laboratory) -> Test) {
    in_a_laboratory(&PLAN, test);
}
