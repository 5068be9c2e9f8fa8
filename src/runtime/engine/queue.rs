//! Queues that cost a word or two until they are used: there may be millions, and most stay empty.

use std::collections::VecDeque;

/// First in, first out. A null pointer until something is put in.
#[allow(clippy::box_collection)] // the point: a word instead of four
pub struct Queue<T>(Option<Box<VecDeque<T>>>);

/// An emptied queue with more room than this gives it back.
const ROOM_KEPT: usize = 64;

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue(None)
    }
}

impl<T> Queue<T> {
    pub fn push_back(&mut self, value: T) {
        self.0.get_or_insert_default().push_back(value);
    }

    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let queue = self.0.as_mut()?;
        let first = queue.pop_front();
        if queue.is_empty() && queue.capacity() > ROOM_KEPT {
            self.0 = None;
        }
        first
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flat_map(|queue| queue.iter_mut())
    }

    /// Keeps those that `wanted` accepts.
    pub fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain(wanted);
        }
    }

    /// Keeps the order of those whose key is the same.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        if let Some(queue) = &mut self.0 {
            queue.make_contiguous().sort_by_key(key);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|queue| queue.iter())
    }

    /// Removes the last value that `wanted` accepts.
    pub fn remove_last(&mut self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.0.as_mut()?;
        let at = queue.iter().rposition(wanted)?;
        queue.remove(at)
    }
}

impl<T> IntoIterator for Queue<T> {
    type Item = T;
    type IntoIter = std::collections::vec_deque::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|queue| *queue).unwrap_or_default().into_iter()
    }
}

impl<T> FromIterator<T> for Queue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Queue<T> {
        let values: VecDeque<T> = values.into_iter().collect();
        Queue((!values.is_empty()).then(|| Box::new(values)))
    }
}

/// Coroutines that wait, in order. One alone, by far the most common case, needs no allocation.
#[derive(Default)]
pub enum Waiters {
    #[default]
    None,
    One(u32),
    Many(Queue<u32>),
}

impl Waiters {
    pub fn push_back(&mut self, coroutine: u32) {
        *self = match std::mem::take(self) {
            Waiters::None => Waiters::One(coroutine),
            Waiters::One(first) => Waiters::Many([first, coroutine].into_iter().collect()),
            Waiters::Many(mut queue) => {
                queue.push_back(coroutine);
                Waiters::Many(queue)
            }
        };
    }

    #[inline]
    pub fn pop_front(&mut self) -> Option<u32> {
        match self {
            Waiters::None => None,
            Waiters::One(only) => {
                let only = *only;
                *self = Waiters::None;
                Some(only)
            }
            Waiters::Many(queue) => queue.pop_front(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Waiters::None => true,
            Waiters::One(_) => false,
            Waiters::Many(queue) => queue.is_empty(),
        }
    }

    /// Takes out a coroutine that no longer waits; the last one of it, as who waits last gives up first.
    pub fn withdraw(&mut self, coroutine: u32) {
        match self {
            Waiters::One(only) if *only == coroutine => *self = Waiters::None,
            Waiters::Many(queue) => {
                queue.remove_last(|&waiting| waiting == coroutine);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_one_is_small() {
        assert_eq!(std::mem::size_of::<Queue<[u64; 8]>>(), 8);
        assert_eq!(std::mem::size_of::<Waiters>(), 16);
    }

    #[test]
    fn room_is_given_back() {
        let mut queue: Queue<u32> = (0..1000).collect();
        while queue.pop_front().is_some() {}
        assert!(queue.0.is_none());
    }

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Push(u32),
        Pop,
        Withdraw(u32),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0..4u32).prop_map(Act::Push),
            Just(Act::Pop),
            (0..4u32).prop_map(Act::Withdraw),
        ];
        prop::collection::vec(act, 0..40)
    }

    proptest! {
        #[test]
        fn waiters_are_a_queue(acts in acts()) {
            let (mut waiters, mut model) = (Waiters::default(), VecDeque::new());
            for act in acts {
                match act {
                    Act::Push(n) => {
                        waiters.push_back(n);
                        model.push_back(n);
                    }
                    Act::Pop => prop_assert_eq!(waiters.pop_front(), model.pop_front()),
                    Act::Withdraw(n) => {
                        waiters.withdraw(n);
                        if let Some(at) = model.iter().rposition(|&m| m == n) {
                            model.remove(at);
                        }
                    }
                }
                prop_assert_eq!(waiters.is_empty(), model.is_empty());
            }
        }
    }
}
