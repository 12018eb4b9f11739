//! `lockgate.smoke.toml`: how an environment is asked whether it works.
