//! What lies between commits, page by page.

use super::*;

fn page_of(target: &str) -> usize {
    let (_, query) = target.split_once('?').unwrap();
    let mut page = None;
    for pair in query.split('&') {
        match pair.split_once('=').unwrap() {
            ("page", number) => page = number.parse().ok(),
            ("per_page", size) => assert_eq!(size, "100"),
            ("sha", head) => assert_eq!(head, sha(HEAD).as_str()),
            other => panic!("{other:?}"),
        }
    }
    page.unwrap()
}

/// The commits that lead to the head, in this order, a hundred on a page; and their comparison with a base, of which
/// nothing but the second page may be asked for.
async fn history(listed: Vec<Value>, compared: Option<(usize, usize)>) -> Server {
    Server::saying(move |_, target| {
        if target.starts_with("/repos/acme/shop/compare/") {
            let Some((base, total)) = compared else {
                return not_found();
            };
            let between = format!("{}...{}", sha(base), sha(HEAD));
            assert_eq!(target, format!("/repos/acme/shop/compare/{between}?per_page=1&page=2"));
            return ok(&json!({
                "status": "ahead", "ahead_by": total, "behind_by": 0, "total_commits": total,
                "base_commit": commit(base), "merge_base_commit": commit(base), "commits": [commit(base + 2)],
            }));
        }
        assert!(target.starts_with("/repos/acme/shop/commits?"), "{target}");
        let page = page_of(target);
        let commits: Vec<Value> = listed.iter().skip((page - 1) * 100).take(100).cloned().collect();
        let link = if page * 100 < listed.len() {
            format!(
                "link: <https://api.github.com/repositories/1/commits?page={}>; rel=\"next\"\r\n",
                page + 1
            )
        } else {
            String::new()
        };
        answer("200 OK", &link, &Value::from(commits).to_string())
    })
    .await
}

/// So many commits, one after the other, up to the head.
fn straight(total: usize) -> Vec<Value> {
    (HEAD - total + 1..=HEAD).rev().map(commit).collect()
}

/// A commit of this number that comes right after these.
fn after(number: usize, parents: &[usize]) -> Value {
    let mut commit = commit(number);
    commit["parents"] = parents.iter().map(|parent| json!({ "sha": sha(*parent) })).collect();
    commit
}

async fn between(server: &Server, base: usize, at_most: usize) -> Result<Between, Error> {
    let github = server.github();
    github
        .commits_between(&repository(), &sha(base), &sha(HEAD), at_most)
        .await
}

fn shas(commits: &[Commit]) -> Vec<CommitSha> {
    commits.iter().map(|commit| commit.sha.clone()).collect()
}

