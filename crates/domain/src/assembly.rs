//! A CDK cloud assembly: which stacks and assets there are, and what cannot be deployed.
