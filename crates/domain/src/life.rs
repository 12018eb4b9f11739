//! The life of a deployment: its status as a fold of what happened.
