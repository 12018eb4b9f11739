//! What GitHub lets us see and do, and whom it lets write.

use super::*;

fn app() -> Credentials {
    Credentials::App(Arc::new(App::new("Iv23li", app::tests::KEY).unwrap()))
}

#[tokio::test]
async fn an_app_is_told_what_it_may_do_and_a_token_is_not() {
    let permissions = json!({ "contents": "write", "deployments": "write", "checks": "read", "metadata": "read" });
    let installed = |suspended: Value| json!({ "id": 1, "permissions": permissions, "suspended_at": suspended });
    let granted = Permissions {
        contents: Level::Write,
        deployments: Level::Write,
        checks: Level::Read,
        pull_requests: Level::None,
    };
    for (documents, grant) in [
        (vec![], Grant::NotInstalled),
        (vec![installed(Value::Null)], Grant::Installed(granted)),
        (vec![installed(json!("2026-11-23T12:00:00Z"))], Grant::Suspended),
        (
            vec![json!({ "id": 1, "permissions": {} })],
            Grant::Installed(Permissions::default()),
        ),
    ] {
        let at = |document| ("/repos/acme/shop/installation".to_owned(), document);
        let server = Server::having(documents.into_iter().map(at)).await;
        let github = server.github().bearing(app());
        assert_eq!(github.grant(&repository()).await, Ok(grant));
        assert_eq!(server.targets(), ["/repos/acme/shop/installation"]);
    }
    let server = Server::having([]).await;
    let github = server.github();
    assert_eq!(github.grant(&repository()).await, Ok(Grant::Untold));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn what_github_shows_of_a_token_is_read_and_nothing_is_written_for_it() {
    for (headers, deployments, scopes, expires, reads) in [
        (
            "x-oauth-scopes: repo, read:org\r\n",
            "200 OK",
            Some(vec!["repo", "read:org"]),
            None,
            true,
        ),
        (
            "github-authentication-token-expiration: 2026-12-31 09:00:00 UTC\r\n",
            "403 Forbidden",
            None,
            Some("2026-12-31T09:00:00Z"),
            false,
        ),
        ("", "404 Not Found", None, None, false),
    ] {
        let server = Server::saying(move |_, target| {
            if target == "/repos/acme/shop" {
                answer("200 OK", headers, r#"{"id":1,"private":true}"#)
            } else {
                answer(deployments, "", "[]")
            }
        })
        .await;
        let seen = server.github().token_seen(&repository()).await.unwrap();
        let scopes = scopes.map(|scopes| scopes.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            (seen.scopes, seen.reads_deployments, seen.private),
            (scopes, reads, true)
        );
        assert_eq!(seen.expires.map(|at| at.to_string()).as_deref(), expires);
        assert_eq!(
            server.targets(),
            ["/repos/acme/shop", "/repos/acme/shop/deployments?per_page=1"]
        );
    }
    let server = Server::having([]).await;
    server.github().token_seen(&repository()).await.unwrap_err();
    server.github().is_private(&repository()).await.unwrap_err();
}

#[tokio::test]
async fn a_key_that_is_not_the_apps_is_said() {
    let refused = r#"{"message":"A JSON web token could not be decoded"}"#;
    let server = Server::saying(move |_, _| answer("401 Unauthorized", "", refused)).await;
    let error = server.github().bearing(app()).grant(&repository()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GitHub does not show the GitHub App's installation on acme/shop: the token is not valid (401 A JSON web token could \
         not be decoded)"
    );
}

#[tokio::test]
async fn a_branch_is_seen_or_not_there_or_hidden_with_its_repository() {
    let of_repository = ("/repos/acme/shop".to_owned(), json!({ "id": 1 }));
    let branch = (
        "/repos/acme/shop/branches/release/2%2B".to_owned(),
        json!({ "name": "release/2+", "commit": { "sha": "2".repeat(40) } }),
    );
    let sight = async |documents: Vec<(String, Value)>, branch: &str| {
        Server::having(documents)
            .await
            .github()
            .sight(&repository(), branch)
            .await
    };
    assert_eq!(sight(vec![branch], "release/2+").await, Sight::Seen);
    assert_eq!(sight(vec![of_repository.clone()], "main").await, Sight::NoBranch);
    assert_eq!(sight(vec![of_repository], "../..").await, Sight::NoBranch);
    let Sight::Hidden(why) = sight(vec![], "main").await else {
        panic!("it is not there");
    };
    assert_eq!(
        why,
        "GitHub does not show the branch main of acme/shop: GitHub shows no such repository; it is private and there is no \
         token that may read it, or it is gone"
    );
    let server = Server::saying(|_, _| answer("503 Service Unavailable", "", "")).await;
    let unknown = server.github().sight(&repository(), "main").await;
    assert!(matches!(unknown, Sight::Unknown(_)), "{unknown:?}");
}

#[tokio::test]
async fn who_may_write_is_githubs_to_say_and_no_name_leads_elsewhere() {
    let path = "/repos/acme/shop/collaborators/ann/permission";
    for (permission, may) in [("admin", true), ("write", true), ("read", false), ("none", false)] {
        let server = Server::having([(
            path.to_owned(),
            json!({ "permission": permission, "role_name": "custom" }),
        )])
        .await;
        let answer = server.github().may_write(&repository(), "ann").await;
        assert_eq!(answer, Ok(may), "{permission}");
    }
    let server = Server::having([("/repos/acme/shop".to_owned(), json!({ "id": 1 }))]).await;
    assert_eq!(
        server.github().may_write(&repository(), "ann").await,
        Ok(false),
        "nobody there"
    );
    let hidden = Server::having([]).await;
    let error = hidden.github().may_write(&repository(), "ann").await.unwrap_err();
    assert_eq!(error.name(), Name::GitHubDenied);
    let server = Server::having([]).await;
    for login in ["", "github-actions[bot]", "../../../user", "ann/permission?", "ä"] {
        assert_eq!(
            server.github().may_write(&repository(), login).await,
            Ok(false),
            "{login}"
        );
    }
    assert_eq!(server.targets(), Vec::<String>::new(), "none of these was asked about");
}

#[tokio::test]
async fn a_branch_a_tag_and_a_commit_stand_for_a_commit() {
    let visible = ("/repos/acme/shop".to_owned(), json!({ "id": 1 }));
    for (reference, path) in [
        ("main", "/repos/acme/shop/commits/main?per_page=1"),
        ("feature/tea", "/repos/acme/shop/commits/feature/tea?per_page=1"),
        ("v1#2", "/repos/acme/shop/commits/v1%232?per_page=1"),
    ] {
        let server = Server::having([(path.to_owned(), commit(1)), visible.clone()]).await;
        let github = server.github();
        let found = github.commit_of(&repository(), reference).await.unwrap().unwrap();
        assert_eq!(found.sha, sha(1));
        assert_eq!(github.commit_of(&repository(), "elsewhere").await, Ok(None));
        assert_eq!(github.commit_of(&repository(), "../../other").await, Ok(None));
        assert_eq!(server.targets().len(), 3, "the last is no name: {:?}", server.targets());
    }
}
