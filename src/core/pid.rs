//! Process identifiers: `{host|0x00004}`, or `{node@host|0x00004}` once the node has a name.
//!
//! A [`Pid`] is small and `Copy`: host and node are interned. Names come from entries and from the
//! configuration, never from text that a program hands us, so the interner stays bounded: parsing
//! only *finds* hosts ([`HostId::find`]), registering a host makes them ([`HostId::intern`]).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::infra::error::{Error, Result};

/// An interned name of a host or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(u32);

/// Node names share the interner of hosts; `NodeId::LOCAL` prints nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// Texts by number, in chunks that double and never move: reading one takes no lock.
static TEXTS: [OnceLock<Box<[OnceLock<&'static str>]>>; CHUNKS] =
    [const { OnceLock::new() }; CHUNKS];
/// Numbers by text. Looked up when a text is parsed, written when a host is registered.
static NUMBERS: RwLock<Option<FxHashMap<&'static str, u32>>> = RwLock::new(None);

const CHUNKS: usize = 24;
const FIRST_CHUNK: u32 = 64;

/// The chunk of a number, its length, and the place in it.
fn place(id: u32) -> (usize, usize, usize) {
    let chunk = ((id / FIRST_CHUNK) + 1).ilog2();
    let begins = FIRST_CHUNK * ((1 << chunk) - 1);
    (chunk as usize, (FIRST_CHUNK << chunk) as usize, (id - begins) as usize)
}

fn intern(text: &str) -> u32 {
    if let Some(id) = find(text.as_bytes()) {
        return id;
    }
    let mut guard = NUMBERS.write();
    let numbers = guard.get_or_insert_default();
    if let Some(&id) = numbers.get(text) {
        return id;
    }
    // Number 0 is the empty name: no host, and the local node.
    let id = u32::try_from(numbers.len() + 1).expect("fewer than 2^29 hosts and nodes");
    // Kept for the life of the program: hosts are entries, there are few.
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    let (chunk, len, at) = place(id);
    let chunk = TEXTS[chunk].get_or_init(|| (0..len).map(|_| OnceLock::new()).collect());
    // Nobody has set it: numbers are given once, under the lock.
    let _ = chunk[at].set(text);
    numbers.insert(text, id);
    id
}

fn find(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(text).ok()?;
    NUMBERS.read().as_ref()?.get(text).copied()
}

fn name(id: u32) -> &'static str {
    let (chunk, _, at) = place(id);
    let text = TEXTS[chunk].get().and_then(|chunk| chunk[at].get());
    text.copied().unwrap_or_default()
}

impl HostId {
    /// No host: senders that are not processes.
    pub const NONE: HostId = HostId(0);

    /// The id of a host that is being registered.
    pub fn intern(text: &str) -> HostId {
        HostId(intern(text))
    }

    /// The id of a host somebody registered before.
    pub fn find(text: &str) -> Option<HostId> {
        find(text.as_bytes()).map(HostId)
    }

    pub fn as_str(self) -> &'static str {
        name(self.0)
    }
}

impl NodeId {
    /// This node while it has no name of its own.
    pub const LOCAL: NodeId = NodeId(0);

    pub fn intern(text: &str) -> NodeId {
        NodeId(intern(text))
    }

    pub fn find(text: &str) -> Option<NodeId> {
        find(text.as_bytes()).map(NodeId)
    }

    pub fn as_str(self) -> &'static str {
        name(self.0)
    }
}

/// The address of a process, a function call, an endpoint, or a part of the runtime that sends messages.
///
/// Small and `Copy`. Never given twice in one run of a runtime; another runtime in the same program has
/// its own, so keep them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    uniq: u64,
    host: HostId,
    node: NodeId,
}

impl Pid {
    /// `{|}`: no sender.
    pub const NONE: Pid = Pid { uniq: 0, host: HostId::NONE, node: NodeId::LOCAL };

    #[doc(hidden)]
    pub fn new(node: NodeId, host: HostId, uniq: u64) -> Pid {
        Pid { uniq, host, node }
    }

    #[doc(hidden)]
    pub fn uniq(self) -> u64 {
        self.uniq
    }

    #[doc(hidden)]
    pub fn host(self) -> HostId {
        self.host
    }

