//! Field names that cross between Lua states often, numbered once for the whole program.
//!
//! Messages of one kind have the same few keys. With a number in place of its text, a key costs the
//! sender no copy and the receiver no hashing: each VM has the strings of the numbers at hand. Bounded,
//! because programs may make up keys without end: later ones travel as text.

use std::sync::OnceLock;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// Keys that get a number.
const KEYS_MAX: usize = 4096;
/// Longer texts are not keys of messages but data.
const TEXT_MAX: usize = 40;

/// Number of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(u16);

/// Texts by number; reading one takes no lock.
static TEXTS: [OnceLock<&'static [u8]>; KEYS_MAX] = [const { OnceLock::new() }; KEYS_MAX];
static NUMBERS: RwLock<Option<FxHashMap<&'static [u8], u16>>> = RwLock::new(None);

impl KeyId {
    /// The number of a key, given at the first call; `None` if it is too long or all are taken.
    pub fn of(text: &[u8]) -> Option<KeyId> {
        if text.len() > TEXT_MAX {
            return None;
        }
        if let Some(numbers) = &*NUMBERS.read() {
            if let Some(&known) = numbers.get(text) {
                return Some(KeyId(known));
            }
            if numbers.len() >= KEYS_MAX {
                return None;
            }
        }
        let mut guard = NUMBERS.write();
        let numbers = guard.get_or_insert_default();
        if let Some(&known) = numbers.get(text) {
            return Some(KeyId(known));
        }
        let number = numbers.len();
        if number >= KEYS_MAX {
            return None;
        }
        // Kept for the life of the program: there are at most so many.
        let text: &'static [u8] = Box::leak(text.to_owned().into_boxed_slice());
        // Nobody has set it: numbers are given once, under the lock.
        let _ = TEXTS[number].set(text);
        numbers.insert(text, number as u16);
        Some(KeyId(number as u16))
    }

    /// The key with this number; `None` if none was given out.
    pub fn from_number(number: u64) -> Option<KeyId> {
        let text = TEXTS.get(usize::try_from(number).ok()?)?;
        text.get().map(|_| KeyId(number as u16))
    }

    pub fn number(self) -> u16 {
        self.0
    }

    pub fn text(self) -> &'static [u8] {
        TEXTS[self.0 as usize].get().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number() {
        let known = KeyId::of(b"test.key").expect("room");
        assert_eq!(KeyId::of(b"test.key"), Some(known));
        assert_ne!(KeyId::of(b"test.other"), Some(known));
        assert_eq!(known.text(), b"test.key");
        assert_eq!(KeyId::from_number(known.number().into()), Some(known));
        assert_eq!(KeyId::from_number(KEYS_MAX as u64), None);
        assert_eq!(KeyId::of(&[b'x'; TEXT_MAX + 1]), None);
    }
}
