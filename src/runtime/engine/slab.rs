//! A slab with 32-bit places, and links between them.

use std::ops::{Index, IndexMut};

/// "None" in the links between slab places.
pub const NONE: u32 = u32::MAX;

/// A slab with 32-bit places.
pub struct Slab32<T>(slab::Slab<T>);

impl<T> Default for Slab32<T> {
    fn default() -> Slab32<T> {
        Slab32(slab::Slab::new())
    }
}

impl<T> Slab32<T> {
    pub fn insert(&mut self, value: T) -> u32 {
        u32::try_from(self.0.insert(value)).expect("fewer than 2^32 objects in a VM")
    }

    pub fn remove(&mut self, at: u32) -> T {
        self.0.remove(at as usize)
    }

    pub fn get(&self, at: u32) -> Option<&T> {
        self.0.get(at as usize)
    }

    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.0.get_mut(at as usize)
    }

    pub fn contains(&self, at: u32) -> bool {
        self.0.contains(at as usize)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Gives back room behind the last place that is taken.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Index<u32> for Slab32<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        &self.0[at as usize]
    }
}

impl<T> IndexMut<u32> for Slab32<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.0[at as usize]
    }
}
