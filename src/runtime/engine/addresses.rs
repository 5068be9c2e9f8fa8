//! Texts of PIDs that programs of a VM have sent to lately, already resolved.
//!
//! A PID is text in Lua, and a program sends to the same few again and again. A direct-mapped cache
//! by the string's address spares taking the text apart and looking its host up. Nothing keeps the
//! string alive, so its address may belong to another one by now: the text is compared as well.
//!
//! Only what can never mean anything else is kept: a PID's text, not a registered name.

use crate::core::pid::Pid;

/// Places; a power of two.
const PLACES: usize = 256;
/// Longer texts are not kept.
const TEXT_MAX: usize = 46;

struct Known {
    address: usize,
    pid: Pid,
    len: u8,
    text: [u8; TEXT_MAX],
}

/// Direct-mapped, empty at first: a VM whose processes never send has none.
#[derive(Default)]
pub struct Addresses(Option<Box<[Option<Known>; PLACES]>>);

/// Strings are at least 16 bytes apart, the bits above vary most.
fn place(address: usize) -> usize {
    (address >> 4 ^ address >> 12) & (PLACES - 1)
}

impl Addresses {
    /// The PID that the string at `address` with this text is known to mean.
    #[inline]
    pub fn get(&self, address: usize, text: &[u8]) -> Option<Pid> {
        let known = self.0.as_ref()?[place(address)].as_ref()?;
        let same = known.address == address && known.text.get(..known.len as usize) == Some(text);
        same.then_some(known.pid)
    }

    pub fn insert(&mut self, address: usize, text: &[u8], pid: Pid) {
        if text.len() > TEXT_MAX {
            return;
        }
        let mut known = Known { address, pid, len: text.len() as u8, text: [0; TEXT_MAX] };
        known.text[..text.len()].copy_from_slice(text);
        let places = self.0.get_or_insert_with(|| Box::new([const { None }; PLACES]));
        places[place(address)] = Some(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pid::{HostId, NodeId};

    #[test]
    fn a_text_is_found_at_its_address_only_and_only_itself() {
        let host = HostId::intern("test:addresses");
        let pid = |n| Pid::new(NodeId::LOCAL, host, n);
        let mut addresses = Addresses::default();
        assert_eq!(addresses.get(0x1000, b"{a|0x1}"), None);
        addresses.insert(0x1000, b"{a|0x1}", pid(1));
        assert_eq!(addresses.get(0x1000, b"{a|0x1}"), Some(pid(1)));
        // The string has died, another one lies there.
        assert_eq!(addresses.get(0x1000, b"{a|0x2}"), None);
        assert_eq!(addresses.get(0x1000, b"{a|0x11}"), None);
        // Another string at the same place of the cache.
        let twin = 0x1000 ^ (PLACES << 12);
        assert_eq!(place(twin), place(0x1000));
        assert_eq!(addresses.get(twin, b"{a|0x1}"), None);
        addresses.insert(twin, b"{a|0x3}", pid(3));
        assert_eq!(addresses.get(0x1000, b"{a|0x1}"), None);
        assert_eq!(addresses.get(twin, b"{a|0x3}"), Some(pid(3)));
        addresses.insert(0x2000, &[b'x'; TEXT_MAX + 1], pid(4));
        assert_eq!(addresses.get(0x2000, &[b'x'; TEXT_MAX + 1]), None);
    }
}