#[tokio::test]
async fn what_is_new_is_all_of_it_without_the_files_or_too_much() {
    for (total, at_most, pages) in [
        (0, 100, 0),
        (1, 100, 1),
        (100, 100, 1),
        (101, 200, 2),
        (250, 300, 3),
        (250, 250, 3),
    ] {
        let server = history(straight(400), Some((HEAD - total, total))).await;
        let Between::Commits(commits) = between(&server, HEAD - total, at_most).await.unwrap() else {
            panic!("{total} {at_most}");
        };
        let newest: Vec<CommitSha> = (HEAD - total + 1..=HEAD).rev().map(sha).collect();
        assert_eq!(shas(&commits), newest);
        assert_eq!(server.count(), 1 + pages, "{total} {at_most}");
    }
    // It is known at once, and nothing is listed.
    for (total, at_most) in [(101, 100), (1, 0), (100_000, 2_000)] {
        let server = history(straight(400), Some((HEAD - 400, total))).await;
        assert_eq!(between(&server, HEAD - 400, at_most).await, Ok(Between::TooMany));
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn what_was_merged_is_new_though_it_is_older_than_the_base() {
    // 998 is the base. 997 and 995 were made beside it, on a branch that began at 994.
    let listed = vec![
        after(HEAD, &[998, 997]),
        after(997, &[995]),
        after(998, &[996]),
        after(996, &[994]),
        after(995, &[994]),
        after(994, &[993]),
        after(993, &[]),
    ];
    let server = history(listed, Some((998, 3))).await;
    let Ok(Between::Commits(commits)) = between(&server, 998, 100).await else {
        panic!("they are not found");
    };
    assert_eq!(shas(&commits), [HEAD, 997, 995].map(sha));

    // One that waited until a hundred others were accepted.
    let mut listed = vec![after(HEAD, &[998, 10])];
    listed.extend((800..=998).rev().map(commit));
    listed.extend([after(10, &[799]), commit(799)]);
    let server = history(listed, Some((998, 2))).await;
    let Ok(Between::Commits(commits)) = between(&server, 998, 300).await else {
        panic!("they are not found");
    };
    assert_eq!(shas(&commits), [HEAD, 10].map(sha));
    assert_eq!(between(&server, 998, 200).await, Ok(Between::TooMany));
}

#[tokio::test]
async fn where_two_histories_part_twice_nothing_new_is_taken_for_listed() {
    // GitHub names 500. Through the other place, which it does not name, 801 to 950 are in what was accepted as well, and
    // are more than it counts before 10 and 9 come.
    let mut listed = vec![after(HEAD, &[950, 10])];
    listed.extend((802..=950).rev().map(commit));
    listed.extend([after(801, &[500]), after(10, &[9]), after(9, &[500]), commit(500)]);
    let server = history(listed, Some((500, 3))).await;
    let Ok(Between::Commits(commits)) = between(&server, 500, 300).await else {
        panic!("they are not found");
    };
    for new in [HEAD, 10, 9] {
        assert!(commits.iter().any(|commit| commit.sha == sha(new)), "{new}");
    }
}

#[tokio::test]
async fn where_nothing_is_in_common_all_that_lead_to_the_head_can_be_listed() {
    for (total, at_most, pages, is_whole) in [
        (0, 100, 1, true),
        (1, 100, 1, true),
        (100, 100, 1, true),
        (101, 100, 1, false),
        (250, 300, 3, true),
        (250, 201, 3, true),
        (250, 200, 2, false),
    ] {
        let server = history(straight(total), None).await;
        assert_eq!(between(&server, 1, at_most).await, Ok(Between::Unrelated));
        let github = server.github();
        let all = github.commits_up_to(&repository(), &sha(HEAD), at_most).await.unwrap();
        assert_eq!(server.count(), 1 + pages, "{total} {at_most}");
        let newest: Vec<CommitSha> = (HEAD - total + 1..=HEAD).rev().map(sha).collect();
        assert_eq!(
            all.map(|all| shas(&all)),
            is_whole.then_some(newest),
            "{total} {at_most}"
        );
    }
    let server = Server::having([]).await;
    let gone = server.github().commits_up_to(&repository(), &sha(HEAD), 100).await;
    assert_eq!(gone.unwrap_err().name(), Name::GitHubDenied);
}

#[tokio::test]
async fn a_page_that_is_missing_is_not_taken_for_the_end() {
    let server = Server::saying(|_, target| {
        if target.contains("/compare/") {
            ok(&json!({ "total_commits": 250, "merge_base_commit": commit(HEAD - 250), "commits": [] }))
        } else if page_of(target) == 1 {
            let commits = Value::from(straight(100));
            answer("200 OK", "link: <https://x>; rel=\"next\"\r\n", &commits.to_string())
        } else {
            not_found()
        }
    })
    .await;
    let error = between(&server, HEAD - 250, 300).await.unwrap_err();
    assert_eq!(error.name(), Name::GitHubUnavailable);
    assert!(
        error.to_string().ends_with("a page of the commits is missing"),
        "{error}"
    );
    // Nor is a list that ends before them.
    let server = history(straight(249), Some((HEAD - 250, 250))).await;
    let error = between(&server, HEAD - 250, 300).await.unwrap_err();
    assert!(
        error.to_string().ends_with("it counts more commits than it lists"),
        "{error}"
    );
}
