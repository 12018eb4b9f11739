//! A merge to `main` reaches dev, and every way in which it may not.

mod deliveries;
mod failures;
mod operator;
mod pushes;
mod several_stacks;
