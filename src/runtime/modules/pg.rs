//! `pg`: process groups. Specification 01, section 13.
//!
//! An instance is a view of a scope for the running process; it holds nothing. Memberships belong to
//! the process and go with it, whatever becomes of the instance.

use std::ffi::{CStr, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::core::registry::EntryId;
use crate::core::relay::mailbox::Resume;
use crate::core::relay::{Body, Package, Posted};
use crate::core::vm::Answer;
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::channel::ChannelRef;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, tags, wire};
use crate::runtime::modules::process::push_failure;
use crate::system::groups::{GroupScope, Members, Membership};

/// `pg.Instance`; without a scope once it is released.
struct Instance(Option<Arc<GroupScope>>);

impl Tagged for Instance {
    const TAG: c_int = tags::GROUPS;
    const NAME: &'static CStr = c"pg.Instance";
}

/// `pg.Subscription`.
struct SubscriptionObject {
    channel: ChannelRef,
}

impl Tagged for SubscriptionObject {
    const TAG: c_int = tags::GROUPS_SUBSCRIPTION;
    const NAME: &'static CStr = c"pg.Subscription";
}

pub fn register_types(l: State) {
    register_type::<Instance>(
        l,
        &[
            (c"join", host(join)),
            (c"leave", host(leave)),
            (c"get_members", host(|cx| members(cx, "pg.get_members"))),
            (c"get_local_members", host(|cx| members(cx, "pg.get_local_members"))),
            (c"which_groups", host(|cx| groups(cx, "pg.which_groups"))),
            (c"which_local_groups", host(|cx| groups(cx, "pg.which_local_groups"))),
            (c"broadcast", host(|cx| broadcast(cx, "pg.broadcast"))),
            (c"broadcast_local", host(|cx| broadcast(cx, "pg.broadcast_local"))),
            (c"monitor", host(monitor)),
            (c"events", host(events)),
            (c"release", host(release)),
        ],
        &[(c"__tostring", host(instance_text))],
    );
    register_type::<SubscriptionObject>(
        l,
        &[(c"channel", host(channel)), (c"close", host(close))],
        &[(c"__tostring", host(subscription_text))],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"open", host(open_scope))]);
    l.set_read_only(-1, true);
}

fn open_scope(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if id.is_empty() {
        return cx.fail(Error::invalid("scope id cannot be empty"));
    }
    if !cx.allows("pg.open", &id) {
        return cx.fail(denied("pg.open", &id));
    }
    let kernel = &cx.vm().kernel;
    if let Some(scope) = kernel.groups.get(&id) {
        cx.l.push_userdata(Instance(Some(scope)));
        return cx.values(1);
    }
    let registry = kernel.registry.upgrade();
    let entry = registry.and_then(|registry| registry.get(&EntryId::parse(&id)).ok());
    cx.fail(match entry {
        Some(entry) => Error::invalid(format!("{id} is a {}, not a pg.scope", entry.kind)),
        None => Error::internal(format!("failed to acquire pg scope: {id} not found")),
    })
}

fn denied(action: &str, what: &str) -> Error {
    Error::new(Kind::PermissionDenied, format!("not allowed: {action} on {what}"))
        .with_retryable(Some(false))
}

/// The scope of the instance a method is called on; `Ok(None)` once it is released.
fn this(cx: &Cx) -> Result<Option<Arc<GroupScope>>, Raise> {
    let found = cx.l.with::<Instance, _>(1, |this| this.0.clone());
    found.ok_or_else(|| cx.wrong_type(1, "pg.Instance"))
}

/// The scope a method is called on, or the failure that the caller passes on.
macro_rules! scope {
    ($cx:expr) => {
        match this($cx)? {
            Some(scope) => scope,
            None => return $cx.fail(Error::invalid("pg instance is released")),
        }
    };
}

/// Argument 2 as the name of a group that `action` is allowed on.
fn group(cx: &mut Cx, action: &str) -> Result<Result<String, Error>, Raise> {
    let group = match cx.l.type_of(2) {
        Type::None | Type::Nil => String::new(),
        _ => cx.string(2)?,
    };
    Ok(match group.is_empty() {
        true => Err(Error::invalid("group cannot be empty")),
        false if !cx.allows(action, &group) => Err(denied(action, &group)),
        false => Ok(group),
    })
}

