//! Which page an address is of.

use domain::names::{DeploymentId, RepositoryName};

use super::page::{self, Page, View};
use super::reading::Source;
use super::{deployment, overview};

/// What stands behind an address that was asked for.
enum Route {
    Overview,
    Application(RepositoryName),
    Deployment(DeploymentId),
}

/// The page of an address.
pub async fn answer(source: &Source, path: &str, query: Option<&str>) -> Page {
    let view = View {
        path: path.to_owned(),
        is_still: query == Some(page::STILL),
    };
    let read = match route(path) {
        None => return page::not_found(&view),
        Some(Route::Overview) => source.overview().await.map(|read| overview::all(&read, &view)),
        Some(Route::Application(name)) => source.overview().await.map(|read| {
            let mut ladders = read.applications.iter();
            match ladders.find(|ladder| ladder.application.repository == name) {
                Some(ladder) => overview::one(&read, ladder, &view),
                None => page::not_found(&view),
            }
        }),
        Some(Route::Deployment(id)) => source.record(&id).await.map(|read| deployment::page(&read, &view)),
    };
    read.unwrap_or_else(|failed| page::failed(&failed, &view))
}

fn route(path: &str) -> Option<Route> {
    if path == "/" {
        return Some(Route::Overview);
    }
    if let Some(name) = path.strip_prefix("/applications/") {
        return name.parse().ok().map(Route::Application);
    }
    path.strip_prefix("/deployments/")?.parse().ok().map(Route::Deployment)
}
