//! Tests of the whole: one binary, a module for each area.

mod lua;
mod outcome;
