//! The rules, from outside.

mod certificates;