/// Argument 2 as one group or a list of at least one.
fn group_list(cx: &mut Cx, action: &str) -> Result<Result<Vec<String>, Error>, Raise> {
    let l = cx.l;
    if l.type_of(2) != Type::Table {
        return Ok(group(cx, action)?.map(|group| vec![group]));
    }
    let mut list = Vec::with_capacity(l.raw_len(2));
    for n in 1..=l.raw_len(2) {
        l.raw_get_index(2, n);
        let named = cx.string(l.top());
        let got = l.type_name(-1);
        let problem = || format!("list of strings expected, got {got} at {n}");
        list.push(named.map_err(|_| cx.bad_argument(2, &problem()))?);
        l.pop(1);
    }
    if list.is_empty() || list.iter().any(String::is_empty) {
        return Ok(Err(Error::invalid("group cannot be empty")));
    }
    let refused = list.iter().find(|group| !cx.allows(action, group));
    Ok(match refused {
        Some(group) => Err(denied(action, group)),
        None => Ok(list),
    })
}

fn join(cx: &mut Cx) -> Ret {
    let scope = scope!(cx);
    let groups = match group_list(cx, "pg.join")? {
        Ok(groups) => groups,
        Err(error) => return cx.fail(error),
    };
    let pid = cx.self_pid();
    if let Err(error) = scope.join(pid, &groups) {
        return cx.fail(error);
    }
    let vm = cx.vm();
    let current = vm.current;
    let memberships = &mut vm.processes[current].extra.get_or_insert_default().memberships;
    if !memberships.iter().any(|known| Arc::ptr_eq(&known.scope, &scope)) {
        memberships.push(Membership { scope, pid });
    }
    cx.bool(true)
}

fn leave(cx: &mut Cx) -> Ret {
    let scope = scope!(cx);
    let groups = match group_list(cx, "pg.leave")? {
        Ok(groups) => groups,
        Err(error) => return cx.fail(error),
    };
    match scope.leave(cx.self_pid(), &groups) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}

fn push_pids(cx: &mut Cx, pids: &[Pid]) {
    let l = cx.l;
    l.new_table(pids.len(), 0);
    for (n, pid) in pids.iter().enumerate() {
        cx.vm().push_pid(l, *pid);
        l.raw_set_index(-2, n + 1);
    }
}

fn members(cx: &mut Cx, action: &str) -> Ret {
    let scope = scope!(cx);
    match group(cx, action)? {
        Ok(group) => push_pids(cx, &scope.members(&group)),
        Err(error) => return cx.fail(error),
    }
    cx.values(1)
}

fn groups(cx: &mut Cx, action: &str) -> Ret {
    let scope = scope!(cx);
    if !cx.allows(action, "") {
        return cx.fail(denied(action, "all groups"));
    }
    let l = cx.l;
    let groups = scope.groups();
    l.new_table(groups.len(), 0);
    for (n, group) in groups.iter().enumerate() {
        l.push_str(group);
        l.raw_set_index(-2, n + 1);
    }
    cx.values(1)
}

// -- broadcast -----------------------------------------------------------------------------------

/// One message for each membership. Members that cannot be reached are left out; the caller waits
/// while its lane is full.
fn broadcast(cx: &mut Cx, action: &str) -> Ret {
    let scope = scope!(cx);
    let group = match group(cx, action)? {
        Ok(group) => group,
        Err(error) => return cx.fail(error),
    };
    let topic = match cx.l.type_of(3) {
        Type::None | Type::Nil => &b""[..],
        _ => cx.text(3)?,
    };
    match topic.first() {
        None => return cx.fail(Error::invalid("topic cannot be empty")),
        Some(b'@') => return cx.fail(Error::invalid("cannot send to @ topics")),
        Some(_) => {}
    }
    let mut message = Wire::new();
    message.str(topic);
    wire::encode_arguments(cx.l, 4, cx.l.top(), &mut message)?;
    let can_wait = cx.can_suspend();
    let pending = Arc::new(Pending::new(cx)?);
    let from = cx.self_pid();
    let vm = cx.vm();
    let current = vm.current;
    for to in scope.members(&group) {
        let package = Package { from, to, body: Body::Message(message.clone()) };
        if vm.by_uniq.contains_key(&to.uniq()) {
            vm.arrive(package);
            continue;
        }
        let mut ticket = vm.processes[current].ticket.take();
        let resume = || -> Resume {
            pending.0.fetch_add(1, Ordering::AcqRel);
            let pending = pending.clone();
            Box::new(move || pending.lose_one())
        };
        let sent = vm.kernel.mailbox.send(package, &mut ticket, resume);
        vm.processes[current].ticket = ticket;
        // Nobody there any more is no failure, and what waits is counted.
        let _: Result<Posted, _> = sent;
    }
    match pending.is_over() || !can_wait {
        true => cx.bool(true),
        false => cx.suspend(Wait::Command(finish_broadcast)),
    }
}

