//! What waits, under which key, and when somebody should look.
