//! Spawners: how children are to be started, put together step by step.
//!
//! A spawner never changes; each method makes a new one. Unlike the functions of the module, its
//! methods raise when something is denied or an argument is wrong; what a start fails with is
//! returned.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::infra::error::Error;
use crate::infra::transcoder::heap_of;
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::{Cx, Raise, Ret, error, host, register_type, tags, wire};
use crate::runtime::modules::process::denied;
use crate::runtime::modules::process::spawn::{self, Variant};
use crate::system::frame::Frame;
use crate::system::spawn::Named;

/// `process.Spawner`.
#[derive(Clone)]
struct Spawner {
    frame: Frame,
    /// It has chosen the network itself: whether there is one is asked at each start.
    is_network_own: bool,
    name: Option<Arc<str>>,
    /// Encoded: topic, values.
    messages: Vec<Wire>,
}

impl Tagged for Spawner {
    const TAG: c_int = tags::SPAWNER;
    const NAME: &'static CStr = c"process.Spawner";

    fn heap(&self) -> usize {
        let messages = self.messages.iter().map(Wire::len).sum::<usize>();
        heap_of(&self.frame.values) + self.messages.capacity() * size_of::<Wire>() + messages
    }
}

pub(super) fn register_types(l: State) {
    register_type::<Spawner>(
        l,
        &[
            (c"with_context", host(add_context)),
            (c"with_options", host(add_options)),
            (c"with_actor", host(with_actor)),
            (c"with_scope", host(with_scope)),
            (c"with_name", host(with_name)),
            (c"with_message", host(with_message)),
            (c"spawn", host(|cx| spawn_as(cx, Variant::PLAIN))),
            (c"spawn_monitored", host(|cx| spawn_as(cx, Variant::MONITORED))),
            (c"spawn_linked", host(|cx| spawn_as(cx, Variant::LINKED))),
            (c"spawn_linked_monitored", host(|cx| spawn_as(cx, Variant::LINKED_MONITORED))),
            (c"exec", host(exec)),
        ],
        &[(c"__tostring", host(text))],
    );
}

/// Raises an error object.
fn raise(cx: &Cx, problem: Error) -> Raise {
    error::push(cx.l, problem);
    Raise::Top
}

/// Raises unless policies allow it.
fn demand(cx: &mut Cx, action: &str, resource: &str, verb: &str) -> Result<(), Raise> {
    match cx.allows_as_process(action, resource) {
        true => Ok(()),
        false => Err(raise(cx, denied(verb, resource))),
    }
}

fn demand_context(cx: &mut Cx) -> Result<(), Raise> {
    demand(cx, "process.context", "context", "change")
}

fn demand_security(cx: &mut Cx) -> Result<(), Raise> {
    demand(cx, "process.security", "security", "change")
}

/// The spawner a method is called on.
fn this(cx: &Cx) -> Result<Spawner, Raise> {
    let found = cx.l.with::<Spawner, _>(1, |this| this.clone());
    found.ok_or_else(|| cx.wrong_type(1, "process.Spawner"))
}

/// A spawner that starts children as `process.spawn` would.
fn own(cx: &mut Cx) -> Spawner {
    let frame = Frame::of(cx.frame().as_ref());
    Spawner { frame, is_network_own: false, name: None, messages: Vec::new() }
}

fn give(cx: &Cx, spawner: Spawner) -> Ret {
    cx.l.push_userdata(spawner);
    cx.values(1)
}

// -- functions of the module ---------------------------------------------------------------------

pub(super) fn with_context(cx: &mut Cx) -> Ret {
    demand_context(cx)?;
    cx.table(1)?;
    let l = cx.l;
    let mut cursor = 0;
    while let Some(next) = l.next_pair(1, cursor) {
        cursor = next;
        if l.type_of(-2) != Type::String {
            return Err(cx.bad_argument(1, "keys must be strings"));
        }
        l.pop(2);
    }
    let mut spawner = own(cx);
    spawner.frame.merge(cx.context_values(1)?);
    give(cx, spawner)
}

pub(super) fn with_options(cx: &mut Cx) -> Ret {
    demand_context(cx)?;
    let spawner = own(cx);
    with_options_at(cx, spawner, 1)
}