/// Messages without room yet, plus one while the sender is still at it; what to call when there are
/// none left.
struct Pending(AtomicUsize, Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Pending {
    fn new(cx: &mut Cx) -> Result<Pending, Raise> {
        let done = cx.completer()?;
        let then = Box::new(move || done(Ok(Answer::Bool(true))));
        Ok(Pending(AtomicUsize::new(1), Mutex::new(Some(then))))
    }

    /// A message has got its room.
    fn lose_one(&self) {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(then) = self.1.lock().take()
        {
            then();
        }
    }

    /// The sender is done: is there nothing to wait for?
    fn is_over(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

fn finish_broadcast(_: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    match result {
        Ok(_) => {
            l.push_bool(true);
            1
        }
        Err(problem) => push_failure(l, problem),
    }
}

// -- news ----------------------------------------------------------------------------------------

fn monitor(cx: &mut Cx) -> Ret {
    let scope = scope!(cx);
    let group = match group(cx, "pg.monitor")? {
        Ok(group) => group,
        Err(error) => return cx.fail(error),
    };
    let members = match watch(cx, &scope, Some(&group))? {
        Ok(members) => members,
        Err(error) => return cx.fail(error),
    };
    push_pids(cx, members.get(group.as_str()).map_or(&[], Vec::as_slice));
    cx.values(2)
}

fn events(cx: &mut Cx) -> Ret {
    let scope = scope!(cx);
    if !cx.allows("pg.events", "") {
        return cx.fail(denied("pg.events", "all groups"));
    }
    let members = match watch(cx, &scope, None)? {
        Ok(members) => members,
        Err(error) => return cx.fail(error),
    };
    let l = cx.l;
    l.new_table(0, members.len());
    for (group, pids) in &members {
        push_pids(cx, pids);
        l.set_field(-2, group);
    }
    cx.values(2)
}

/// Pushes a subscription; the members at its begin.
fn watch(
    cx: &mut Cx,
    scope: &Arc<GroupScope>,
    group: Option<&str>,
) -> Result<Result<Members, Error>, Raise> {
    let wake = cx.feed_waker()?;
    let (feeding, members) = scope.watch(group, wake);
    let owner = cx.self_pid();
    let vm = cx.vm();
    let Some(channel) = vm.open_subscription(owner, feeding, false) else {
        return Ok(Err(Error::internal("the process is not there yet")));
    };
    let channel = vm.hold_channel(channel);
    cx.l.push_userdata(SubscriptionObject { channel });
    Ok(Ok(members))
}

fn subscription(cx: &Cx) -> Result<u32, Raise> {
    let found = cx.l.with::<SubscriptionObject, _>(1, |this| this.channel.id);
    found.ok_or_else(|| cx.wrong_type(1, "pg.Subscription"))
}

fn channel(cx: &mut Cx) -> Ret {
    let id = subscription(cx)?;
    let l = cx.l;
    cx.vm().push_channel(l, id);
    cx.values(1)
}

/// What the buffer holds stays, unless it is to be flushed.
fn close(cx: &mut Cx) -> Ret {
    let id = subscription(cx)?;
    let l = cx.l;
    let mut flush = false;
    if !matches!(l.type_of(2), Type::None | Type::Nil) {
        cx.table(2)?;
        flush = l.get_field(2, "flush") == Type::Boolean && l.bool(-1);
        l.pop(1);
    }
    let vm = cx.vm();
    let wakes = !vm.channels[id].receivers.is_empty();
    vm.close_subscription(id);
    if flush {
        vm.empty_buffer(id);
    }
    l.push_bool(true);
    match wakes && cx.suspendable().is_ok() {
        true => cx.step_aside(1),
        false => cx.values(1),
    }
}

fn release(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.l.with::<Instance, _>(1, |this| this.0 = None);
    cx.bool(true)
}

fn instance_text(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.str("pg.Instance{}")
}

fn subscription_text(cx: &mut Cx) -> Ret {
    subscription(cx)?;
    cx.str("pg.Subscription{}")
}
