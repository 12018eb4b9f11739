//! GitHub's stand-in, asked by the client that asks GitHub.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use domain::failure::Name;
use domain::names::{CommitSha, RepositoryName};
use github::{Between, Commit, Credentials, GitHub, Patience, TagTarget};
use jiff::{SignedDuration, Timestamp};
use local::repository::Person;
use local::{GitHubStandIn, Repository};
use tokio::io::AsyncWriteExt as _;

const BEN: Person<'_> = Person {
    name: "Ben",
    mail: "1234+ben@users.noreply.github.com",
};

struct Set {
    folder: tempfile::TempDir,
    stand_in: GitHubStandIn,
    repository: Repository,
    name: RepositoryName,
}

impl Set {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stand_in = GitHubStandIn::start(folder.path(), &[("Ada@acme.example", "ada")])
            .await
            .unwrap();
        let repository = Repository::create_in(folder.path(), "acme/shop").await.unwrap();
        Self {
            stand_in,
            repository,
            name: "acme/shop".parse().unwrap(),
            folder,
        }
    }

    fn github(&self) -> GitHub {
        GitHub::new(&self.stand_in.url, Credentials::None)
            .unwrap()
            .patient(Patience {
                pause: Duration::from_millis(1),
                ..Patience::default()
            })
    }

    async fn commit_of(&self, tag: &str) -> TagTarget {
        self.github().commit_of_tag(&self.name, tag).await.unwrap()
    }

    async fn between(&self, base: &CommitSha, head: &CommitSha, at_most: usize) -> Between {
        let github = self.github();
        github.commits_between(&self.name, base, head, at_most).await.unwrap()
    }

    /// The titles of what is new, all of which is told.
    async fn added(&self, base: &CommitSha, head: &CommitSha, at_most: usize) -> Vec<String> {
        match self.between(base, head, at_most).await {
            Between::Commits(commits) => titles(commits),
            other => panic!("{other:?}"),
        }
    }

    async fn all(&self, head: &CommitSha, at_most: usize) -> Option<Vec<String>> {
        let all = self.github().commits_up_to(&self.name, head, at_most).await;
        all.unwrap().map(titles)
    }
}

fn titles(commits: Vec<Commit>) -> Vec<String> {
    commits.into_iter().map(|commit| commit.title).collect()
}

#[tokio::test]
async fn tags_of_every_kind_lead_to_their_commits() {
    let set = Set::up().await;
    let first = set.repository.commit("First").await.unwrap();
    set.repository.tag("v1").await.unwrap();
    set.repository.tag("release/2026#1%2f-grüße").await.unwrap();
    let second = set.repository.commit("Second").await.unwrap();
    set.repository
        .annotated_tag("v2", "The second\n\nof all")
        .await
        .unwrap();
    assert_eq!(set.commit_of("v1").await, TagTarget::Commit(first.clone()));
    assert_eq!(
        set.commit_of("release/2026#1%2f-grüße").await,
        TagTarget::Commit(first.clone())
    );
    assert_eq!(set.commit_of("v2").await, TagTarget::Commit(second.clone()));
    for missing in ["v3", "v", "release", "main"] {
        assert_eq!(set.commit_of(missing).await, TagTarget::Missing, "{missing}");
    }
    assert_eq!(set.commit_of("v1^{}").await, TagTarget::NoCommit);
    set.repository.move_tag("v1", &second).await.unwrap();
    set.repository.move_tag("v2", &first).await.unwrap();
    assert_eq!(set.commit_of("v1").await, TagTarget::Commit(second));
    assert_eq!(set.commit_of("v2").await, TagTarget::Commit(first));

    let other: RepositoryName = "acme/other".parse().unwrap();
    let hidden = set.github().commit_of_tag(&other, "v1").await;
    assert_eq!(hidden.unwrap_err().name(), Name::GitHubDenied);
}

#[tokio::test]
async fn commits_have_accounts_where_a_mail_address_belongs_to_one() {
    let set = Set::up().await;
    let ada = set
        .repository
        .commit("Add prices\n\nCo-authored-by: Cy <cy@acme.example>")
        .await
        .unwrap();
    let ben = set.repository.commit_as(BEN, "Mend prices").await.unwrap();
    let stranger = Person {
        name: "Eve",
        mail: "eve@elsewhere.example",
    };
    let eve = set.repository.commit_as(stranger, "Take prices").await.unwrap();
    for (sha, name, login) in [
        (&ada, "Ada", Some("ada")),
        (&ben, "Ben", Some("ben")),
        (&eve, "Eve", None),
    ] {
        let commit = set.github().commit(&set.name, sha).await.unwrap().unwrap();
        assert_eq!(commit.author.name, name);
        assert_eq!(commit.author.login.as_deref(), login);
        assert_eq!(commit.committer.login.as_deref(), login);
    }
    let commit = set.github().commit(&set.name, &ada).await.unwrap().unwrap();
    assert_eq!(commit.message, "Add prices\n\nCo-authored-by: Cy <cy@acme.example>");
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(set.github().commit(&set.name, &unknown).await, Ok(None));
}