// -- methods -------------------------------------------------------------------------------------

fn add_context(cx: &mut Cx) -> Ret {
    let mut spawner = this(cx)?;
    demand_context(cx)?;
    if spawner.frame.is_secured() {
        demand_security(cx)?;
    }
    spawner.frame.merge(cx.context_values(2)?);
    give(cx, spawner)
}

fn add_options(cx: &mut Cx) -> Ret {
    let spawner = this(cx)?;
    demand_context(cx)?;
    with_options_at(cx, spawner, 2)
}

/// Of the options, `network` means something; our hosts know no others.
fn with_options_at(cx: &mut Cx, mut spawner: Spawner, n: c_int) -> Ret {
    cx.table(n)?;
    let l = cx.l;
    match l.get_field(n, "network") {
        Type::Nil => {}
        Type::String => {
            let network = cx.string(l.top())?;
            demand(cx, "network.select", &network, "select network")?;
            spawner.frame.network = Some(network.into());
            spawner.is_network_own = true;
        }
        _ => return Err(cx.bad_argument(n, "network must be a string")),
    }
    l.pop(1);
    give(cx, spawner)
}

fn with_actor(cx: &mut Cx) -> Ret {
    let mut spawner = this(cx)?;
    demand_security(cx)?;
    spawner.frame.actor = Some(cx.actor(2)?);
    give(cx, spawner)
}

fn with_scope(cx: &mut Cx) -> Ret {
    let mut spawner = this(cx)?;
    demand_security(cx)?;
    spawner.frame.scope = Some(cx.scope(2)?);
    give(cx, spawner)
}

fn with_name(cx: &mut Cx) -> Ret {
    let mut spawner = this(cx)?;
    let name = cx.string(2)?;
    if name.is_empty() {
        return Err(cx.bad_argument(2, "name cannot be empty"));
    }
    spawner.name = Some(name.into());
    give(cx, spawner)
}

fn with_message(cx: &mut Cx) -> Ret {
    let mut spawner = this(cx)?;
    let topic = cx.text(2)?;
    if topic.first() == Some(&b'@') {
        return Err(cx.bad_argument(2, "cannot send to @ topics"));
    }
    let mut message = Wire::new();
    message.str(topic);
    wire::encode_arguments(cx.l, 3, cx.l.top(), &mut message)?;
    spawner.messages.push(message);
    give(cx, spawner)
}

fn spawn_as(cx: &mut Cx, variant: Variant) -> Ret {
    let spawner = this(cx)?;
    if let Some(problem) = variant.problem(cx, 2) {
        return Err(raise(cx, problem));
    }
    if let Some(denied) = spawn::refusal(cx, variant, 2)? {
        return Err(raise(cx, denied));
    }
    if let Some(problem) = network_problem(cx, &spawner) {
        return cx.fail(problem);
    }
    let named = spawner.named(true);
    spawn::start(cx, variant, 2, spawner.frame.share(), named)
}

fn exec(cx: &mut Cx) -> Ret {
    let spawner = this(cx)?;
    if let Some(problem) = spawn::exec_problem(cx, 2)? {
        return Err(raise(cx, problem));
    }
    if let Some(denied) = spawn::refusal(cx, Variant::EXEC, 2)? {
        return Err(raise(cx, denied));
    }
    if let Some(problem) = network_problem(cx, &spawner) {
        return cx.fail(problem);
    }
    let named = spawner.named(false);
    spawn::run(cx, 2, spawner.frame.share(), named)
}

impl Spawner {
    /// Name and messages, if it has any. `or_signal`: where the name is taken, its holder gets the
    /// messages; else the start fails.
    fn named(&self, or_signal: bool) -> Option<Box<Named>> {
        let has_any = self.name.is_some() || !self.messages.is_empty();
        has_any.then(|| {
            let (name, messages) = (self.name.clone(), self.messages.clone());
            Box::new(Named { name, messages, or_signal })
        })
    }
}

/// What is wrong with the network the spawner has chosen.
fn network_problem(cx: &mut Cx, spawner: &Spawner) -> Option<Error> {
    let network = spawner.frame.network.as_ref().filter(|_| spawner.is_network_own)?;
    cx.network_problem(network)
}

fn text(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.str("process.Spawner{}")
}
