//! One build per commit, however many deployments ask for it.