#[tokio::test]
async fn what_lies_between_two_commits_is_told_whichever_way_they_lie() {
    let set = Set::up().await;
    let first = set.repository.commit("First").await.unwrap();
    let second = set.repository.commit("Second").await.unwrap();
    let third = set.repository.commit("Third").await.unwrap();
    assert_eq!(set.added(&first, &third, 100).await, ["Third", "Second"]);
    assert_eq!(set.between(&first, &third, 1).await, Between::TooMany);
    assert!(set.added(&third, &third, 100).await.is_empty());
    // Back to an older one brings nothing new.
    assert!(set.added(&third, &first, 100).await.is_empty());
    assert_eq!(
        set.all(&second, 100).await,
        Some(vec!["Second".to_owned(), "First".to_owned()])
    );
    // A base that nobody has any more.
    let gone = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(set.between(&gone, &second, 100).await, Between::Unrelated);
    // A history without anything in common, and one that was rewritten.
    let work = set.repository.folder().to_owned();
    git(&work, &["checkout", "--quiet", "--orphan", "other"], "").await;
    git(
        &work,
        &[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "Other",
        ],
        "",
    )
    .await;
    git(
        &work,
        &[
            "push",
            "--quiet",
            &set.repository.mirror().display().to_string(),
            "other",
        ],
        "",
    )
    .await;
    let other: CommitSha = git(&work, &["rev-parse", "other"], "").await.parse().unwrap();
    assert_eq!(set.between(&first, &other, 100).await, Between::Unrelated);
    git(&work, &["checkout", "--quiet", "-B", "main", first.as_str()], "").await;
    let rewritten = set.repository.commit("Rewritten");
    // The push is refused, as it should be; the commit is there.
    assert!(rewritten.await.is_err());
    git(
        &work,
        &[
            "push",
            "--quiet",
            "--force",
            &set.repository.mirror().display().to_string(),
            "main",
        ],
        "",
    )
    .await;
    let rewritten: CommitSha = git(&work, &["rev-parse", "main"], "").await.parse().unwrap();
    assert_eq!(set.added(&third, &rewritten, 100).await, ["Rewritten"]);
}

#[tokio::test]
async fn long_histories_come_in_pages() {
    let set = Set::up().await;
    let base = set.repository.commit("Base").await.unwrap();
    let commits = (1..=250).map(|number| {
        let message = format!("Change {number}");
        let person = format!("Ada <ada@acme.example> {} +0000", 1_800_000_000 + number);
        let parent = if number == 1 {
            format!("from {base}\n")
        } else {
            String::new()
        };
        format!(
            "commit refs/heads/main\nauthor {person}\ncommitter {person}\ndata {}\n{message}\n{parent}",
            message.len()
        )
    });
    let stream: String = commits.collect();
    git(set.repository.mirror(), &["fast-import", "--quiet"], &stream).await;
    let head: CommitSha = git(set.repository.mirror(), &["rev-parse", "main"], "")
        .await
        .parse()
        .unwrap();
    set.stand_in.take_asked();
    let mut expected: Vec<String> = (1..=250).rev().map(|number| format!("Change {number}")).collect();
    assert_eq!(set.added(&base, &head, 250).await, expected);
    assert_eq!(set.stand_in.take_asked().len(), 4);
    assert_eq!(set.between(&base, &head, 249).await, Between::TooMany);
    assert_eq!(set.stand_in.take_asked().len(), 1);
    expected.push("Base".to_owned());
    assert_eq!(set.all(&head, 300).await, Some(expected));
    assert_eq!(set.stand_in.take_asked().len(), 3);
    assert_eq!(set.all(&head, 200).await, None);
    assert_eq!(set.stand_in.take_asked().len(), 2);
}

#[tokio::test]
async fn it_fails_as_github_does_and_keeps_what_it_was_asked() {
    let set = Set::up().await;
    let first = set.repository.commit("First").await.unwrap();
    set.repository.tag("v1").await.unwrap();
    let token = "github_pat_x".parse().unwrap();
    let github = set.github().bearing(Credentials::Token(token));
    let ask = async || github.commit_of_tag(&set.name, "v1").await;

    set.stand_in.be_down();
    assert_eq!(ask().await.unwrap_err().name(), Name::GitHubUnavailable);
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    set.stand_in.rate_limit_until(until);
    let sentence = ask().await.unwrap_err().to_string();
    assert!(
        sentence.contains("it asks to be called less often; it answers again from "),
        "{sentence}"
    );
    set.stand_in.slow(Duration::from_mins(1));
    let hasty = github.clone().patient(Patience {
        question: Duration::from_secs(1),
        ..Patience::default()
    });
    let slow = hasty.commit_of_tag(&set.name, "v1").await;
    assert!(slow.unwrap_err().to_string().ends_with("it did not answer in time"));
    set.stand_in.be_well();
    set.stand_in.take_asked();
    assert_eq!(ask().await, Ok(TagTarget::Commit(first)));
    let asked = set.stand_in.take_asked();
    let targets: Vec<&str> = asked.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(targets, ["/repos/acme/shop/git/ref/tags/v1"]);
    assert!(asked[0].authorized);
    drop(set.folder);
}

async fn git(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut process = tokio::process::Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
