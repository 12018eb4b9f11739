//! Every text that people get from Lockgate.
