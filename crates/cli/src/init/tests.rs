use std::fs;
use std::process::Command;

use clap::Parser as _;
use domain::approval::Approver;
use proptest::prelude::*;

use super::answers::EnvironmentAnswers;
use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    options: Options,
}

/// A checkout of acme/shop: the example's own files, as far as they say how it is built.
struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
        for name in ["cdk.json", "package.json", "package-lock.json"] {
            fs::copy(example.join(name), folder.path().join(name)).unwrap();
        }
        let shop = Self { folder };
        for words in [
            &["init", "--quiet", "--initial-branch", "main"][..],
            &["remote", "add", "origin", "git@github.com:acme/shop.git"],
            &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"],
        ] {
            let done = Command::new("git")
                .arg("-C")
                .arg(shop.path())
                .args(words)
                .status()
                .unwrap();
            assert!(done.success());
        }
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn line(&self, words: &[&str]) -> Line {
        let configuration = self.path().join("lockgate.toml");
        let external_id = "0123456789abcdef0123456789abcdef";
        let fixed = [
            "lockgate",
            "--configuration",
            configuration.to_str().unwrap(),
            "--external-id",
            external_id,
        ];
        Line::try_parse_from(fixed.iter().chain(words)).unwrap()
    }

    async fn plan(&self, words: &[&str], asking: Asking) -> Result<Plan, InitError> {
        let line = self.line(words);
        plan(&line.options, &line.access, self.path(), asking).await
    }

    /// Nobody is asked.
    async fn written(&self, words: &[&str]) -> Result<Plan, InitError> {
        let plan = self.plan(words, Asking::nobody()).await?;
        writing::write(&plan.files, false)?;
        Ok(plan)
    }

    fn without_path(&self, text: &str) -> String {
        let full = self.path().display().to_string();
        text.replace(&format!("{full}/"), "").replace(&full, ".")
    }
}

const THREE: [&str; 26] = [
    "--region",
    "eu-west-1",
    "--tools-account",
    "111111111111",
    "--notify",
    "developers@acme.example",
    "--environment",
    "dev=222222222222",
    "--environment",
    "test=333333333333",
    "--environment",
    "production=444444444444",
    "--approver",
    "test=qa@acme.example",
    "--approver",
    "test=lead@acme.example",
    "--github",
    "qa@acme.example=qa-acme",
    "--github",
    "lead@acme.example=",
    "--alarm",
    "production=shop-production-errors",
    "--region-of",
    "production=eu-central-1",
    "--smoke-url",
    "${shop-{environment}-web.Url}/health",
];

#[tokio::test]
async fn the_example_gets_its_files_and_is_told_what_comes_next() {
    let shop = Shop::new();
    let plan = shop.written(&THREE).await.unwrap();
    insta::assert_snapshot!("lockgate.toml", shop.read("lockgate.toml"));
    insta::assert_snapshot!("buildspec.yml", shop.read("buildspec.yml"));
    insta::assert_snapshot!("lockgate.smoke.toml", shop.read("lockgate.smoke.toml"));
    insta::assert_snapshot!("said", shop.without_path(&plan.report.text()));
    let json = crate::table::Output::Json.print(&plan.report, String::new);
    insta::assert_snapshot!("json", shop.without_path(&json));
}