    #[doc(hidden)]
    pub fn node(self) -> NodeId {
        self.node
    }

    /// Is it no address, but what stands for "nobody"?
    pub fn is_none(self) -> bool {
        self == Pid::NONE
    }

    /// The text form, without a trip to the heap.
    #[doc(hidden)]
    pub fn text(self) -> PidText {
        PidText::new(self)
    }
}

/// A PID as text in a fixed buffer (longer names spill to the heap).
pub struct PidText {
    buffer: [u8; PidText::SHORT],
    len: usize,
    /// Set if the buffer is too short.
    long: Option<Vec<u8>>,
}

impl PidText {
    const SHORT: usize = 64;
    /// `{`, `@`, `|0x`, sixteen digits, `}`.
    const AROUND: usize = 22;

    fn new(pid: Pid) -> PidText {
        let (node, host) = (pid.node.as_str(), pid.host.as_str());
        let mut text = PidText { buffer: [0; PidText::SHORT], len: 0, long: None };
        if node.len() + host.len() + PidText::AROUND > PidText::SHORT {
            text.long = Some(Vec::with_capacity(node.len() + host.len() + PidText::AROUND));
        }
        text.push(b"{");
        if pid.node != NodeId::LOCAL {
            text.push(node.as_bytes());
            text.push(b"@");
        }
        text.push(host.as_bytes());
        text.push(b"|");
        if pid.uniq != 0 {
            let digits = ((67 - pid.uniq.leading_zeros() as usize) / 4).max(5);
            let mut hex = *b"0x00000000000000000";
            for (i, digit) in hex[2..2 + digits].iter_mut().rev().enumerate() {
                let shift = 4 * i as u32;
                let nibble = pid.uniq.checked_shr(shift).unwrap_or_default() & 0xf;
                *digit = b"0123456789abcdef"[nibble as usize];
            }
            text.push(&hex[..2 + digits]);
        }
        text.push(b"}");
        text
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        match &mut self.long {
            None => {
                self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
                self.len += bytes.len();
            }
            Some(long) => long.extend_from_slice(bytes),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match &self.long {
            None => &self.buffer[..self.len],
            Some(long) => long,
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("names are text and digits are ASCII")
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidSyntax {
    MissingBraces,
    MissingPipe,
}

impl From<PidSyntax> for Error {
    fn from(problem: PidSyntax) -> Error {
        Error::invalid(match problem {
            PidSyntax::MissingBraces => "invalid pid format: missing braces",
            PidSyntax::MissingPipe => "invalid pid format: missing pipe",
        })
    }
}

/// The parts of a text with the shape of a PID; whether anybody has it is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidParts<'a> {
    pub node: &'a str,
    pub host: &'a str,
    pub uniq: &'a str,
}

impl<'a> PidParts<'a> {
    /// Splits `{host|uniq}`, `{node@host|uniq}`, `{host|x|uniq}` (only what follows the second
    /// bar is the uniq).
    pub fn parse(text: &'a str) -> Result<PidParts<'a>, PidSyntax> {
        let inner = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or(PidSyntax::MissingBraces)?;
        let (left, right) = inner.split_once('|').ok_or(PidSyntax::MissingPipe)?;
        let (node, host) = left.split_once('@').unwrap_or(("", left));
        let uniq = right.split_once('|').map_or(right, |(_, uniq)| uniq);
        Ok(PidParts { node, host, uniq })
    }

    /// The number behind `0x`; `None` for a text that no generator made.
    pub fn number(&self) -> Option<u64> {
        u64::from_str_radix(self.uniq.strip_prefix("0x")?, 16).ok()
    }
}

/// Hands out PIDs from any thread: one counter for all hosts, from 1, never reused in one run.
#[derive(Clone)]
pub struct PidGen {
    node: NodeId,
    next: Arc<AtomicU64>,
}

impl PidGen {
    /// `node_name` is `local` or empty for a node without a name.
    pub fn new(node_name: &str) -> PidGen {
        let node = match node_name {
            "" | "local" => NodeId::LOCAL,
            name => NodeId::intern(name),
        };
        PidGen { node, next: Arc::new(AtomicU64::new(1)) }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The next PID, for whoever makes few.
    pub fn next(&self, host: HostId) -> Pid {
        // Relaxed: the numbers must differ, nothing else hangs on their order.
        Pid { uniq: self.next.fetch_add(1, Ordering::Relaxed), host, node: self.node }
    }

    /// The next PID out of the caller's own block, which is filled up when it is empty.
    #[inline]
    pub fn next_of(&self, block: &mut PidBlock, host: HostId) -> Pid {
        if block.next == block.end {
            let given = self.next.load(Ordering::Relaxed);
            let size = (given / PidBlock::ONE_BY_ONE).clamp(1, PidBlock::MAX);
            block.next = self.next.fetch_add(size, Ordering::Relaxed);
            block.end = block.next + size;
        }
        let uniq = block.next;
        block.next += 1;
        Pid { uniq, host, node: self.node }
    }
}

/// Numbers of PIDs set aside for one VM: the counter is shared by all workers, and one that each
/// spawn had to write would be the busiest word of the machine.
///
/// The first thousands are handed out one by one, so that small programs see dense numbers.
#[derive(Debug, Default)]
pub struct PidBlock {
    next: u64,
    end: u64,
}

impl PidBlock {
    /// Numbers in a block at most.
    pub const MAX: u64 = 64;
    const ONE_BY_ONE: u64 = 4096;
}

/// The sender `{|topology}`: events the runtime sends in its own name.
pub fn topology_pid() -> Pid {
    static HOST: OnceLock<HostId> = OnceLock::new();
    Pid::new(NodeId::LOCAL, *HOST.get_or_init(|| HostId::intern("topology")), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_tutorial_shows() {
        let host = HostId::intern("app:processes");
        let print = |n| Pid::new(NodeId::LOCAL, host, n).to_string();
        assert_eq!(print(4), "{app:processes|0x00004}");
        assert_eq!(print(0xfffff), "{app:processes|0xfffff}");
        assert_eq!(print(0x100000), "{app:processes|0x100000}");
        assert_eq!(print(u64::MAX), "{app:processes|0xffffffffffffffff}");
        assert_eq!(Pid::NONE.to_string(), "{|}");
        let remote = Pid::new(NodeId::intern("n1"), host, 1);
        assert_eq!(remote.to_string(), "{n1@app:processes|0x00001}");
    }

    #[track_caller]
    fn check(text: &str, node: &str, host: &str, uniq: &str) {
        assert_eq!(PidParts::parse(text), Ok(PidParts { node, host, uniq }));
    }

    #[test]
    fn parses_the_forms_of_the_specification() {
        check("{app:p|0x00001}", "", "app:p", "0x00001");
        check("{n@app:p|0x1}", "n", "app:p", "0x1");
        check("{n@a@b|x|0x2}", "n", "a@b", "0x2");
        check("{|}", "", "", "");
        assert_eq!(PidParts::parse("relay"), Err(PidSyntax::MissingBraces));
        assert_eq!(PidParts::parse("{relay}"), Err(PidSyntax::MissingPipe));
        assert_eq!(PidParts::parse("{"), Err(PidSyntax::MissingBraces));
    }

    #[test]
    fn numbers_are_given_once_from_any_thread() {
        let pids = PidGen::new("");
        let host = HostId::intern("app:processes");
        let take = |n| {
            let mut block = PidBlock::default();
            // By themselves and out of a block, as services and VMs take them.
            let pair = |_| [pids.next(host), pids.next_of(&mut block, host)];
            (0..n).flat_map(pair).map(Pid::uniq).collect::<Vec<_>>()
        };
        let mut taken = take(5);
        assert_eq!(taken, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "dense, from 1");
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| take(5_000))).collect();
            threads.into_iter().for_each(|thread| taken.extend(thread.join().unwrap()));
        });
        let distinct: std::collections::HashSet<&u64> = taken.iter().collect();
        assert_eq!(distinct.len(), taken.len());
    }

    #[test]
    fn a_named_node_is_in_its_pids() {
        let host = HostId::intern("app:processes");
        assert_eq!(PidGen::new("local").next(host).to_string(), "{app:processes|0x00001}");
        assert_eq!(PidGen::new("n1").next(host).to_string(), "{n1@app:processes|0x00001}");
    }

    #[test]
    fn parsing_registers_nothing() {
        assert_eq!(HostId::find("nobody:ever"), None);
    }
}
