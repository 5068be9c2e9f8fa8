//! Where a worker sleeps: its own `mio::Poll`, which a timer or another thread ends.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

const WAKE: Token = Token(0);

/// The sleeping place of one worker.
pub struct Park {
    poll: Poll,
    events: Events,
}

impl Park {
    /// A park and the waker that ends its sleep from any thread.
    pub fn new() -> io::Result<(Park, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        Ok((Park { poll, events: Events::with_capacity(16) }, waker))
    }

    /// Sleeps until woken or until `timeout` has passed. A wake that came before is not lost: the
    /// sleep then ends at once.
    pub fn sleep(&mut self, timeout: Option<Duration>) {
        // A signal may end the sleep early (EINTR): the caller looks around and sleeps again.
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            debug_assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        }
    }
}
