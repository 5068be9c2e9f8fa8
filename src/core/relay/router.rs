//! Three tiers behind one trait: this node, its peers, the nodes beyond.

use std::sync::Arc;

use crate::core::pid::{NodeId, Pid};
use crate::core::relay::node::{Node, Wake};
use crate::core::relay::package::{Package, Refusal, Refused};

/// A way to a node.
pub trait Route: Send + Sync {
    /// Takes the package, or gives it back: `NoRoute` lets the next tier try.
    fn route(&self, package: Package) -> Result<(), Refused>;

    /// For ways that refuse as `Busy`: see [`Sink::when_room`](crate::core::relay::node::Sink).
    fn when_room(&self, to: Pid, wake: Wake) -> bool {
        let _ = (to, wake);
        false
    }
}

impl Route for Node {
    fn route(&self, package: Package) -> Result<(), Refused> {
        let node = package.to.node();
        if node != NodeId::LOCAL && node != self.id() {
            return Err(Refused { package, reason: Refusal::NoRoute });
        }
        self.deliver(package)
    }
}

/// The tier of a node that stands alone: it knows no way.
pub struct NoRoute;

impl Route for NoRoute {
    fn route(&self, package: Package) -> Result<(), Refused> {
        Err(Refused { package, reason: Refusal::NoRoute })
    }
}

/// Tries the tiers in order.
pub struct Router {
    local: Arc<Node>,
    peers: Box<dyn Route>,
    internode: Box<dyn Route>,
}

impl Router {
    pub fn new(local: Arc<Node>, peers: Box<dyn Route>, internode: Box<dyn Route>) -> Router {
        Router { local, peers, internode }
    }

    pub fn local(&self) -> &Arc<Node> {
        &self.local
    }

    /// Somebody refused as busy: `true`, try again now; else `wake` is called when to try again.
    pub(super) fn when_room(&self, to: Pid, wake: Wake) -> bool {
        match to.node() == NodeId::LOCAL || to.node() == self.local.id() {
            true => self.local.when_room(to, wake),
            false => self.peers.when_room(to, wake),
        }
    }
}

impl Route for Router {
    fn route(&self, package: Package) -> Result<(), Refused> {
        let tiers: [&dyn Route; 3] = [&*self.local, &*self.peers, &*self.internode];
        let mut package = package;
        for tier in tiers {
            match tier.route(package) {
                Err(refused) if refused.reason == Refusal::NoRoute => package = refused.package,
                done => return done,
            }
        }
        Err(Refused { package, reason: Refusal::NoRoute })
    }
}
