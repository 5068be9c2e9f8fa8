//! Relay: packages from PID to PID.
//!
//! [`router`] picks the tier (local node, peers of the cluster, internode), [`node`] delivers on this
//! node, [`mailbox`] holds what cannot be delivered at once, in lanes by sender. Hosts and peers come
//! and go by events, see [`arrivals`].
//!
//! Order. A sender's packages to one target arrive in the order sent. Directly delivered ones do,
//! because a sender delivers directly only while none of its packages waits in its lane; those in
//! the lane do, because a lane is first in, first out and one thread at a time drains it.
//!
//! Bounds. A VM's event queue and a lane are bounded. When both are full the sending coroutine is
//! suspended until its package has moved into the lane; a sender that is no process gets its
//! package back as busy. Nothing is dropped.

pub mod arrivals;
pub mod attach;
pub mod mailbox;
pub mod node;
pub mod package;
pub mod peers;
#[cfg(test)]
mod route_tests;
pub mod router;
#[cfg(test)]
mod tests;

pub use attach::{Attachment, Sinks};
pub use mailbox::{Mailbox, Posted, Ticket};
pub use node::Node;
pub use package::{Body, Exit, Outcome, Package, Refusal, Refused};
pub use peers::Peers;
pub use router::{Route, Router};
