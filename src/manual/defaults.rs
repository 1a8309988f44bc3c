//! What a standard stack does when nobody sets anything.
//!
//! [`Stack::describe`](crate::stack::Stack::describe) prints it:
//!
//! ```
//! use seawall::stack::Stack;
//!
//! let stack = Stack::builder().name("orders").build()?;
//! assert_eq!(stack.describe().to_string(), "");
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
