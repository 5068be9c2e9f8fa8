//! Hosts and peers come and go by events of the bus.

use std::sync::Arc;

use crate::core::pid::HostId;
use crate::core::relay::node::{Host, Node};
use crate::core::relay::peers::Peers;
use crate::core::relay::router::Route;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::event_bus::request::{self, HOSTS, PEERS, Request};

/// A peer, as the thing that its request brings.
pub struct Way(pub Arc<dyn Route>);

/// Takes requests for hosts of this node, each a [`Host`], and for peers, each a [`Way`].
///
/// A host or peer that is deleted and was not there is as good as gone.
///
/// # Errors
/// The bus is closed.
pub fn serve(bus: &EventBus, node: &Arc<Node>, peers: &Peers) -> Result<()> {
    let node = node.clone();
    request::serve(bus, HOSTS, move |wanted| match wanted {
        Request::Register(id, part) => {
            let host: &Host = request::expect(HOSTS, part)?;
            node.attach_host(host_id(id)?, host.clone())
        }
        Request::Delete(id) => {
            node.detach_host(host_id(id)?);
            Ok(())
        }
    })?;
    let peers = peers.clone();
    request::serve(bus, PEERS, move |wanted| match wanted {
        Request::Register(id, part) => {
            let Way(way) = request::expect(PEERS, part)?;
            peers.register(id, way.clone())
        }
        Request::Delete(id) => {
            peers.unregister(id);
            Ok(())
        }
    })
}

fn host_id(id: &str) -> Result<HostId> {
    match id {
        "" => Err(Error::new(Kind::Invalid, "host id is empty")),
        id => Ok(HostId::intern(id)),
    }
}
