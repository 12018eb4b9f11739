//! Texts of others, made harmless for logs, mail and terminals.
