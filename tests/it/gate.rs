//! A worker that is held while it starts `app:gate`.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use wippy::app::node::Node;
use wippy::core::relay::Exit;
use wippy::infra::error::Error;
use wippy::system::lifecycle::{Handler, Started};

/// Nobody waits that long for an event.
const LONG: Duration = Duration::from_secs(60);

struct Gate {
    entered: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Handler for Gate {
    fn on_start(&self, process: &Started<'_>) -> Result<(), Error> {
        if process.source.name() == "gate" {
            self.entered.send(()).expect("the test listens");
            let _ = self.go_on.lock().expect("one worker").recv_timeout(LONG);
        }
        Ok(())
    }

    fn on_complete(&self, _: &Started<'_>, _: &Exit) {}
}

/// Whoever starts `app:gate` says so, and goes on when told.
pub fn build(node: &Node) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, is_entered) = mpsc::channel();
    let (open, go_on) = mpsc::channel();
    node.kernel.lifecycle.register("gate", Arc::new(Gate { entered, go_on: Mutex::new(go_on) }));
    (is_entered, open)
}
