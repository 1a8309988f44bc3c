//! The tables of the manual.
