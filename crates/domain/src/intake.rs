//! What a GitHub delivery asks for.