#[tokio::test]
async fn where_nobody_can_be_asked_everything_that_is_missing_is_named_and_nothing_is_written() {
    let shop = Shop::new();
    let missing = shop.written(&["--approver", "test=qa@acme.example"]).await.unwrap_err();
    assert!(matches!(missing, InitError::NoEnvironment { .. }), "{missing}");
    let missing = shop.written(&[]).await.unwrap_err();
    insta::assert_snapshot!(missing, @"
    nothing was written, since this is not known and nobody can be asked:
      --tools-account ACCOUNT: The tools account, in which Lockgate runs
      --region REGION: Its region
      --environment NAME=ACCOUNT: An environment and its account, once for each
    ");
    let words = [
        "--environment",
        "dev=222222222222",
        "--environment",
        "test=333333333333",
        "--approver",
        "test=qa@acme.example",
    ];
    let missing = shop.written(&words).await.unwrap_err();
    insta::assert_snapshot!(missing, @"
    nothing was written, since this is not known and nobody can be asked:
      --tools-account ACCOUNT: The tools account, in which Lockgate runs
      --region REGION: Its region
      --github qa@acme.example=LOGIN: Who is qa@acme.example at GitHub (logins, separated by commas)
    ");
    assert!(!shop.has("lockgate.toml") && !shop.has("buildspec.yml"));
}

#[tokio::test]
async fn people_are_asked_for_what_nobody_can_see_and_once_more_where_it_is_not_accepted() {
    let shop = Shop::new();
    let (terminal, shown) = Terminal::scripted(&[
        "no",  // no cdk synth
        "",    // the repository
        "a b", // no branch
        "",
        "11111111111", // eleven digits
        "111111111111",
        "eu-west-1",
        "me", // no mail address
        "ops@acme.example, dev@acme.example",
        "dev, test",
        "222222222222",
        "",
        "pusch",
        "push, manual",
        "",             // stacks
        "",             // approvers
        "",             // alarms
        "222222222222", // the same account: both need stacks
        "",
        "prerelease",
        "",
        "",
        "qa@acme.example, lead@acme.example",
        "qa-acme",
        "",
        "2",
        "shop-errors",
        "",
        "", // dev once more
        "",
        "",
        "shop-dev*",
        "",
        "",
        "", // test once more
        "eu-central-1",
        "",
        "",
        "shop-test*",
        "",
        "",
        "none",
        "",
        "",
        "1 hour",
        "http://example.com", // no output of a stack
        "",
    ]);
    let plan = shop.plan(&[], Asking::of(terminal)).await.unwrap();
    insta::assert_snapshot!("conversation", shown.borrow().as_str());
    let text = &plan.files[0].text;
    insta::assert_snapshot!("answered", text);
    assert_eq!(plan.files.len(), 2);
}

#[tokio::test]
async fn whoever_stops_answering_leaves_nothing_behind() {
    let answers = ["no", "", "", "111111111111", "eu-west-1", "", "dev", "222222222222"];
    for answered in 0..answers.len() {
        let shop = Shop::new();
        let (terminal, _) = Terminal::scripted(&answers[..answered]);
        let stopped = shop.plan(&[], Asking::of(terminal)).await.map(drop).unwrap_err();
        assert!(matches!(stopped, InitError::Stopped), "after {answered}: {stopped}");
        let names: Vec<_> = fs::read_dir(shop.path()).unwrap().collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}

#[tokio::test]
async fn what_is_there_is_left_alone_before_anything_is_asked() {
    let shop = Shop::new();
    fs::write(shop.path().join("buildspec.yml"), "ours").unwrap();
    let refused = shop.written(&THREE).await.unwrap_err().to_string();
    insta::assert_snapshot!(shop.without_path(&refused), @"buildspec.yml is there already, and nothing was written; --force writes over what is there, and --keep-buildspec leaves the buildspec as it is");
    assert!(!shop.has("lockgate.toml"));
    let kept = [&THREE[..], &["--keep-buildspec"]].concat();
    shop.written(&kept).await.unwrap();
    assert_eq!(shop.read("buildspec.yml"), "ours");
    let refused = shop.written(&kept).await.unwrap_err().to_string();
    insta::assert_snapshot!(shop.without_path(&refused), @"lockgate.toml and lockgate.smoke.toml are there already, and nothing was written; --force writes over what is there");
    let line = shop.line(&[&THREE[..], &["--force"]].concat());
    let plan = plan(&line.options, &line.access, shop.path(), Asking::nobody())
        .await
        .unwrap();
    writing::write(&plan.files, true).unwrap();
    assert!(shop.read("buildspec.yml").contains("LOCKGATE_RELEASE"));
}

#[tokio::test]
async fn options_are_checked_as_answers_are() {
    let shop = Shop::new();
    let base = [
        "--region",
        "eu-west-1",
        "--tools-account",
        "111111111111",
        "--environment",
        "dev=222222222222",
    ];
    let mut said = Vec::new();
    for more in [
        &["--branch", "a b"][..],
        &["--notify", "me"],
        &["--on", "dev=pusch"],
        &["--after", "dev=Test"],
        &["--after", "dev=test"],
        &["--stacks", "dev={a,b}"],
        &["--bake", "dev=1 hour"],
        &["--alarm", "dev=errors", "--bake", "dev=1 year"],
        &["--alarm", "devv=errors"],
        &["--environment", "dev=333333333333"],
        &["--external-id", "short"],
        &["--smoke-url", "http://example.com"],
        &["--need", "dev=2"],
        &["--github", "qa@acme.example=qa"],
    ] {
        // An option that may be given once is given here instead.
        let words: Vec<&str> = base.iter().chain(more).copied().collect();
        let line = match more {
            ["--external-id", ..] => {
                let configuration = shop.path().join("lockgate.toml");
                let fixed = ["lockgate", "--configuration", configuration.to_str().unwrap()];
                Line::try_parse_from(fixed.iter().chain(&words)).unwrap()
            }
            _ => shop.line(&words),
        };
        let refused = plan(&line.options, &line.access, shop.path(), Asking::nobody()).await;
        match refused {
            Ok(_) => said.push(format!("{}: accepted", more.join(" "))),
            Err(refused) => said.push(format!("{}: {refused}", more.join(" "))),
        }
    }
    insta::assert_snapshot!(said.join("\n"));
    for wrong in ["dev", "=222222222222", "dev=22222222222", "dev="] {
        assert!(
            Line::try_parse_from(["lockgate", "--environment", wrong]).is_err(),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn stacks_are_taken_from_cdk_out() {
    let shop = Shop::new();
    let out = shop.path().join("cdk.out");
    fs::create_dir(&out).unwrap();
    let stack = |environment: &str| {
        serde_json::json!({
            "type": "aws:cloudformation:stack", "environment": environment,
            "properties": { "templateFile": "t.json" },
        })
    };
    let manifest = serde_json::json!({
        "version": "48.0.0",
        "artifacts": {
            "shop-dev": stack("aws://222222222222/eu-west-1"),
            "shop-dev-web": stack("aws://222222222222/eu-west-1"),
            "shop-test": stack("aws://333333333333/eu-central-1"),
        },
    });
    fs::write(out.join("manifest.json"), manifest.to_string()).unwrap();
    let base = [
        "--region",
        "eu-west-1",
        "--tools-account",
        "111111111111",
        "--notify",
        "ops@acme.example",
    ];
    let words = [
        "--environment",
        "dev=222222222222",
        "--environment",
        "test=444444444444",
    ];
    let words: Vec<&str> = base.iter().chain(&words).copied().collect();
    let planned = shop.plan(&words, Asking::nobody()).await.unwrap();
    let text = &planned.files[0].text;
    assert!(text.contains(r#"stacks = ["shop-dev", "shop-dev-*"]"#), "{text}");
    assert!(text.contains(r#"region = "eu-central-1""#), "{text}");
    assert_eq!(
        planned.report.stacks.as_deref(),
        Some(&["shop-dev", "shop-dev-web", "shop-test"].map(str::to_owned)[..])
    );
    insta::assert_snapshot!(planned.report.warnings.join("\n"), @"no stack for test (444444444444/eu-central-1) named shop-test, shop-test-*; the release holds shop-dev (222222222222/eu-west-1), shop-dev-web (222222222222/eu-west-1), shop-test (333333333333/eu-central-1)");

    // The account that they were made for is proposed.
    let (terminal, shown) = Terminal::scripted(&["", "", "111111111111", "eu-west-1", "", "dev, test"]);
    let stopped = shop.plan(&[], Asking::of(terminal)).await.map(drop).unwrap_err();
    assert!(matches!(stopped, InitError::Stopped));
    assert!(shown.borrow().contains("[222222222222]"), "{}", shown.borrow());
}

#[tokio::test]
async fn a_cdk_app_is_run_only_where_somebody_agrees_and_its_failure_is_told() {
    let shop = Shop::new();
    // What is called in place of the CDK CLI leaves an assembly where it is told to.
    let tool = shop.path().join("tool");
    let manifest = r#"{"version":"48.0.0","artifacts":{"shop-dev":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/unknown-region","properties":{"templateFile":"t.json"}}}}"#;
    let app = |script: &str| {
        fs::write(&tool, script).unwrap();
        let mut app = App::find(shop.path(), None, None).unwrap();
        app.cdk = vec!["sh".to_owned(), tool.to_str().unwrap().to_owned()];
        app
    };
    let works = app(&format!(
        "test \"$1 $2 $3\" = 'synth --quiet --output' && echo '{manifest}' > \"$4/manifest.json\""
    ));
    let found = assembly::find(shop.path(), &works, false, &mut Asking::nobody())
        .await
        .unwrap();
    assert_eq!(found.names(), None, "nobody agreed");
    let found = assembly::find(shop.path(), &works, true, &mut Asking::nobody())
        .await
        .unwrap();
    assert_eq!(found.names(), Some(vec!["shop-dev".to_owned()]));
    let (terminal, _) = Terminal::scripted(&["maybe", "Yes"]);
    let found = assembly::find(shop.path(), &works, false, &mut Asking::of(terminal))
        .await
        .unwrap();
    assert_eq!(found.names(), Some(vec!["shop-dev".to_owned()]));
    let fails = app("exit 3");
    let refused = assembly::find(shop.path(), &fails, true, &mut Asking::nobody())
        .await
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("synth` failed (exit status: 3); mend it, or leave out --synth"),
        "{refused}"
    );
    assert!(!shop.has("cdk.out"));
}

/// One that is asked, watched and told in every way that the questions know.
fn every_answer() -> Vec<Answers> {
    let mut all = Vec::new();
    for number in 1..=4_usize {
        for bits in 0..64_u32 {
            let has = |bit: u32| bits & (1 << bit) != 0;
            let names = ["dev", "test", "pre-production", "production"];
            let environments = (0..number).map(|index| {
                let pushed = index == 0 && !has(5);
                EnvironmentAnswers {
                    name: names[index].to_owned(),
                    account: if has(0) {
                        "222222222222".to_owned()
                    } else {
                        format!("{}", 222_222_222_222_u64 + index as u64)
                    },
                    region: has(1).then(|| "eu-central-1".to_owned()),
                    on: if pushed {
                        vec!["push".to_owned(), "manual".to_owned()]
                    } else {
                        vec!["release".to_owned()]
                    },
                    after: (index > 0).then(|| names[index - 1].to_owned()),
                    // Those of one account are told apart by their stacks.
                    stacks: if has(0) {
                        vec![format!("shop-{}", names[index])]
                    } else {
                        Vec::new()
                    },
                    approvers: if has(2) && !pushed {
                        vec!["qa@acme.example".to_owned(), "lead@acme.example".to_owned()]
                    } else {
                        Vec::new()
                    },
                    need: if has(3) { 2 } else { 1 },
                    alarms: if has(4) {
                        vec!["shop errors, of \"all\"".to_owned(), "slow".to_owned()]
                    } else {
                        Vec::new()
                    },
                    bake: "30 minutes".to_owned(),
                }
            });
            all.push(Answers {
                account: "111111111111".to_owned(),
                region: "eu-west-1".to_owned(),
                external_id: "0".repeat(32),
                notify: if has(3) {
                    vec!["ops@acme.example".to_owned()]
                } else {
                    Vec::new()
                },
                repository: "acme/shop.web".to_owned(),
                branch: "main".to_owned(),
                people: vec![
                    ("qa@acme.example".to_owned(), vec!["qa-acme".to_owned()]),
                    ("lead@acme.example".to_owned(), Vec::new()),
                ],
                environments: environments.collect(),
            });
        }
    }
    all
}

#[test]
fn whatever_is_answered_makes_a_file_that_validate_accepts_and_that_says_the_same() {
    let all = every_answer();
    assert_eq!(all.len(), 256);
    for answers in all {
        let text = configuration::text(&answers);
        let read = Configuration::read(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(read.pipeline.notify, answers.notify);
        let [shop] = <[_; 1]>::try_from(read.applications).unwrap();
        assert_eq!(shop.repository.as_str(), answers.repository);
        assert_eq!(shop.environments.len(), answers.environments.len());
        for (read, said) in shop.environments.iter().zip(&answers.environments) {
            assert_eq!(read.name.as_str(), said.name);
            assert_eq!(read.account.as_str(), said.account);
            assert_eq!(read.region.as_str(), said.region.as_deref().unwrap_or("eu-west-1"));
            assert_eq!(read.on.iter().map(ToString::to_string).collect::<Vec<_>>(), said.on);
            assert_eq!(read.after.as_ref().map(EnvironmentName::as_str), said.after.as_deref());
            assert_eq!(read.stacks, said.stacks);
            let people = read.approval.iter().flat_map(|approval| &approval.people);
            assert_eq!(
                people.map(|person| person.name.to_string()).collect::<Vec<_>>(),
                said.approvers
            );
            assert!(
                read.approval
                    .iter()
                    .all(|approval| approval.duties[0].need == said.need)
            );
            assert_eq!(
                read.bake.as_ref().map_or(0, |bake| bake.alarms.len()),
                said.alarms.len()
            );
            assert_eq!(read.watch_seconds.is_some(), read.bake.is_some());
        }
    }
}

/// Each line that is no comment begins with a key or a table; before each key stands a comment, or it is the people's table.
#[test]
fn every_key_has_a_comment() {
    for answers in every_answer() {
        let text = configuration::text(&answers);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_key = line.contains(" = ") && !line.starts_with('#');
            let is_person = line.contains("{ github = ");
            let follows_account = line.starts_with("region") && lines[number - 1].starts_with("account");
            if is_key && !is_person && !follows_account {
                assert!(lines[number - 1].starts_with('#'), "{line}\n{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn hostile_text_stays_the_value_that_it_is(text in any::<String>(), other in "[\"'\\\\\n\r\t#\\[\\]{}=\u{0}-\u{1f}\u{7f}\u{202e} a]{0,12}") {
        for text in [text, other] {
            let environment = EnvironmentAnswers {
                name: text.clone(),
                account: text.clone(),
                region: Some(text.clone()),
                on: vec![text.clone()],
                after: Some(text.clone()),
                stacks: vec![text.clone()],
                approvers: vec![text.clone()],
                need: 1,
                alarms: vec![text.clone()],
                bake: text.clone(),
            };
            let answers = Answers {
                account: text.clone(),
                region: text.clone(),
                external_id: text.clone(),
                notify: vec![text.clone()],
                repository: text.clone(),
                branch: text.clone(),
                people: vec![(text.clone(), vec![text.clone()])],
                environments: vec![environment],
            };
            let written = configuration::text(&answers);
            // What is no TOML is told before anything else, and without a key.
            if let Err(problems) = Configuration::read(&written) {
                let broken = problems.as_slice().iter().find(|problem| problem.key.is_empty());
                prop_assert!(broken.is_none(), "{:?}\n{written}", broken);
            }
            let lines = written.lines().filter(|line| line.starts_with("branch = "));
            prop_assert_eq!(lines.count(), 1);
            if let Ok(file) = smoke::text(&text) {
                prop_assert!(file.parse::<domain::smoke_test::SmokeTests>().is_ok());
            }
        }
    }

    #[test]
    fn what_is_asked_of_an_approver_and_a_login_is_read_back(local in "[a-z=+.]{1,8}", login in "[a-z]{0,8}") {
        let said = format!("{local}@acme.example={login}").parse::<options::LoginOf>();
        let approver = format!("{local}@acme.example").parse::<Approver>();
        prop_assert_eq!(said.is_ok(), approver.is_ok());
        if let (Ok(said), Ok(approver)) = (said, approver) {
            prop_assert_eq!(said.approver, approver);
            prop_assert_eq!(said.login.map(|login| login.to_string()).unwrap_or_default(), login);
        }
    }
}
