//! The second tier: nodes of the cluster, each with its own way.

use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::core::pid::{NodeId, Pid};
use crate::core::relay::node::Wake;
use crate::core::relay::package::{Package, Refusal, Refused};
use crate::core::relay::router::Route;
use crate::infra::error::{Error, Kind, Result};

/// Ways to peers by node. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Peers {
    /// No peer can have its id.
    own: NodeId,
    /// Not held while a package is on its way.
    ways: Arc<RwLock<FxHashMap<NodeId, Arc<dyn Route>>>>,
}

impl Peers {
    pub fn new(own: NodeId) -> Peers {
        Peers { own, ways: Arc::default() }
    }

    /// # Errors
    /// `INVALID` an empty id, `CONFLICT` that of this node, `ALREADY_EXISTS` a taken one.
    pub fn register(&self, id: &str, way: Arc<dyn Route>) -> Result<()> {
        if id.is_empty() {
            return Err(Error::invalid("peer id is empty"));
        }
        let node = NodeId::intern(id);
        // A node without a name of its own is called `local`.
        if node == self.own || (self.own == NodeId::LOCAL && id == "local") {
            let message = format!("peer id is that of this node: {id}");
            return Err(Error::new(Kind::Conflict, message));
        }
        let mut ways = self.ways.write();
        if ways.contains_key(&node) {
            let message = format!("peer already registered: {id}");
            return Err(Error::new(Kind::AlreadyExists, message));
        }
        ways.insert(node, way);
        Ok(())
    }

    /// `false`: there was none.
    pub fn unregister(&self, id: &str) -> bool {
        NodeId::find(id).is_some_and(|node| self.ways.write().remove(&node).is_some())
    }
}

impl Route for Peers {
    fn route(&self, package: Package) -> Result<(), Refused> {
        let way = self.ways.read().get(&package.to.node()).cloned();
        match way {
            Some(way) => way.route(package),
            None => Err(Refused { package, reason: Refusal::NoRoute }),
        }
    }

    fn when_room(&self, to: Pid, wake: Wake) -> bool {
        let way = self.ways.read().get(&to.node()).cloned();
        way.is_none_or(|way| way.when_room(to, wake))
    }
}
