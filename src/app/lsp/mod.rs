//! The language server: JSON-RPC over a pair of streams. Specification 08, section 12.
//!
//! ```text
//!   stdin --framing--> reader thread --queue--> server --framing--> stdout
//!                                                 |
//!                       project (entries)   documents (open texts)   lang::lookup
//! ```
//!
//! Rules:
//! 1. What is open in the editor counts, and not what is on disk.
//! 2. A file of an entry has the modules and imports of that entry; any other file has all modules.
//! 3. Diagnostics are those of `wippy lint`. They are published once nothing more waits to be read, so
//!    that fast typing is checked once and not letter by letter.
//! 4. Whatever comes in, there is an answer and no panic: lengths, depths and sizes are bounded, and what
//!    makes no sense is refused with the code that the protocol has for it.
//!
//! # Why our own
//!
//! `lsp-server` (0.10) takes as much memory as the length in a header says and ends the connection at
//! the first text that is no JSON; `lsp-types` (0.97, of 2024) brings hundreds of types for
//! the dozen messages here. What is needed is a page of framing; the trees are those of
//! `infra::transcoder`.

pub mod answers;
pub mod documents;
pub mod framing;
pub mod project;
pub mod server;
pub mod text;
pub mod uri;

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::app::lsp::framing::{Frame, Frames};
use crate::app::lsp::project::Project;
use crate::app::lsp::server::Server;
use crate::infra::transcoder::json;

/// Messages that wait to be handled; who sends more has to wait.
const QUEUE: usize = 16;

/// Finds the project; told the folder that the client works in. Asked again when its files change.
pub type Loader<'a> = dyn FnMut(Option<&Path>) -> Project + 'a;

/// Serves one client until it says `exit` or closes its stream. `true`: it said `shutdown` before.
///
/// # Errors
/// The answers cannot be written.
pub fn serve(
    input: impl BufRead + Send + 'static,
    output: &mut dyn Write,
    load: &mut Loader<'_>,
    with_rules: bool,
) -> io::Result<bool> {
    let (sender, frames) = bounded(QUEUE);
    // Ends with the stream, or at the first frame that nobody takes; a blocked read ends with us.
    thread::spawn(move || {
        let mut input = Frames::new(input);
        while let Ok(frame) = input.next() {
            let is_last = matches!(frame, Frame::End);
            if sender.send(frame).is_err() || is_last {
                return;
            }
        }
    });
    let mut server = Server::new(load, with_rules);
    while let Some(frame) = next(&frames, &mut server, output)? {
        match frame {
            Frame::Body(body) => server.receive(&body),
            Frame::Refused(reason) => server.refuse(&reason),
            Frame::End => break,
        }
        if server.has_exited() {
            break;
        }
        write_all(&mut server, output)?;
    }
    write_all(&mut server, output)?;
    Ok(server.was_shut_down())
}

/// The next frame; before it waits for one, the server does what it has put off.
fn next(
    frames: &Receiver<Frame>,
    server: &mut Server<'_, '_>,
    output: &mut dyn Write,
) -> io::Result<Option<Frame>> {
    match frames.try_recv() {
        Ok(frame) => return Ok(Some(frame)),
        Err(TryRecvError::Disconnected) => return Ok(None),
        Err(TryRecvError::Empty) => {}
    }
    server.rest();
    write_all(server, output)?;
    Ok(frames.recv().ok())
}

fn write_all(server: &mut Server<'_, '_>, output: &mut dyn Write) -> io::Result<()> {
    for message in server.take_messages() {
        framing::write(output, &json::encode(&message))?;
    }
    Ok(())
}
