//! Frames: what a process or a call hands on to everything it starts, without asking.
//!
//! Specification 01, section 11. A frame never changes: who wants another one for a child derives it.
//! Most processes have none, which is the same as an empty one and costs nothing.

use std::sync::Arc;

use crate::infra::transcoder::{Map, Value};
use crate::system::security::{Actor, Scope};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Custom values, plain data.
    pub values: Arc<Map>,
    /// Who acts.
    pub actor: Option<Actor>,
    /// What the actor may do.
    pub scope: Option<Scope>,
    /// Entry of the network for outbound connections.
    pub network: Option<Arc<str>>,
}

impl Frame {
    /// A copy of what may not be there, to be changed and shared again.
    pub fn of(frame: Option<&Arc<Frame>>) -> Frame {
        frame.map(|frame| Frame::clone(frame)).unwrap_or_default()
    }

    /// Puts `values` over those it has, key by key. A nil takes none away: it is a value.
    pub fn merge(&mut self, values: impl IntoIterator<Item = (String, Value)>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            Arc::make_mut(&mut self.values).extend(values);
        }
    }

    /// Does it carry an actor or a scope?
    pub fn is_secured(&self) -> bool {
        self.actor.is_some() || self.scope.is_some()
    }

    /// As processes hold it: an empty one is none.
    pub fn share(self) -> Option<Arc<Frame>> {
        let is_empty = self.values.is_empty() && !self.is_secured() && self.network.is_none();
        (!is_empty).then(|| Arc::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, n: i64) -> (String, Value) {
        (key.to_owned(), Value::Int(n))
    }

    #[test]
    fn what_is_derived_leaves_the_original_alone() {
        let mut frame = Frame::default();
        frame.merge([pair("a", 1), pair("b", 2)]);
        let shared = frame.share().expect("has values");
        let mut derived = Frame::of(Some(&shared));
        derived.merge([pair("b", 3), pair("c", 4)]);
        derived.actor = Some(Actor::new("user", Map::new()));
        let texts = |frame: &Frame| format!("{:?}", frame.values);
        assert_eq!(texts(&shared), r#"{"a": Int(1), "b": Int(2)}"#);
        assert_eq!(texts(&derived), r#"{"a": Int(1), "b": Int(3), "c": Int(4)}"#);
        assert!(derived.is_secured() && !shared.is_secured());
    }

    #[test]
    fn an_empty_frame_is_none() {
        assert_eq!(Frame::default().share(), None);
        assert_eq!(Frame::of(None), Frame::default());
        let network = Frame { network: Some("app:net".into()), ..Frame::default() };
        assert!(network.share().is_some());
    }
}
