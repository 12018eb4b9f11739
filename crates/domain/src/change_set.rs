//! What a change set would change, and what CloudFormation says of one that it could not make.
