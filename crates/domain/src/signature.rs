//! GitHub's signature over a delivery's raw bytes.
