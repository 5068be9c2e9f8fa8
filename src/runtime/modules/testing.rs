//! For the tests of modules: runs Lua programs on a node of their own.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::app::node::{Node, Options};
use crate::core::relay::{Exit, Outcome};
use crate::infra::logger::Logger;
use crate::infra::transcoder::wire::Wire;
use crate::system::frame::Frame;
use crate::system::host::HostKind;
use crate::system::kernel::RootSpawn;
use crate::system::spawn::TerminalPort;

/// Nothing here takes long; a test that waits for this has failed.
pub(crate) const SAFETY_NET: Duration = Duration::from_secs(60);

/// What a program gets beyond a plain process.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) logger: Option<Logger>,
    pub(crate) terminal: Option<Arc<dyn TerminalPort>>,
    pub(crate) frame: Option<Arc<Frame>>,
}

/// Runs `body` as the main function of entry `app:test`; its outcome.
pub(crate) fn run_lua(setting: Setting, body: &str) -> Outcome {
    let mut options = Options::default();
    options.scheduler.workers = 1;
    options.scheduler.pin = false;
    if let Some(logger) = setting.logger {
        options.logger = logger;
    }
    let node = Node::start(options).unwrap();
    node.add_host("app:host", HostKind::Processes, false).unwrap();
    node.define("app:test", &format!("return {{main = function(...) {body}\nend}}")).unwrap();
    let (sender, ended) = mpsc::channel();
    let spawn = RootSpawn {
        source: "app:test".into(),
        host: "app:host".into(),
        args: Wire::new(),
        frame: setting.frame,
        terminal: setting.terminal,
        on_end: Some(Box::new(move |exit: &Exit| sender.send(exit.outcome.clone()).unwrap())),
    };
    node.kernel.spawn(spawn, Box::new(|started| assert!(started.is_ok(), "{started:?}")));
    ended.recv_timeout(SAFETY_NET).expect("the program has not ended")
}

/// Runs `body`, which fails by raising.
#[track_caller]
pub(crate) fn check_lua_in(setting: Setting, body: &str) {
    if let Some(error) = run_lua(setting, body).error() {
        panic!("{error}");
    }
}

#[track_caller]
pub(crate) fn check_lua(body: &str) {
    check_lua_in(Setting::default(), body);
}
